"""A tenant is removed when nothing of it is left, and no write to it is lost or wrongly kept."""

from datetime import date
from io import BytesIO

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import (
    CatalogUnavailable,
    TenantConflict,
    TenantNotEmpty,
    UnknownTenant,
)
from storage.model import DataClass, Dpa, Scope, TenantSpec
from storage.testing import Domicile
from tests.support.actions import duty, erase, work
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import home

US = TenantSpec("acme-eu", "acme", "us-east-1", "US", agreements=[Dpa(signed=date(2026, 1, 5))])


def remove(domicile: Domicile) -> None:
    """Remove the tenant that most tests use."""
    domicile.store.admin.tenants.remove("acme-eu")


def refusal(domicile: Domicile) -> str:
    """Return why it is not removed."""
    with pytest.raises(TenantNotEmpty) as caught:
        remove(domicile)
    assert caught.value.reasons == ("not_empty",)
    return caught.value.message


def erase_all(domicile: Domicile) -> None:
    """Erase the tenant, and have it completed."""
    erase(domicile.store.tenant("acme-eu"), Scope.tenant())
    for hours in (1, 73, 1):
        work(domicile, hours=hours)


def test_it_goes_when_everything_is_erased(domicile: Domicile) -> None:
    """Its receipts stay. The same id may then be another tenant elsewhere."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    t.put_file(BytesIO(b"a file"))
    assert refusal(domicile) == "Tenant acme-eu still has 1 records, 1 files."
    with pytest.raises(TenantConflict):
        domicile.store.admin.tenants.ensure(US)

    erase_all(domicile)
    remove(domicile)

    (erasure,) = domicile.store.erasures("eu-central-1")
    assert erasure.receipt is not None
    with pytest.raises(UnknownTenant):
        domicile.store.tenant("acme-eu")
    domicile.store.admin.tenants.ensure(US)
    assert domicile.store.admin.tenants.get("acme-eu").home == "us-east-1"


def test_the_database_itself_keeps_a_tenant_with_a_record(domicile: Domicile) -> None:
    """Whoever skips the count."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")

    with (
        pytest.raises(SQLAlchemyError, match="something of the tenant is left"),
        home(domicile).catalog.begin() as connection,
    ):
        connection.execute(text("SELECT remove_tenant('acme-eu')"))


def test_again_is_unknown(domicile: Domicile) -> None:
    """Neither a name that never was, nor one that is gone, is removed in silence."""
    domicile.tenant()
    remove(domicile)

    with pytest.raises(UnknownTenant):
        remove(domicile)
    with pytest.raises(UnknownTenant):
        domicile.store.admin.tenants.remove("nobody")


def test_an_erasure_that_is_not_complete_keeps_it(domicile: Domicile) -> None:
    """Although the rows are gone."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    erase(t, Scope.tenant())
    duty(domicile, "plan")

    assert refusal(domicile) == "Tenant acme-eu still has 1 open erasures."


def test_a_hold_keeps_it(domicile: Domicile) -> None:
    """Also one that covers nothing yet, and what it relocated beyond its day."""
    t = domicile.tenant(retention={DataClass.PROMPT: 2})
    t.put(DataClass.PROMPT, b"mine", subject="u")
    placed = place_hold(domicile)
    for _ in range(3):
        work(domicile, hours=24)
    assert refusal(domicile) == "Tenant acme-eu still has 1 held records, 1 holds in force."

    release_holds(domicile, placed)
    for _ in range(2):
        work(domicile, hours=1)
    remove(domicile)


def test_a_copy_that_is_not_confirmed_keeps_it(domicile: Domicile) -> None:
    """The processor still has it."""
    t = domicile.tenant()
    mine = t.put(DataClass.PROMPT, b"mine", subject="u").id
    t.hand_over(mine, "handverlesen")
    work(domicile, hours=24 * 31)
    work(domicile, hours=2)

    assert refusal(domicile) == "Tenant acme-eu still has 1 copies at processors."


def test_one_that_was_interrupted_is_removed_again(domicile: Domicile) -> None:
    """The catalog of another region was lost in the middle: the next call completes it."""
    domicile.tenant()
    with domicile.catalog_faults("us-east-1") as faults:
        faults.drop_before_commit("DELETE FROM directory")
        with pytest.raises(CatalogUnavailable):
            remove(domicile)

    remove(domicile)

    domicile.store.admin.tenants.ensure(US)
