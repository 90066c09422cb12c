"""Loading a topology: what is wrong is refused with file, key and reason."""

import shutil
from collections.abc import Callable
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError

import regions
from regions.load import TopologyProblem, load_topology
from regions.model import Bounds, DataClass
from storage.errors import DomicileError, TopologyError

SHIPPED = Path(regions.__file__).parent / "data"
EU = "regions/eu-central-1.toml"
US = "regions/us-east-1.toml"
COMPANIES = "sub_processors.toml"
RESIDENCIES = "residencies.toml"
CLASSES = "classes.toml"
JURISDICTIONS = "jurisdictions.toml"

Refuse = Callable[[], TopologyProblem]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be broken."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first ``old``; a test whose edit does nothing would prove nothing."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def problem(data: Path) -> TopologyProblem:
    """What loading says."""
    with pytest.raises(TopologyProblem) as caught:
        load_topology(data)
    return caught.value


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

    assert topology.bounds == Bounds(purge_hours=24, compaction_hours=72, write_window_hours=24)
    assert {
        name: (rule.retention_days, rule.ceiling_days) for name, rule in topology.classes.items()
    } == {
        DataClass.PROMPT: (30, 30),
        DataClass.COMPLETION: (30, 30),
        DataClass.FINE_TUNING_FILE: (None, None),
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


BROKEN = [
    # files and form
    (EU, 'name = "eu-central-1"', 'name = "eu-west-1"', "name", "file is eu-central-1.toml"),
    (EU, 'jurisdiction = "EU"\n', "", "jurisdiction", "is missing"),
    (EU, "replicas = 2", "replica = 2", "replica", "not a known key"),
    (EU, "replicas = 2", 'replicas = "2"', "replicas", "valid integer"),
    (EU, "replicas = 2", "replicas = 2.0", "replicas", "valid integer"),
    (EU, "replicas = 2", "replicas = true", "replicas", "valid integer"),
    (EU, "\nrequired = 1", "\nrequired = 0", "required", "greater than or equal to 1"),
    (EU, 'name = "eu-a"', 'name = "EU A"', "backends.EU A.name", "match pattern"),
    (EU, 'name = "eu-a"\n', "", "backends.1.name", "is missing"),
    (EU, 'kind = "directory"', 'kind = "ftp"', "backends.eu-a.kind", "'s3', 'directory'"),
    (EU, 'location = "EU"', "place = 1", "catalog.place", "not a known key"),
    (COMPANIES, "2025-01-01", '"soon"', "sub_processors.lindenhost.since", "valid date"),
    (
        COMPANIES,
        "2025-01-01",
        "2025-01-01T12:00:00Z",
        "sub_processors.lindenhost.since",
        "date",
    ),
    (
        COMPANIES,
        '["EU"]',
        '["Europe"]',
        "sub_processors.lindenhost.jurisdictions.1",
        "match pattern",
    ),
    (COMPANIES, '"hosting"', '"catering"', "sub_processors.lindenhost.service", "'hosting'"),
    (RESIDENCIES, '["dpa"]', '["nda"]', "residencies.EU.agreements.1", "'dpa'"),
    (CLASSES, 'name = "prompt"', 'name = "diary"', "classes.diary.name", "'prompt'"),
    (CLASSES, '["serve"]', '["sell"]', "classes.prompt.purposes.1", "'serve'"),
    (CLASSES, "purge_hours = 24", "purge_hours = 0", "bounds.purge_hours", "equal to 1"),
    (CLASSES, "retention_days = 30", "retention_days = 40000", "classes.prompt.retention_days", ""),
    # duplicates
    (
        COMPANIES,
        'name = "meerspeicher"',
        'name = "lindenhost"',
        "sub_processors.lindenhost.name",
        "twice",
    ),
    (RESIDENCIES, 'name = "US"', 'name = "EU"', "residencies.EU.name", "twice"),
    (CLASSES, 'name = "completion"', 'name = "prompt"', "classes.prompt.name", "twice"),
    (EU, 'name = "eu-b"', 'name = "eu-a"', "backends.eu-a.name", "twice"),
    (US, 'name = "us-b"', 'name = "eu-b"', "backends.eu-b.name", "backend of eu-central-1"),
    # companies
    (
        EU,
        'sub_processor = "lindenhost"',
        'sub_processor = "nobody"',
        "backends.eu-a.sub_processor",
        "not in sub_processors.toml",
    ),
    (
        EU,
        'sub_processor = "quellwerk"',
        'sub_processor = "nobody"',
        "catalog.sub_processor",
        "not in sub_processors.toml",
    ),
    (
        EU,
        'sub_processor = "lindenhost"',
        'sub_processor = "prairie-racks"',
        "backends.eu-a.sub_processor",
        "not permitted in EU",
    ),
    (
        EU,
        'keys = { sub_processor = "quellwerk"',
        'keys = { sub_processor = "ledgerline"',
        "keys.sub_processor",
        "not permitted in EU",
    ),
    (
        EU,
        'backups = { sub_processor = "quellwerk", location = "EU"',
        'backups = { sub_processor = "quellwerk", location = "US"',
        "backups.location",
        "region's jurisdiction, EU",
    ),
    (
        COMPANIES,
        'service = "hosting"',
        'service = "moderation"',
        "backends.eu-a.sub_processor",
        "for moderation, not for hosting",
    ),
    (
        COMPANIES,
        "since = 2025-01-01",
        "since = 2025-01-01\nuntil = 2025-01-01",
        "sub_processors.lindenhost.until",
        "after since",
    ),
    # connectors
    (
        COMPANIES,
        'service = "moderation"',
        'service = "hosting"',
        "sub_processors.klarblick.connector",
        "not for hosting",
    ),
    *(
        (COMPANIES, old, new, f"sub_processors.{place}", reason)
        for old, new, place, reason in (
            ('kind = "http"\n', 'kind = "fax"\n', "klarblick.connector.kind", "'http'"),
            ('kind = "http"\n', 'kind = "manual"\n', "klarblick.connector.url", "of kind manual"),
            ('kind = "manual"', 'kind = "http"', "vier-augen.connector.url", "is missing"),
            ("https://", "http://", "klarblick.connector.url", "must be https"),
            ("https://", "https://user:secret@", "klarblick.connector.url", "must be https"),
            ("/v1", "/v1?key=1", "klarblick.connector.url", "must be https"),
            ("example/v1", "example:port/v1", "klarblick.connector.url", "must be https"),
            ("S7tR", "+7tR", "klarblick.connector.acknowledgement_key", "match pattern"),
            ("lead_hours = 24", "lead_hours = 336", "klarblick.connector.lead_hours", "no time"),
            ("max_days = 30", "max_days = 31", "vier-augen.connector.max_days", "equal to 30"),
            ("max_days = 14", "max_days = 0", "klarblick.connector.max_days", "equal to 1"),
        )
    ),
    (
        CLASSES,
        'handed_to = ["moderation", "human_review"]',
        'handed_to = ["hosting"]',
        "classes.prompt.handed_to",
        "names hosting",
    ),
    (
        RESIDENCIES,
        'jurisdictions = ["EU"]',
        "jurisdictions = []",
        "residencies.EU.jurisdictions",
        "at least one",
    ),
    # evidence
    (JURISDICTIONS, 'name = "EU"', 'name = "Europe"', "jurisdictions.Europe.name", "match pattern"),
    (JURISDICTIONS, 'name = "US"', 'name = "EU"', "jurisdictions.EU.name", "twice"),
    (
        JURISDICTIONS,
        "reason =",
        "reason = ''\nwhy =",
        "jurisdictions.EU.receipts.why",
        "not a known key",
    ),
    (JURISDICTIONS, "days = 1461", "", "jurisdictions.EU.receipts.days", "is missing"),
    (JURISDICTIONS, "days = 1461", "days = 0", "jurisdictions.EU.receipts.days", "equal to 1"),
    (
        EU,
        "catalog_backup_days = 7",
        "catalog_backup_days = 1462",
        "catalog_backup_days",
        "above the 1461 days for which receipts are kept",
    ),
    (
        EU,
        "catalog_backup_days = 7",
        "catalog_backup_days = 1097",
        "catalog_backup_days",
        "above the 1096 days for which holds are kept",
    ),
    # copies and kinds
    (EU, "\nrequired = 1", "\nrequired = 3", "required", "above replicas (2)"),
    (EU, "replicas = 2", "replicas = 3", "replicas", "above the number of backends"),
    (EU, 'path = "backends/eu-a"', "", "backends.eu-a.path", "kind directory needs it"),
    (EU, 'path = "backends/eu-a"', 'path = ""', "backends.eu-a.path", "not be empty"),
    (EU, 'path = "backends/eu-a"', 'path = "."', "backends.eu-a.path", "directory of its own"),
    (EU, 'path = "backends/eu-a"', 'path = "../a"', "backends.eu-a.path", "directory of its own"),
    (EU, "backends/eu-b", "backends/./eu-a", "backends.eu-b.path", "that of eu-a"),
    (EU, "backends/eu-b", "backends/eu-a/b", "backends.eu-b.path", "that of eu-a"),
    (US, "backends/us-b", "backends/eu-a", "backends.us-b.path", "that of eu-a"),
    (
        EU,
        'path = "backends/eu-a"',
        'path = "a"\nbucket = "b"',
        "backends.eu-a.bucket",
        "not for a backend of kind directory",
    ),
    (EU, 'kind = "directory"', 'kind = "s3"', "backends.eu-a.aws_region", "kind s3 needs it"),
    (
        EU,
        'kind = "directory"',
        'kind = "s3"\naws_region = "eu-central-1"',
        "backends.eu-a.bucket",
        "kind s3 needs it",
    ),
    (
        EU,
        'kind = "directory"',
        'kind = "s3"\naws_region = "eu-central-1"\nbucket = "b"',
        "backends.eu-a.path",
        "not for a backend of kind s3",
    ),
    (
        EU,
        'kind = "directory"',
        'kind = "memory"',
        "backends.eu-a.path",
        "not for a backend of kind memory",
    ),
    # retention
    (
        CLASSES,
        "retention_days = 30",
        "retention_days = 31",
        "classes.prompt.retention_days",
        "above the ceiling of 30",
    ),
    (
        CLASSES,
        "retention_days = 30\n",
        "",
        "classes.prompt.retention_days",
        "a class with a ceiling needs a retention",
    ),
    (
        CLASSES,
        "retention_days = 30",
        "retention_days = 1",
        "classes.prompt.retention_days",
        "0 or at least 24 hours",
    ),
    (
        CLASSES,
        "compaction_hours = 72",
        "compaction_hours = 700",
        "bounds.compaction_hours",
        "at most 720",
    ),
    # cascades
    (
        CLASSES,
        'parent = "completion"\nchild = "prompt"',
        'parent = "prompt"\nchild = "completion"',
        "cascades.2",
        "twice",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "key", "reason"), BROKEN)
def test_what_is_wrong_is_named_by_file_key_and_reason(  # noqa: PLR0917
    data: Path, file: str, old: str, new: str, key: str, reason: str
) -> None:
    """Each mistake is refused, and a person is told where it is and what is wrong with it."""
    edit(data / file, old, new)

    found = problem(data)

    # a fault of a company's own entry may show only where a region relies on it
    where = EU if key.startswith("backends.eu") and file == COMPANIES else file
    assert (found.file, found.key) == (str(data / where), key)
    assert reason in found.reason


def test_a_cascade_of_a_class_that_is_not_kept_is_refused(data: Path) -> None:
    """A class that is known to Domicile but not to this topology cascades nowhere."""
    text = (data / CLASSES).read_text()
    start = text.index('[[classes]]\nname = "completion"')
    stop = text.index("[[classes]]", start + 1)
    (data / CLASSES).write_text(text[:start] + text[stop:])

    found = problem(data)

    assert (found.key, found.reason) == ("cascades.1.child", "completion is not among the classes")


def test_a_region_whose_jurisdiction_says_nothing_of_evidence_is_refused(data: Path) -> None:
    """How long receipts are kept there would be nobody's decision."""
    text = (data / JURISDICTIONS).read_text()
    (data / JURISDICTIONS).write_text(text[: text.index('[[jurisdictions]]\nname = "US"')])

    found = problem(data)

    assert (found.file, found.key) == (str(data / US), "jurisdiction")
    assert found.reason == "US is not in jurisdictions.toml"


def test_bad_toml_is_refused_with_its_line(data: Path) -> None:
    """A typing error is found by its line, since no key can be named."""
    edit(data / RESIDENCIES, 'name = "US"', 'name = "US')
    line = (data / RESIDENCIES).read_text().splitlines().index('name = "US') + 1

    found = problem(data)

    assert (found.file, found.key) == (str(data / RESIDENCIES), "")
    assert "not valid TOML" in found.reason
    assert f"line {line}," in found.reason


def test_a_file_that_is_not_text_is_refused(data: Path) -> None:
    """Bytes that are no UTF-8 are a fault of the file, not a crash."""
    (data / CLASSES).write_bytes(b"\xff\xfe")

    assert "not valid TOML" in problem(data).reason


@pytest.mark.parametrize("file", [COMPANIES, RESIDENCIES, CLASSES])
def test_a_missing_file_is_refused(data: Path, file: str) -> None:
    """Nothing is assumed in the place of a file that is not there."""
    (data / file).unlink()

    found = problem(data)

    assert (found.file, found.key) == (str(data / file), "")
    assert "cannot be read: No such file" in found.reason


def test_a_topology_without_regions_is_refused(data: Path) -> None:
    """An empty folder of regions is an error, and so is none at all."""
    shutil.rmtree(data / "regions")

    assert "cannot be read" in problem(data).reason

    (data / "regions").mkdir()

    assert "holds no region" in problem(data).reason


def test_other_files_beside_the_regions_are_let_be(data: Path) -> None:
    """A README or an editor's backup is not a region."""
    (data / "regions" / "README.md").write_text("Ours.")
    (data / "regions" / "eu-central-1.toml~").write_text("[[[")

    assert len(load_topology(data).regions) == 2


def test_a_reserve_is_for_directories(data: Path) -> None:
    """A setting that would have no effect is a mistake."""
    edit(data / EU, 'kind = "directory"', 'kind = "memory"')
    edit(data / EU, 'path = "backends/eu-a"', "reserve_mib = 64")

    found = problem(data)

    assert found.key == "backends.eu-a.reserve_mib"
    assert found.reason == "is not for a backend of kind memory"


def test_two_regions_may_not_share_a_bucket(data: Path) -> None:
    """Two copies in one bucket are one copy, under whatever name."""
    for file, name in ((EU, "eu-a"), (US, "us-a")):
        edit(
            data / file,
            f'name = "{name}"\nkind = "directory"',
            f'name = "{name}"\nkind = "s3"\nbucket = "b"\naws_region = "eu-central-1"',
        )
        edit(data / file, f'path = "backends/{name}"', "")

    found = problem(data)

    assert (found.key, found.reason) == ("backends.us-a.bucket", "is the bucket of eu-a already")


def test_the_same_bucket_name_at_another_endpoint_is_another_bucket(data: Path) -> None:
    """Bucket names are unique within one service only."""
    for file, name in ((EU, "eu-a"), (US, "us-a")):
        edit(
            data / file,
            f'name = "{name}"\nkind = "directory"',
            f'name = "{name}"\nkind = "s3"\nbucket = "b"\naws_region = "r"\n'
            f'endpoint_url = "https://{name}.test"',
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
    """A class that nobody could ever read is a mistake; the purge bound need be no whole days."""
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
