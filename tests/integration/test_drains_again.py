"""A company that had a part twice is drained twice: what was attested before counts no more."""

import shutil
from pathlib import Path

import pytest

from storage.draining import attest, drain, plan
from storage.errors import InvalidRequest, Unavailable
from storage.evidence.drains import Drain, verify_drain
from storage.logs import make_logger
from storage.model.listing import PartKind
from storage.testing import Domicile
from tests.integration.test_drains import drained as drained_processor
from tests.support.inspect.stored import HOME, home
from tests.support.topology_files import EU, SHIPPED, edit

pytestmark = pytest.mark.one_region

STEWARD = "quellwerk"
PARTS = (PartKind.CATALOG, PartKind.KEYS, PartKind.BACKUPS)


def use(domicile: Domicile, topology: Path | None) -> None:
    """Reopen the store a day later with another topology."""
    domicile.pass_time(days=1)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    domicile.pass_time(hours=1)


def attest_all(domicile: Domicile, document: str) -> list[bool]:
    """Attest that the steward handed over each part. Return for each whether that is new."""
    given = {"actor": "ops-7", "document": document * 64}
    return [attest(home(domicile), STEWARD, part, **given) for part in PARTS]


def drained(domicile: Domicile) -> tuple[str, Drain]:
    """Drain the steward. Return the receipt, and what it says."""
    served = domicile.homes.served(HOME)
    token = drain(served.region, served.keys, STEWARD, make_logger(), tell=lambda _: None)
    return token, verify_drain(token, served.region.signing.public_key())


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """The shipped topology, with another company that runs database, keys and backups."""
    topology = shutil.copytree(SHIPPED, tmp_path / "moved")
    for part in PARTS:
        old = f'{part} = {{ sub_processor = "{STEWARD}"'
        edit(topology / EU, old, f'{part} = {{ sub_processor = "meerspeicher"')
    return topology


def test_a_second_stewardship_needs_attestations_and_a_receipt_of_its_own(
    domicile: Domicile, moved: Path
) -> None:
    """The first ones are about a time before it. They stay on record."""
    shipped = domicile.settings.topology
    use(domicile, moved)
    assert attest_all(domicile, "a") == [True, True, True]
    assert attest_all(domicile, "b") == [False, False, False]
    first = drained(domicile)
    assert {part.document for part in first[1].handed_over} == {"a" * 64}
    assert drained(domicile) == first

    use(domicile, shipped)
    with pytest.raises(InvalidRequest, match=f"The topology says that {STEWARD} runs the keys"):
        attest(home(domicile), STEWARD, PartKind.KEYS, actor="ops-7", document="c" * 64)
    use(domicile, moved)
    assert plan(home(domicile), STEWARD).open_parts == PARTS
    with pytest.raises(Unavailable, match="runs or ran the catalog, keys, backups"):
        drained(domicile)

    assert attest_all(domicile, "c") == [True, True, True]
    second = drained(domicile)
    assert {part.document for part in second[1].handed_over} == {"c" * 64}
    assert second[1].finished > first[1].finished
    assert drained(domicile) == second


def test_a_receipt_is_later_than_the_last_day_on_which_the_company_had_a_part(
    domicile: Domicile,
) -> None:
    """What it had since is not in an older one. While nothing was seen since, it is made once."""
    first = drained_processor(domicile)
    assert drained_processor(domicile) == first

    use(domicile, domicile.settings.topology)

    second = drained_processor(domicile)
    assert second != first
    assert drained_processor(domicile) == second
