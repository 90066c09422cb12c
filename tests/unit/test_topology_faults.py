"""Loading a topology: a fault is refused with file, key and reason."""

import shutil
from pathlib import Path

import pytest

from tests.support.topology_files import (
    CLASSES,
    COMPANIES,
    EU,
    JURISDICTIONS,
    RESIDENCIES,
    SHIPPED,
    US,
    edit,
    problem,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be broken."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


_GOES = "goes with the record"
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
    (CLASSES, '["serve", ', '["sell", ', "classes.prompt.purposes.1", "'serve'"),
    (CLASSES, "floor_days = 184", "floor_days = 185", "classes.event.retention_days", "below"),
    (CLASSES, "ceiling_days = 366", "ceiling_days = 185", "classes.event.ceiling_days", "below"),
    (
        CLASSES,
        "retention_days = 30",
        "retention_days = 30\nfloor_days = 7",
        "classes.prompt.floor_days",
        "can be erased",
    ),
    (CLASSES, 'name = "flag"', 'name = "flag"\nfloor_days = 7', "classes.flag.floor_days", _GOES),
    (CLASSES, "purge_hours = 24", "purge_hours = 0", "bounds.purge_hours", "equal to 1"),
    (CLASSES, "retention_days = 30", "retention_days = 40000", "classes.prompt.retention_days", ""),
    *(
        (
            EU,
            'path = "backends/eu-a"',
            (
                'path = "x"\nposture_attested = '
                f'{{ on = 2026-11-01, document = "{document}", checks = {checks} }}'
            ),
            f"backends.eu-a.posture_attested.{key}",
            reason,
        )
        for document, checks, key, reason in (
            ("9f86d0...", '["inventory"]', "document", "should be a SHA-256"),
            ("5e" * 32, "[]", "checks", "must not be empty"),
        )
    ),
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
            ('kind = "manual"', 'kind = "http"', "handverlesen.connector.url", "is missing"),
            ("https://", "http://", "klarblick.connector.url", "must be https"),
            ("https://", "https://user:secret@", "klarblick.connector.url", "must be https"),
            ("/v1", "/v1?key=1", "klarblick.connector.url", "must be https"),
            ("example/v1", "example:port/v1", "klarblick.connector.url", "must be https"),
            ("S7tR", "+7tR", "klarblick.connector.acknowledgement_key", "match pattern"),
            ("lead_hours = 24", "lead_hours = 336", "klarblick.connector.lead_hours", "no time"),
            ("max_days = 30", "max_days = 31", "handverlesen.connector.max_days", "equal to 30"),
            ("max_days = 14", "max_days = 0", "klarblick.connector.max_days", "equal to 1"),
        )
    ),
    *(
        (CLASSES, old, new, f"classes.{place}", reason)
        for old, new, place, reason in (
            ('service = "moderation"', 'service = "hosting"', "prompt.handed_to", "names hosting"),
            ('form = "raw"', 'form = "rot13"', "prompt.handed_to.1.form", "'raw'"),
            (', only = "flagged"', "", "prompt.handed_to", "human_review form"),
            ('form = "de_identified"', 'form = "raw"', "prompt.handed_to", "human_review form"),
            (
                'service = "moderation", form = "raw"',
                'service = "human_review", form = "de_identified", only = "flagged"',
                "prompt.handed_to",
                "human_review twice",
            ),
            ('name = "flag"', 'name = "flag"\nretention_days = 90', "flag.retention_days", _GOES),
            ('name = "flag"', 'name = "flag"\nceiling_days = 90', "flag.ceiling_days", _GOES),
            (
                'name = "flag"',
                'name = "flag"\nhanded_to = [{ service = "moderation", form = "raw" }]',
                "flag.handed_to",
                _GOES,
            ),
        )
    ),
    (CLASSES, 'child = "completion"', 'child = "flag"', "cascades.1.child", "a flag goes with"),
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


def test_what_lines_of_the_log_say_outlives_a_backup_of_the_catalog(data: Path) -> None:
    """A restored catalog gets it back from the backends, where it must not be forgotten before."""
    edit(
        data / JURISDICTIONS,
        "[jurisdictions.holds]",
        "[jurisdictions.log]\ndays = 6\nreason = 'ours'\n\n[jurisdictions.holds]",
    )

    found = problem(data)

    assert (found.file, found.key) == (str(data / EU), "catalog_backup_days")
    assert "above the 6 days for which lines of the log are kept" in found.reason


def test_a_cascade_of_a_class_that_is_not_kept_is_refused(data: Path) -> None:
    """A class that is known to Domicile but not to this topology cascades nowhere."""
    text = (data / CLASSES).read_text()
    start = text.index('[[classes]]\nname = "completion"')
    stop = text.index("[[classes]]", start + 1)
    (data / CLASSES).write_text(text[:start] + text[stop:])

    found = problem(data)

    assert (found.key, found.reason) == ("cascades.1.child", "completion is not among the classes")


def test_a_region_whose_jurisdiction_says_nothing_of_evidence_is_refused(data: Path) -> None:
    """A region needs a decision on how long its evidence is kept."""
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
