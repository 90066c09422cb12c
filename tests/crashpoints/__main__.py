"""Try every crash point and every pair, and print how many there were, by operation.

    python -m tests.crashpoints [--only OPERATION] ...

Ends with 1 and the story of each failure if an invariant broke.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

from storage.testing import Server
from tests.crashpoints import region_drain, region_end, region_init, region_provision
from tests.crashpoints.ground import Ground, make_ground
from tests.crashpoints.operations import OPERATIONS
from tests.crashpoints.pairs import PAIRS, cuts_of, try_cut
from tests.crashpoints.points import find_moments, points_of, try_point
from tests.support.catalogs.statements import shared_statements

REGIONS: dict[str, ModuleType] = {
    "init": region_init,
    "region provision": region_provision,
    "region retire": region_end,
    "drain": region_drain,
}
_LINE = "{:<34}{:>9}{:>9}{:>9}{:>9}{:>9}"


@dataclass
class Report:
    """Counts the trials, and collects the failures."""

    failures: list[str] = field(default_factory=list)
    tried: int = 0

    def attempt(self, name: str, what: Callable[[], object]) -> None:
        """Run one trial."""
        self.tried += 1
        try:
            what()
        except Exception as error:  # noqa: BLE001 - all of them are told at the end
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
            self.failures.append("\n".join([f"{name} ({where.name})", *told]))
            print(f"\n--- {self.failures[-1]}\n", flush=True)


def main() -> int:
    """Try them all; return 1 if anything failed."""
    arguments = argparse.ArgumentParser(prog="crashpoints", description="Try every crash point.")
    arguments.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="operations or pairs so named"
    )
    only = arguments.parse_args().only
    began, report = time.monotonic(), Report()
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder, shared_statements():
            ground = make_ground(server, Path(folder))
            _crash(ground, [name for name in OPERATIONS if not only or name in only], report)
            for name, module in REGIONS.items():
                if not only or name in only:
                    _region(ground, name, module, report)
            _cut(ground, [name for name in PAIRS if not only or name in only], report)
    finally:
        server.close()
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\n{report.tried} trials in {minutes} min {seconds} s, {len(report.failures)} failures")
    return bool(report.failures)


def _crash(ground: Ground, names: Iterable[str], report: Report) -> None:
    print(_LINE.format("operation", "effects", "crashes", "late", "others", "failures"))
    for name in names:
        before, counts = len(report.failures), dict.fromkeys(("stop", "late", "others"), 0)
        moments = find_moments(ground, name)
        for point in points_of(name, moments):
            counts[point.how] += 1
            report.attempt(str(point), partial(try_point, ground, point))
        effects, failed = sum(m.changes for m in moments), len(report.failures) - before
        print(_LINE.format(name, effects, *counts.values(), failed), flush=True)


def _region(ground: Ground, name: str, module: ModuleType, report: Report) -> None:
    before, moments = len(report.failures), module.find_moments(ground)
    numbers = [number for number, moment in enumerate(moments) if moment.changes]
    for number in numbers:
        report.attempt(f"{name} {number}", partial(module.try_point, ground, number))
    failed = len(report.failures) - before
    print(_LINE.format(name, len(numbers), len(numbers), 0, 0, failed), flush=True)


def _cut(ground: Ground, names: Iterable[str], report: Report) -> None:
    print()
    print(_LINE.format("one within the other", "moments", "cuts", "", "", "failures"))
    for name in names:
        before, cuts = len(report.failures), list(cuts_of(ground, name))
        for cut in cuts:
            report.attempt(str(cut), partial(try_cut, ground, cut))
        failed = len(report.failures) - before
        print(_LINE.format(name, len(cuts), len(cuts), "", "", failed), flush=True)


if __name__ == "__main__":
    sys.exit(main())
