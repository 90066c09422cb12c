"""The bugs of ``make mutants`` fit the source as it is."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT, put_in
from tests.mutants.bugs import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_can_be_put_in(bug: Bug, tmp_path: Path) -> None:
    """There is one such place, what comes out is Python, and its tests are there."""
    target = tmp_path / bug.file
    target.parent.mkdir(parents=True)
    shutil.copy(ROOT / bug.file, target)

    put_in(bug, tmp_path)

    assert ast.dump(ast.parse(target.read_text()))
    assert target.read_text() != (ROOT / bug.file).read_text()
    assert all((ROOT / test).exists() for test in bug.tests)


def test_there_are_enough() -> None:
    """Of every kind that is known to have hurt others."""
    assert len(BUGS) >= 40
    assert len({bug.name for bug in BUGS}) == len(BUGS)
