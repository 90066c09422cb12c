"""Which tests have to notice a generated mutant of which modules."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Mutant, mutants
from tests.mutants.trial import ROOT


@dataclass(frozen=True)
class Suite:
    """Modules (as patterns of paths), and the tests that are to notice their mutants.

    The tests that notice most, in the shortest time, come first.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def files(self) -> list[str]:
        """Return the modules' paths in the project."""
        paths = sorted({p for pattern in self.modules for p in ROOT.glob(pattern)})
        return [path.relative_to(ROOT).as_posix() for path in paths]

    def mutants(self) -> list[Mutant]:
        """Return every mutant of the modules."""
        return [m for file in self.files() for m in mutants(file, (ROOT / file).read_text())]


def _unit(module: str, *names: str) -> Suite:
    tests = tuple(f"tests/unit/test_{name}.py" for name in (*names, "reasons"))
    return Suite((f"storage/policy/{module}.py",), tests)


def _suite(module: str, *names: str) -> Suite:
    tests = (f"tests/{name.replace('/', '/test_')}.py" for name in names)
    return Suite((f"storage/{module}.py",), tuple(tests))


POLICY = (
    _unit("access", "access", "access_of_people"),
    _unit("access_report", "access_report"),
    _unit("agreements", "agreements_policy"),
    _unit("cells", "cells"),
    _unit("consent", "consent"),
    _unit("copies", "copies_policy"),
    _unit("draining", "draining"),
    _unit("ending", "ending"),
    _unit("epoch_history", "epoch_history"),
    _unit("epochs", "epochs"),
    _unit("erasure", "erasure_policy", "scrub_policy", "copies_policy"),
    _unit("exits", "exit_policy"),
    _unit("grants", "grant_policy"),
    _unit("holding", "holding"),
    _unit("hosts", "hosts"),
    _unit("lateness", "lateness", "copies_policy"),
    _unit("lines", "access_report"),
    _unit("listing", "notice"),
    _unit("notice", "notice"),
    _unit("objection", "objection"),
    _unit(
        "placement",
        "placement",
        "placement_oracle",
        "admission",
        "standing",
        "copies_policy",
        "objection",
    ),
    _unit("plans", "plans"),
    _unit("posture", "posture", "placement"),
    _unit("purposes", "purposes"),
    _unit("retention", "retention", "epochs", "placement", "erasure_policy"),
    _unit("revisions", "revisions"),
    _unit("scrub", "scrub_policy", "standing"),
    _unit("shortening", "shortening"),
    _unit("staff_permits", "staff_permits", "local_key_service"),
    _unit("stages", "stages", "ending"),
    _unit("standing", "standing"),
    _unit("training", "training_policy", "epochs"),
    _unit("until", "until"),
    _unit("what_if", "what_if"),
)
"""Every mutant of the policy is tried."""

_EVERYDAY = ("integration/lifecycle", "integration/regressions", "faults/races")

SAMPLED = (
    _suite(
        "objects/write",
        "integration/write_protocol",
        "integration/lifecycle",
        "faults/late_writes",
        "faults/lost_replicas",
        "faults/compaction_races",
        "integration/failing_backends",
        "faults/ledger",
        "faults/crash_points",
    ),
    _suite(
        "packs/flush",
        "faults/changes_during_writes",
        "integration/shared_packs",
        *_EVERYDAY,
        "integration/api_contract",
        "faults/lost_commits",
        "faults/late_writes",
    ),
    _suite(
        "catalog/fences",
        *_EVERYDAY,
        "integration/key_rotation",
        "integration/side_tables",
        "faults/workers",
    ),
    _suite(
        "ledger/fence",
        *_EVERYDAY,
        "integration/clocks_apart",
        "integration/key_rotation",
        "integration/api_refusals",
    ),
    _suite("ledger/guard", "faults/ledger", "integration/recover", "integration/recovery_page"),
    _suite(
        "ledger/handover", "integration/hand_over", "faults/copies", "integration/copies_erased"
    ),
    _suite(
        "ledger/holds",
        "integration/holds",
        "integration/clocks_apart",
        "integration/hold_predicate",
        "integration/key_rotation",
        "integration/recover_holds",
    ),
    _suite(
        "ledger/journal",
        "faults/ledger",
        "faults/copies",
        "faults/hold_races",
        "integration/recover",
        "integration/recover_holds",
        "integration/recover_copies",
        "faults/races",
        "integration/failing_backends",
        "faults/crash_points",
    ),
)
"""Of these a sample is tried: their tests need a database."""


def of_policy() -> set[str]:
    """Return the modules of the policy that hold decisions."""
    found = (ROOT / "storage/policy").glob("*.py")
    return {path.relative_to(ROOT).as_posix() for path in found if path != _init()}


def _init() -> Path:
    return ROOT / "storage/policy/__init__.py"
