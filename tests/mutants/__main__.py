"""``python -m tests.mutants``: put each bug into a copy of the source, and see it noticed."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
_LEAST = 0.95  # of the bugs have to be noticed
_PATIENCE = 600.0  # seconds for one bug


def main() -> int:
    """Says 1 if too many go unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="part of a name"
    )
    only = parser.parse_args().only
    chosen = [bug for bug in BUGS if not only or any(part in bug.name for part in only)]
    began, missed = time.monotonic(), []
    for bug in chosen:
        where = noticed(bug)
        if where is None:
            missed.append(bug)
        sys.stdout.write(f"{'NOT NOTICED' if where is None else 'noticed':<12} {bug.name}: ")
        sys.stdout.write(f"{where or ', '.join(bug.tests)}\n")
        sys.stdout.flush()
    took = round(time.monotonic() - began)
    sys.stdout.write(f"{len(chosen) - len(missed)} of {len(chosen)} noticed, in {took} s\n")
    return int(len(missed) > (1 - _LEAST) * len(chosen))


def noticed(bug: Bug) -> str | None:
    """The first test that fails with the bug in the source, if one does."""
    with tempfile.TemporaryDirectory(prefix="dom-mutant-") as folder:
        copy = Path(folder)
        for name in ("storage", "regions", "migrations", "tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "alembic.ini"):
            shutil.copy(ROOT / name, copy / name)
        put_in(bug, copy)
        for test in bug.tests:
            run = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
                cwd=copy,
                env={**os.environ, "PYTHONPATH": folder},
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
            if run.returncode == 1:
                return _failed(run.stdout) or test
            if run.returncode != 0:
                raise RuntimeError(f"{test} did not run:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return None


def put_in(bug: Bug, root: Path) -> None:
    """Change the source. Raises ValueError if it is not as the bug says."""
    path = root / bug.file
    source = path.read_text()
    if source.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: {bug.file} has {source.count(bug.old)} such places")
    path.write_text(source.replace(bug.old, bug.new))


def _failed(output: str) -> str | None:
    lines = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split()[1] if lines else None


if __name__ == "__main__":
    sys.exit(main())
