"""The mutants fit the source as it is: those that are written by hand, and those that are not."""

import ast
import re
from collections import Counter

import pytest

from tests.mutants import clauses
from tests.mutants.__main__ import put_in
from tests.mutants.bugs import BUGS, Bug
from tests.mutants.generic import equivalent, named
from tests.mutants.operators import mutants
from tests.mutants.suites import POLICY, SAMPLED, of_policy
from tests.mutants.trial import ROOT


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_put_in(bug: Bug) -> None:
    """Its text stands in the file exactly once, Python stays Python, and its tests exist."""
    before = (ROOT / bug.file).read_text()
    after = put_in(bug, before)

    assert bug.file.endswith(".sql") or ast.dump(ast.parse(after))
    assert after != before
    assert all((ROOT / test).exists() for test in bug.tests)


IN_CATALOG = [bug for bug in BUGS if bug.file.startswith("migrations/versions/")]
FUNCTION = re.compile(r"\bFUNCTION (?:ours\.)?(\w+)\s?\([^;]*?AS (\$\w*\$)(.*?)\2", re.DOTALL)


@pytest.mark.parametrize("bug", IN_CATALOG, ids=lambda bug: bug.name)
def test_a_bug_is_in_a_function_that_the_catalog_still_has(bug: Bug) -> None:
    """No later revision defines the function: what nobody runs, nobody notices."""
    source = ROOT / bug.file
    text = source.read_text()
    first, last = text.index(bug.old), text.index(bug.old) + len(bug.old)
    here = {f[1] for f in FUNCTION.finditer(text) if f.start() < last and first < f.end()}
    later = [f for f in source.parent.glob("[0-9]*") if f.stem > source.stem]

    assert not {f[1] for file in later for f in FUNCTION.finditer(file.read_text())} & here


def test_there_are_enough_bugs() -> None:
    """One of each kind that is known to have hurt other systems, each with its own name."""
    assert len(BUGS) >= 40
    assert max(Counter(bug.name for bug in BUGS).values()) == 1


def test_every_module_of_the_policy_is_mutated() -> None:
    """Each by one suite, whose tests exist, as do those of the sampled modules."""
    assert Counter(file for suite in POLICY for file in suite.files()) == Counter(of_policy())
    for suite in (*POLICY, *SAMPLED):
        assert suite.files()
        assert all((ROOT / test).exists() for test in suite.tests)


def test_equivalent_mutants_still_exist() -> None:
    """A reason whose mutant is gone is deleted with it."""
    known = {named(mutant) for suite in (*POLICY, *SAMPLED) for mutant in suite.mutants()}

    assert equivalent().keys() <= known
    assert all(len(why.split()) > 3 for why in equivalent().values())


def test_each_mutant_is_another_program() -> None:
    """It parses, and its syntax tree differs from that of the original and of every other."""
    text = (ROOT / "storage/policy/access.py").read_text()
    found = list(mutants("access.py", text))
    trees = {ast.dump(ast.parse(mutant.apply(text))) for mutant in found}

    assert len(trees) == len(found) > 30
    assert ast.dump(ast.parse(text)) not in trees
    assert len({named(mutant) for mutant in found}) == len(found)


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x = a < b", ["(a >= b)", "(a <= b)"]),
        ("x = a is None", ["(a is not None)"]),
        ("x = a and b", ["(a or b)", "b", "a"]),
        ("x = not a", ["a"]),
        ("x = 3", ["4", "2"]),
        ("x = True", ["False"]),
        ("x = 'code'", ["'code_'"]),
        ("x = 'A sentence.'", []),
        ("x = a + b", ["(a - b)"]),
        ("x = min(a, b)", ["max(a, b)"]),
        ("x = f(a, b)", ["f(b, a)"]),
        ("x: int = y", []),
        ("f(a)", ["pass"]),
        ("raise E('Why.')", ["pass"]),
        ("assert a == b", []),
        ("log.warning('what', error=3)", []),
        ("if a: pass", ["(not a)"]),
        ("for a in b: continue", ["break"]),
        ("def f():\n  '''Say 3.'''\n  return a", ["None"]),
        ("def f() -> bool:\n  return a()", ["None", "(not a())"]),
        ("def f(a):\n  a = b", ["pass"]),
        ("def f():\n  a = b", []),
        ("def __repr__(self):\n  return 3", ["None"]),
    ],
)
def test_each_operator(source: str, changes: list[str]) -> None:
    """What it changes, and what it leaves alone."""
    assert [mutant.new for mutant in mutants("x.py", source)] == changes


def test_each_clause_of_the_policy_can_be_taken_out() -> None:
    """Python stays Python, no two are the same, and a reason whose clause is gone goes with it."""
    found = clauses.clauses()
    changed = {m.file: (ROOT / m.file).read_text() for m in found}
    trees = {ast.dump(ast.parse(m.apply(changed[m.file]))) for m in found}
    names = {(m.place, m.change) for m in found}

    assert len(trees) > 250
    assert len(names) == len(found)
    assert clauses.equivalent().keys() <= names
    assert {function for some in clauses.MODULES.values() for function in some} == {
        m.scope for m in found
    }
