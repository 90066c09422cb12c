"""Backends of a tenant's own: its bytes are there and nowhere else, and nothing else is there."""

from pathlib import Path

import pytest
from sqlalchemy import select

from regions.fields import PostureCheck
from storage.catalog import tables as t
from storage.client.tenant import Tenant
from storage.errors import BackendShared, CatalogUnavailable, PlacementUnsatisfied
from storage.initialize import init
from storage.model import (
    DataClass,
    NewRecord,
    Posture,
    PostureFinding,
    PutResult,
    ReplicaState,
    Scope,
)
from storage.testing import SERVICE, Call, Domicile
from tests.support.actions import erase, get, is_complete, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.holds import SOON, open_held, place_hold, release_holds
from tests.support.inspect.stored import home
from tests.support.scrubs import scrubbed
from tests.support.topologies import dedicating

pytestmark = pytest.mark.one_region

OWN, SHARED = {"own-a", "own-b"}, {"eu-a", "eu-b"}
o, r = t.object_.c, t.replica.c


def change(domicile: Domicile, topology: Path | None) -> None:
    """Open the store again, with another topology."""
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


@pytest.fixture
def owning(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A store in which acme-eu has two backends of its own."""
    change(domicile, dedicating(tmp_path, "acme-eu"))
    return domicile


def closed(_: Call) -> Posture:
    """Answer that a bucket copies its objects elsewhere."""
    return {PostureCheck.REPLICATION: PostureFinding.BAD}


def contents(domicile: Domicile) -> set[tuple[str, str | None, str]]:
    """Return kind, tenant and backend of all that is stored in the home region."""
    with home(domicile).catalog.begin() as connection:
        rows = connection.execute(
            select(o.kind, o.tenant, r.backend)
            .join(t.replica, r.object_id == o.id)
            .where(r.state != ReplicaState.GONE, o.kind != "canary")
        )
        return {(row.kind, row.tenant, row.backend) for row in rows}


def check_apart(domicile: Domicile, tenant: str = "acme-eu") -> set[str]:
    """Require that own and shared backends have what belongs there. Return the kinds of its own."""
    found = contents(domicile)
    for kind, owner, backend in found:
        assert backend in (OWN if owner == tenant else SHARED), (kind, owner, backend)
    return {kind for kind, owner, _ in found if owner == tenant}


def write_all(tenant: Tenant) -> None:
    """Put what makes a shared pack of others, a pack of its own, and a file."""
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    tenant.put(DataClass.PROMPT, b"else", subject="v")
    tenant.put(DataClass.COMPLETION, bytes(300_000), subject="u")
    tenant.put_file([b"a file"], subject="u")


def test_its_bytes_are_on_its_own_backends_alone(owning: Domicile) -> None:
    """Through everything that writes: packs, keys, compaction, holds, replication, scrub."""
    tenant, other = owning.tenant(retention=SOON), owning.tenant("other-eu", retention=SOON)
    owning.take_down("own-b")
    write_all(tenant)
    write_all(other)
    owning.bring_back("own-b")
    held = tenant.put(DataClass.PROMPT, b"held", subject="w").id
    placed = place_hold(owning, Scope.subject("w"))
    assert check_apart(owning) == {"pack", "day_key", "file_key"}

    erased = [erase(tenant), erase(other)]
    for _ in range(3):
        work(owning, hours=30)

    assert check_apart(owning) == {"held", "hold_key"}
    assert open_held(owning, placed, held) == b"held"
    release_holds(owning, placed)
    for _ in range(6):
        work(owning, hours=30)
    check_apart(owning)
    assert [is_complete(owning, one) for one in erased] == [True, True]
    for name in sorted(OWN | SHARED):
        assert scrubbed(owning, name, share=1.0) == {}


def test_the_ledger_is_on_the_shared_ones(owning: Domicile) -> None:
    """It tells of all tenants."""
    erase(owning.tenant())
    places = {backend for kind, _, backend in contents(owning) if kind == "ledger"}
    assert places == SHARED
    assert [b.missing for b in owning.store.status().regions[0].backends] == [0, 0, 0, 0]


def test_others_write_when_they_are_down(owning: Domicile) -> None:
    """And the other way around, but for the ledger."""
    tenant, other = owning.tenant(), owning.tenant("other-eu")
    owning.take_down(*OWN)
    record = other.put(DataClass.PROMPT, b"other").id
    erase(other)
    owning.bring_back(*OWN)
    owning.take_down(*SHARED)
    own = tenant.put(DataClass.PROMPT, b"mine").id

    assert get(tenant, own) == b"mine"
    owning.bring_back(*SHARED)
    assert get(other, record) == b"other"


def test_a_catalog_is_compared_with_the_ledger_where_it_is(owning: Domicile) -> None:
    """The own backends answer, but have no entry: that says nothing about the catalog."""
    other = owning.tenant("other-eu")
    owning.take_down(*SHARED)
    owning.open()
    with pytest.raises(CatalogUnavailable, match="compared with the ledger"):
        owning.store.tenant(other.id).put(DataClass.PROMPT, b"other")


def test_what_was_compacted_since_the_backup_stays_its_own(owning: Domicile) -> None:
    """The restored catalog reads in the object itself whose it is."""
    tenant = owning.tenant()
    records = [NewRecord(DataClass.PROMPT, b"mine", subject=name) for name in "uvw"]
    ids = [result.id for result in tenant.put_many(records) if isinstance(result, PutResult)]
    dump = Dump.of(owning)
    erase(tenant)
    for _ in range(4):
        work(owning, hours=30)

    dump.restore(owning)
    assert recover_catalog(owning).reattached == 2
    for _ in range(3):
        work(owning, hours=30)

    assert check_apart(owning) == {"pack", "day_key"}
    assert get(owning.store.tenant(tenant.id).bind(SERVICE), ids[1]) == b"mine"


def test_the_status_says_that_its_writes_are_refused(owning: Domicile) -> None:
    """Also if all others can write."""
    assert not owning.store.status().regions[0].blocked
    for name in OWN:
        owning.backends[name].inject(closed, "posture")
    owning.open()

    assert owning.store.status().regions[0].blocked
    owning.tenant("other-eu").put(DataClass.PROMPT, b"other")
    with pytest.raises(PlacementUnsatisfied, match="own-a: posture_bad"):
        owning.tenant().put(DataClass.PROMPT, b"mine")


def test_what_it_had_before_is_moved_by_the_scrub(domicile: Domicile, tmp_path: Path) -> None:
    """What is its alone, by the second; what it shares with others stays until it expires."""
    tenant = domicile.tenant(dedicated=True)
    record = tenant.put(DataClass.PROMPT, b"mine").id
    other = domicile.tenant("other-eu").put(DataClass.PROMPT, b"other").id

    change(domicile, dedicating(tmp_path, "acme-eu"))
    for _ in range(2):
        for name in sorted(SHARED):
            scrubbed(domicile, name)
        work(domicile, hours=1)

    assert check_apart(domicile) == {"pack", "day_key"}
    domicile.take_down(*SHARED)
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), record) == b"mine"
    domicile.bring_back(*SHARED)
    assert get(domicile.store.tenant("other-eu").bind(SERVICE), other) == b"other"


def test_its_own_retire(owning: Domicile, tmp_path: Path) -> None:
    """Its bytes go to the shared ones, and its own are empty."""
    record = owning.tenant().put(DataClass.PROMPT, b"mine").id

    change(owning, dedicating(tmp_path / "2", "acme-eu", retire=True))
    for _ in range(4):
        work(owning, hours=1)

    assert {backend for _, _, backend in contents(owning)} <= SHARED
    assert [b.moved > 0 for b in owning.store.status().regions[0].leaving] == [True, True]
    assert all(b.statement for b in owning.store.status().regions[0].leaving)
    assert get(owning.store.tenant("acme-eu").bind(SERVICE), record) == b"mine"


@pytest.mark.parametrize(("what", "owners"), [("file", ()), ("held", ("acme-eu",))])
def test_a_backend_is_not_handed_to_another_tenant(
    owning: Domicile, tmp_path: Path, what: str, owners: tuple[str, ...]
) -> None:
    """Not while anything of the former is there, also if no key of a day is, or the other had it.

    Once it is emptied it may be.
    """
    change(owning, dedicating(tmp_path / "2", "bolt-eu"))
    change(owning, dedicating(tmp_path / "1", "acme-eu"))
    tenant = owning.tenant(retention=SOON)
    if what == "file":
        tenant.put_file([b"a file"], subject="u")
    else:
        tenant.put(DataClass.PROMPT, b"held", subject="u")
        place_hold(owning, Scope.subject("u"))
        for _ in range(3):
            work(owning, hours=30)
    assert "day_key" not in check_apart(owning)

    with pytest.raises(BackendShared, match="own-a, own-b"):
        change(owning, tmp_path / "2")
    with pytest.raises(BackendShared):
        change(owning, dedicating(tmp_path / "3", "bolt-eu", retire=True))

    change(owning, dedicating(tmp_path / "4", *owners, retire=True))
    for _ in range(4):
        work(owning, hours=1)
    change(owning, dedicating(tmp_path / "5", "bolt-eu"))
    owning.tenant("bolt-eu").put_file([b"another"], subject="u")
    assert check_apart(owning, "bolt-eu") == {"pack", "file_key"}


@pytest.mark.parametrize("owners", [(), ("acme-eu",)])
@pytest.mark.parametrize("what", ["record", "erasure"])
def test_a_backend_that_others_use_cannot_be_dedicated(
    domicile: Domicile, tmp_path: Path, owners: tuple[str, ...], what: str
) -> None:
    """Their bytes are there, or the ledger. The store opens again without the dedication."""
    before = dedicating(tmp_path / "before", *owners)
    change(domicile, before)
    tenant = domicile.tenant()
    _ = erase(tenant) if what == "erasure" else tenant.put(DataClass.PROMPT, b"mine")
    after = dedicating(tmp_path / "after", "bolt")
    if what == "erasure" and owners:
        change(domicile, after)  # no ledger entry is there
        return

    with pytest.raises(BackendShared) as caught:
        change(domicile, after)

    assert "own-a, own-b" in caught.value.message
    with pytest.raises(BackendShared):  # nor does init note it, after which nobody would look
        init(domicile.settings, dependencies=domicile.dependencies)
    with pytest.raises(BackendShared):
        domicile.open()
    change(domicile, before)
