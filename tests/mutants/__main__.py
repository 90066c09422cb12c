"""``python -m tests.mutants``: put each chosen bug into a copy of the source, and run its tests."""

import argparse
import sys
import time
from pathlib import Path

from tests.mutants.bugs import BUGS, Bug
from tests.mutants.trial import Outcome, Trial, changed, check_unchanged, source_tree, warm_up

_LEAST = 1.0  # of the bugs have to be noticed
_LIMIT = 600.0  # seconds for one test file


def main() -> int:
    """Return 1 if too many bugs go unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="part of a name"
    )
    only = parser.parse_args().only
    chosen = [bug for bug in BUGS if not only or any(part in bug.name for part in only)]
    began, missed = time.monotonic(), 0
    warm_up()
    with source_tree() as tree:
        check_unchanged(tree)
        for bug in chosen:
            where = noticed(tree, bug)
            missed += where is None
            verdict = "NOT NOTICED" if where is None else "noticed"
            sys.stdout.write(f"{verdict:<12} {bug.name}: {where or ', '.join(bug.tests)}\n")
            sys.stdout.flush()
    took = round(time.monotonic() - began)
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} noticed, in {took} s\n")
    return int(missed > (1 - _LEAST) * len(chosen))


def noticed(tree: Path, bug: Bug) -> str | None:
    """Return the first test that fails with the bug in the source, or None."""
    text = put_in(bug, (tree / bug.file).read_text())
    with changed(tree, bug.file, text):
        for test in bug.tests:
            result = Trial(tree, [test], _LIMIT).wait()
            if result.outcome is not Outcome.SURVIVED:
                return result.test or test
    return None


def put_in(bug: Bug, text: str) -> str:
    """Return the file's text with the bug. Raise ValueError unless it fits exactly once."""
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: {bug.file} has {text.count(bug.old)} such places.")
    return text.replace(bug.old, bug.new)


if __name__ == "__main__":
    sys.exit(main())
