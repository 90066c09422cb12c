"""The counts behind ``what-if``: whole, and of one moment."""

import pytest
from sqlalchemy import text

from storage.catalog.times import SNAPSHOT
from storage.catalog.what_if import Counts, tenants_with_counts
from storage.errors import CatalogUnavailable
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.holds import SOON, place_hold
from tests.support.inspect.stored import home
from tests.support.processors.copies import MODERATION

pytestmark = pytest.mark.one_region

GOING = ["eu-a"], [MODERATION]
BOTH = ["eu-a", "eu-b"], [MODERATION]


def counts(
    domicile: Domicile, going: tuple[list[str], list[str]] = GOING
) -> dict[str, dict[DataClass, Counts]]:
    """Return what each tenant has."""
    with home(domicile).catalog.within(SNAPSHOT).begin() as connection:
        return {terms.spec.id: found for terms, found in tenants_with_counts(connection, *going)}


def test_everything_is_counted_once(domicile: Domicile) -> None:
    """Records, files and what a hold keeps, however many replicas; and copies apart from them."""
    tenant = domicile.tenant(retention=SOON)
    domicile.tenant("empty-eu")
    tenant.put(DataClass.PROMPT, b"held", subject="u")
    place_hold(domicile)
    for _ in range(3):
        work(domicile, hours=20)
    kept = tenant.put(DataClass.PROMPT, b"a prompt").id
    domicile.take_down("eu-a")
    tenant.put(DataClass.PROMPT, b"not there")
    domicile.bring_back("eu-a")
    tenant.put_file([b"a file"])
    for _ in range(2):
        tenant.hand_over(kept, MODERATION)

    found = counts(domicile)

    assert found["empty-eu"] == {}
    prompts, files = (found["acme-eu"][c] for c in (DataClass.PROMPT, DataClass.FINE_TUNING_FILE))
    assert (prompts.records, prompts.there, prompts.copies) == (3, 2, 2)
    assert 0 < prompts.bytes_there < prompts.bytes
    assert (files.records, files.there, files.copies) == (1, 1, 0)
    assert files.bytes == files.bytes_there
    every = counts(domicile, BOTH)["acme-eu"][DataClass.PROMPT]
    assert (every.records, every.there, every.bytes_there) == (3, 3, prompts.bytes)


def test_all_is_of_one_moment_and_nothing_is_changed(domicile: Domicile) -> None:
    """What is written or agreed meanwhile is not in it, and the database refuses a change."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"before")

    with home(domicile).catalog.within(SNAPSHOT).begin() as connection:
        connection.execute(text("SELECT 1 FROM tenant"))
        tenant.put(DataClass.PROMPT, b"after")
        tenant.object("lindenhost", by="officer-7", ticket="CASE-1")
        ((terms, found),) = tenants_with_counts(connection, *GOING)
    assert found[DataClass.PROMPT].records == 1
    assert terms.objections == frozenset()

    with (
        pytest.raises(CatalogUnavailable) as caught,
        home(domicile).catalog.within(SNAPSHOT).begin() as connection,
    ):
        connection.execute(text("DELETE FROM objection_in_force"))
    assert "read-only" in str(caught.value.__cause__)
