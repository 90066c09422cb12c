"""API keys: shown once, good for their tenant and scope, until they are revoked or it has left."""

from datetime import timedelta
from uuid import UUID

import pytest

from storage.catalog import contents
from storage.errors import ApiKeyInvalid, InvalidRequest, NotFound, UnknownTenant, WrongRegion
from storage.model import ApiKey, KeyScope
from storage.testing import Domicile
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.inspect.rows import ill_typed
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region


def keys_of(domicile: Domicile, tenant: str = "acme-eu") -> list[ApiKey]:
    """Return the keys of a tenant."""
    return list(domicile.store.admin.api_keys.list(tenant))


def test_a_key_is_known_by_its_text_alone(domicile: Domicile) -> None:
    """It names its tenant and its scope. Nothing in the catalog is the key, or a part of it."""
    domicile.tenant()
    new = domicile.store.admin.api_keys.create("acme-eu", KeyScope.READ)

    found = domicile.store.admin.api_keys.identify(new.secret)

    assert (found.id, found.tenant, found.scope) == (new.key.id, "acme-eu", KeyScope.READ)
    with home(domicile).catalog.begin() as connection:
        rows = b"".join(data for _, data, _ in contents.binary(connection))
    assert new.key.id.bytes in rows
    assert new.secret[-16:].encode() not in rows
    assert new.secret not in repr(new)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "dmc_eu-central-1_",
        "dmc_eu-central-1_" + 43 * "A",
        "dmc_moon_" + 43 * "A",
        "sk-" + 43 * "A",
    ],
)
def test_what_is_no_key_is_refused(domicile: Domicile, given: str) -> None:
    """Malformed, unknown, or of a region that is none."""
    domicile.tenant()

    with pytest.raises(ApiKeyInvalid):
        domicile.store.admin.api_keys.identify(given)


def test_a_key_that_was_changed_is_refused(domicile: Domicile) -> None:
    """Each of its characters counts."""
    domicile.tenant()
    secret = domicile.store.admin.api_keys.create("acme-eu", KeyScope.READ).secret

    for at in range(len(secret) - 43, len(secret)):
        other = "A" if secret[at] != "A" else "B"
        with pytest.raises(ApiKeyInvalid):
            domicile.store.admin.api_keys.identify(secret[:at] + other + secret[at + 1 :])


def test_a_key_of_another_region_names_it(domicile: Domicile) -> None:
    """Whoever is asked sends the customer home, and asks no catalog."""
    domicile.tenant()

    with pytest.raises(WrongRegion) as caught:
        domicile.store.admin.api_keys.identify("dmc_us-east-1_" + 43 * "A")

    assert caught.value.home == "us-east-1"


def test_the_last_use_is_noted_once_a_minute(domicile: Domicile) -> None:
    """Not at each request: a busy key would be a row that each of them writes."""
    domicile.tenant()
    secret = domicile.store.admin.api_keys.create("acme-eu", KeyScope.READ).secret
    noted = []
    for seconds in (0, 30, 29, 2):
        domicile.pass_time(seconds=seconds)
        domicile.store.admin.api_keys.identify(secret)
        noted += [key.last_used for key in keys_of(domicile) if key.last_used is not None]

    first, second, third, last = noted
    assert first == second == third
    assert timedelta(seconds=61) <= last - first < timedelta(seconds=62)


def test_a_revoked_key_is_good_for_nothing(domicile: Domicile) -> None:
    """From the return on. To revoke it again changes nothing; another key goes on."""
    domicile.tenant()
    keys = domicile.store.admin.api_keys
    first, second = (keys.create("acme-eu", KeyScope.WRITE) for _ in range(2))

    revoked = keys.revoke(first.key.id)
    domicile.pass_time(hours=1)

    assert revoked.revoked is not None
    assert keys.revoke(str(first.key.id)) == revoked
    with pytest.raises(ApiKeyInvalid):
        keys.identify(first.secret)
    assert keys.identify(second.secret).id == second.key.id


def test_the_list_has_all_keys_of_one_tenant(domicile: Domicile) -> None:
    """Oldest first, page by page."""
    domicile.tenant()
    domicile.tenant("other")
    keys = domicile.store.admin.api_keys
    made = []
    for _ in range(3):
        made.append(keys.create("acme-eu", KeyScope.READ).key)
        domicile.pass_time(seconds=1)
    keys.create("other", KeyScope.READ)

    first = keys.list("acme-eu", limit=2)

    assert list(first) == made[:2]
    assert list(keys.list("acme-eu", after=first[-1].id, limit=2)) == made[2:]


def test_what_is_not_allowed(domicile: Domicile) -> None:
    """Each wrong call has its error, and makes no key."""
    domicile.tenant()
    keys = domicile.store.admin.api_keys

    with pytest.raises(UnknownTenant):
        keys.create("nobody", KeyScope.READ)
    with pytest.raises(InvalidRequest):
        keys.create("acme-eu", ill_typed("all"))
    with pytest.raises(InvalidRequest):
        keys.revoke("key-1")
    with pytest.raises(NotFound):
        keys.revoke(UUID(int=1))
    with pytest.raises(ApiKeyInvalid):
        keys.identify(ill_typed(None))
    assert keys_of(domicile) == []


def test_a_tenant_that_is_removed_takes_its_keys_along(domicile: Domicile) -> None:
    """One of the same name that comes later does not have them."""
    domicile.tenant()
    secret = domicile.store.admin.api_keys.create("acme-eu", KeyScope.WRITE).secret

    domicile.store.admin.tenants.remove("acme-eu")
    domicile.tenant()

    with pytest.raises(ApiKeyInvalid):
        domicile.store.admin.api_keys.identify(secret)
    assert keys_of(domicile) == []


def test_after_a_restore_no_key_of_the_backup_is_good(domicile: Domicile) -> None:
    """The backup does not know which were revoked since. The report says how many there were."""
    domicile.tenant()
    keys = domicile.store.admin.api_keys
    revoked, other = (keys.create("acme-eu", KeyScope.WRITE) for _ in range(2))
    dump = Dump.of(domicile)
    keys.revoke(revoked.key.id)
    dump.restore(domicile)

    report = recover_catalog(domicile)
    domicile.open()

    assert report.api_keys == 2
    for secret in (revoked.secret, other.secret):
        with pytest.raises(ApiKeyInvalid):
            domicile.store.admin.api_keys.identify(secret)
    new = domicile.store.admin.api_keys.create("acme-eu", KeyScope.READ)
    assert domicile.store.admin.api_keys.identify(new.secret).id == new.key.id
