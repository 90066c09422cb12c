"""Which tests have to notice a generated mutant of which modules."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Mutant, mutants
from tests.mutants.trial import ROOT


@dataclass(frozen=True)
class Suite:
    """Modules, and the tests that are to notice their mutants, the most telling first.

    ``modules``: patterns of paths. ``limit``: seconds for one mutant.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    limit: float

    def files(self) -> list[str]:
        """Return the modules' paths in the project."""
        paths = sorted({p for pattern in self.modules for p in ROOT.glob(pattern)})
        return [path.relative_to(ROOT).as_posix() for path in paths]

    def mutants(self) -> list[Mutant]:
        """Return every mutant of the modules."""
        return [m for file in self.files() for m in mutants(file, (ROOT / file).read_text())]


def _unit(module: str, *names: str) -> Suite:
    tests = tuple(f"tests/unit/test_{name}.py" for name in (*names, "reasons"))
    return Suite((f"storage/policy/{module}.py",), tests, 60)


POLICY = (
    _unit("access", "access"),
    _unit("copies", "copies_policy"),
    _unit("erasure", "erasure_policy", "scrub_policy", "copies_policy"),
    _unit("lateness", "lateness", "copies_policy"),
    _unit("placement", "placement", "copies_policy"),
    _unit("retention", "retention", "placement", "erasure_policy"),
    _unit("scrub", "scrub_policy"),
)
"""Every mutant of the policy is tried."""

SAMPLED: tuple[Suite, ...] = ()
"""Of these a sample is tried: they need a database."""


def of_policy() -> set[str]:
    """Return the modules of the policy that hold decisions."""
    found = (ROOT / "storage/policy").glob("*.py")
    return {path.relative_to(ROOT).as_posix() for path in found if path != _init()}


def _init() -> Path:
    return ROOT / "storage/policy/__init__.py"
