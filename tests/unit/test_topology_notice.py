"""Loading what a topology states for customers: the dates, places and products of a company."""

import shutil
from pathlib import Path

import pytest

from regions.load import load_topology
from tests.support.topology_files import COMPANIES, SHIPPED, edit, problem

FIRST = "since = 2025-01-01"
PLACES = 'locations = ["Germany"]'


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        (FIRST, f"announced = 2025-01-02\n{FIRST}", "since", "-1 days after announced"),
        (
            FIRST,
            "announced = 2025-01-01\nnotice_days = 31\nsince = 2025-01-31",
            "since",
            "30 days after announced (2025-01-01), but notice_days is 31",
        ),
        (FIRST, f"notice_days = 30\n{FIRST}", "notice_days", "needs announced"),
        (FIRST, f"notice_days = -1\n{FIRST}", "notice_days", "greater than or equal to 0"),
        (FIRST, f"notice_days = 366\n{FIRST}", "notice_days", "less than or equal to 365"),
        (FIRST, f'announced = "soon"\n{FIRST}', "announced", "valid date"),
        (PLACES, 'locations = [""]', "locations.1", "must not be empty"),
        (PLACES, 'locations = "Germany"', "locations", "valid array"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, key: str, reason: str) -> None:
    """With company, key and dates, before anything is opened."""
    data = shutil.copytree(SHIPPED, tmp_path / "data")
    edit(data / COMPANIES, old, new)

    found = problem(data)

    assert found.key == f"sub_processors.lindenhost.{key}"
    assert reason in found.reason


def test_a_company_may_state_none_of_it(tmp_path: Path) -> None:
    """Topologies from before go on as they are, and with the same digest."""
    data = shutil.copytree(SHIPPED, tmp_path / "data")
    file = data / COMPANIES
    new = ("locations = ", "products = ", "announced = ", "notice_days = ")
    file.write_text("\n".join(x for x in file.read_text().splitlines() if not x.startswith(new)))

    found = load_topology(data).sub_processors["meerspeicher"]

    assert (found.announced, found.notice_days, found.locations, found.products) == (
        None,
        0,
        (),
        (),
    )
    assert "announced" not in found.model_dump(exclude_unset=True)
