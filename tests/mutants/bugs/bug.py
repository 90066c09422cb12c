"""What a bug is, and the tests that most bugs are noticed by."""

from dataclasses import dataclass
from pathlib import Path

ACCESS = "tests/unit/test_access.py"
COMPACTION = "tests/faults/test_compaction_races.py"
COPIES = "tests/faults/test_copies.py"
EXPIRY = "tests/faults/test_expiry_races.py"
FALSE = "tests/faults/test_lost_replicas.py"
COPIES_ERASED = "tests/integration/test_copies_erased.py"
HOLDS = "tests/integration/test_holds.py"
HOLD_RACES = "tests/faults/test_hold_races.py"
LATE = "tests/faults/test_late_writes.py"
LEDGER = "tests/faults/test_ledger.py"
LIFE = "tests/integration/test_lifecycle.py"
MIDWAY = "tests/faults/test_changes_during_writes.py"
PLACEMENT = "tests/unit/test_placement.py"
PROTOCOL = "tests/integration/test_write_protocol.py"
POLICY = "tests/unit/test_erasure_policy.py"
PREDICATE = "tests/integration/test_hold_predicate.py"
RACES = "tests/faults/test_races.py"
READABLE = "tests/integration/test_readable.py"
RECOVER = "tests/integration/test_recover.py"
RECOVER_COPIES = "tests/integration/test_recover_copies.py"
RECOVER_HOLDS = "tests/integration/test_recover_holds.py"
RECOVER_MOVED = "tests/integration/test_recover_relocated.py"
RETENTION = "tests/unit/test_retention.py"
SCRUB = "tests/integration/test_scrub.py"
STORY = "tests/faults/test_simulation.py"
WORKERS = "tests/faults/test_workers.py"

_VERSIONS = Path("migrations", "versions")


@dataclass(frozen=True)
class Bug:
    """A change of the source: ``old`` becomes ``new``. ``tests``: files that have to notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def bug(name: str, file: str, old: str, new: str, *tests: str) -> Bug:
    """Return a bug of a file in ``storage``."""
    return Bug(name, f"storage/{file}", old, new, tests)


def in_function(name: str, old: str, new: str, *tests: str) -> Bug:
    """Return a bug of a function of the catalog, in the newest revision that has the text."""
    files = sorted(Path(__file__).parents[3].joinpath(_VERSIONS).glob("*.sql"))
    newest = max(file.name for file in files if old in file.read_text())
    return Bug(name, str(_VERSIONS / newest), old, new, tests)
