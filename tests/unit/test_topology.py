"""Loading a topology: the shipped one, and what a valid one may contain."""

import shutil
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError

from regions.load import TopologyProblem, load_topology
from regions.model import Bounds, DataClass
from storage.errors import DomicileError, TopologyError
from tests.support.topology_files import (
    CLASSES,
    EU,
    SHIPPED,
    US,
    edit,
    problem,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be broken."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


def test_the_shipped_topology_is_what_the_readme_says() -> None:
    """Two regions in two jurisdictions, with two copies at two companies each, one required."""
    topology = load_topology()

    assert {r.name: r.jurisdiction for r in topology.regions.values()} == {
        "eu-central-1": "EU",
        "us-east-1": "US",
    }
    for region in topology.regions.values():
        assert (region.replicas, region.required) == (2, 1)
        assert len({spec.sub_processor for spec in region.backends}) == 2
        assert {spec.kind for spec in region.backends} == {"directory"}


def test_the_shipped_bounds_and_retentions() -> None:
    """Prompts and completions for 30 days and never longer; files until they are deleted."""
    topology = load_topology()

    assert topology.bounds == Bounds(purge_hours=24, compaction_hours=72)
    assert {
        name: (rule.retention_days, rule.ceiling_days) for name, rule in topology.classes.items()
    } == {
        DataClass.PROMPT: (30, 30),
        DataClass.COMPLETION: (30, 30),
        DataClass.FINE_TUNING_FILE: (None, None),
        DataClass.EVENT: (186, 366),
        DataClass.FLAG: (None, None),
    }


def test_the_shipped_residencies_require_a_dpa_and_one_is_met_by_nobody() -> None:
    """EU and US are met by a region each; CH loads although no region is there."""
    topology = load_topology()
    there = {region.jurisdiction for region in topology.regions.values()}

    assert {name: bool(r.jurisdictions & there) for name, r in topology.residencies.items()} == {
        "EU": True,
        "US": True,
        "CH": False,
    }
    assert all(r.agreements == {"dpa"} for r in topology.residencies.values())


def test_erasing_any_part_of_a_conversation_takes_what_came_after_but_no_file() -> None:
    """Every turn repeats the turns before it; a file is erased only when it is named."""
    topology = load_topology()
    turns = {DataClass.PROMPT, DataClass.COMPLETION}

    for parent, child in product(DataClass, DataClass):
        assert topology.cascades_to(parent, child) == ({parent, child} <= turns)


def test_no_company_of_the_shipped_topology_holds_both_bytes_and_keys() -> None:
    """The example that adopters copy gives no single company enough to open a record."""
    for region in load_topology().regions.values():
        hosts = {spec.sub_processor for spec in region.backends}

        assert region.keys.sub_processor not in hosts
        assert region.catalog.sub_processor not in hosts


def test_an_own_directory_loads_like_the_shipped_one(data: Path) -> None:
    """An adopter's copy of the example is the example."""
    assert load_topology(data) == load_topology()


def test_a_loaded_topology_cannot_be_changed() -> None:
    """What was checked stays what is used."""
    with pytest.raises(ValidationError):
        load_topology().bounds.purge_hours = 1  # type: ignore[misc]


def test_other_files_beside_the_regions_are_let_be(data: Path) -> None:
    """A README or an editor's backup is not a region."""
    (data / "regions" / "README.md").write_text("Ours.")
    (data / "regions" / "eu-central-1.toml~").write_text("[[[")

    assert len(load_topology(data).regions) == 2


def test_the_same_bucket_name_at_another_endpoint_is_another_bucket(data: Path) -> None:
    """Bucket names are unique within one service only."""
    for file, name in ((EU, "eu-a"), (US, "us-a")):
        edit(
            data / file,
            f'name = "{name}"\nkind = "directory"',
            f'name = "{name}"\nkind = "s3"\nbucket = "b"\naws_region = "r"\n'
            f'endpoint_url = "https://{name}.test"\nlocation_document = "{"0f" * 32}"',
        )
        edit(data / file, f'path = "backends/{name}"', "")

    assert len(load_topology(data).regions) == 2


@pytest.mark.parametrize(
    ("purge", "days", "loads"),
    [(24, 2, True), (25, 2, False), (24, 1, False), (6, 2, True), (49, 3, False), (24, 0, True)],
)
def test_a_retention_is_nothing_or_long_enough_to_be_read(
    data: Path, *, purge: int, days: int, loads: bool
) -> None:
    """A class that could never be read is a mistake; the purge bound may be a part of a day."""
    edit(data / CLASSES, "purge_hours = 24", f"purge_hours = {purge}")
    edit(data / CLASSES, "retention_days = 30", f"retention_days = {days}")

    if loads:
        assert load_topology(data).classes[DataClass.PROMPT].retention_days == days
    else:
        assert problem(data).key == "classes.prompt.retention_days"


def test_what_is_exactly_at_a_bound_loads(data: Path) -> None:
    """The bounds belong to what is allowed: all copies required, an erasure of a whole month."""
    edit(data / EU, "\nrequired = 1", "\nrequired = 2")
    edit(data / CLASSES, "compaction_hours = 72", "compaction_hours = 696")

    topology = load_topology(data)

    assert topology.regions["eu-central-1"].required == 2
    assert topology.bounds.compaction_hours == 696


def test_a_region_of_one_copy_loads(data: Path) -> None:
    """How many copies there are is the adopter's to decide; the other backend is a spare."""
    edit(data / EU, "replicas = 2", "replicas = 1")

    assert load_topology(data).regions["eu-central-1"].replicas == 1


def test_bounds_and_cascades_may_be_left_out(data: Path) -> None:
    """What is not said of bounds is the documented default; no cascade is said, none is there."""
    text = (data / CLASSES).read_text()
    (data / CLASSES).write_text(text[: text.index("[[cascades]]")])

    topology = load_topology(data)

    assert topology.bounds == Bounds()
    assert topology.cascades == ()


def test_a_company_is_active_from_its_first_day_until_before_its_last() -> None:
    """``until`` is the first day on which it may hold nothing."""
    company = load_topology().sub_processors["lindenhost"]
    ended = company.model_copy(update={"until": date(2026, 3, 1)})

    assert not ended.active(date(2024, 12, 31))
    assert ended.active(date(2025, 1, 1))
    assert ended.active(date(2026, 2, 28))
    assert not ended.active(date(2026, 3, 1))


def test_the_problem_becomes_an_error_of_the_one_tree(data: Path) -> None:
    """Bootstrap turns it into TopologyError, which says the same."""
    edit(data / EU, "replicas = 2", "replicas = 0")
    found = problem(data)

    error = TopologyError(found.file, found.key, found.reason)

    assert isinstance(error, DomicileError)
    assert error.message == str(found)
    assert TopologyError("f", "", "r").message == str(TopologyProblem("f", "", "r")) == "f: r"
