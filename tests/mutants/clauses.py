"""``python -m tests.mutants.clauses``: take each clause out of the policy; the proof must notice.

A clause is a condition under which something is refused, permitted or bounded: an ``if``, an
operand of ``and`` or ``or``, one of several checks or limits. Without any single one of them
``domicile policy check`` has to find a counterexample in a topology that has everything.

What ``policy check`` has no cases of is not here. Its clauses have tests of their own: of what may
be recorded of consent ``unit/test_consent.py``, of refusals after a use
``unit/test_training_policy.py``, of retention that got shorter ``unit/test_shortening.py``, of
``check_epoch`` ``integration/test_tenant_epochs.py``, of holds ``unit/test_holding.py``, of permits
of people ``unit/test_staff_permits.py``.
"""

import argparse
import ast
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tests.mutants.operators import Mutant
from tests.mutants.trial import ROOT, Outcome, Trial, changed, source_tree, warm_up

CHECK = (  # a sample first: it notices most, in a second
    "-m",
    "",
    "tests/unit/test_policy_proof_merges.py::test_edges_may_be_combined",
    "tests/unit/test_policy_proof.py::test_a_topology_with_everything_has_no_counterexample",
)

MODULES: dict[str, tuple[str, ...]] = {
    "storage/policy/placement.py": (
        "decide_placement",
        "barred",
        "admit",
        "storable",
        "_unknown",
        "_not_served",
        "_not_resident",
        "_not_agreed",
        "_lapse",
        "_not_stewarded",
        "_objected",
        "inactive",
        "unavailable",
        "_verdicts",
        "_reason",
        "_of_region",
        "_too_few",
    ),
    "storage/policy/retention.py": (
        "retain",
        "counts_from",
        "term_under",
        "too_old",
        "check_retention",
        "within_ceilings",
        "retention_of",
        "_last_day",
        "_rule",
    ),
    "storage/policy/access.py": (
        "may_open",
        "may_open_flags",
        "_refusal",
        "_for_record",
        "_for_class",
        "_for_agreement",
        "_for_service",
        "for_login",
        "for_actor",
        "_for_grant",
        "_for_training",
        "_in_scope",
        "for_customer",
    ),
    "storage/policy/grants.py": (
        "_against_entry",
        "may_request",
        "_against_purpose",
        "_against_user",
        "may_approve",
        "looked_into",
        "customer_must_approve",
        "_person",
    ),
    "storage/policy/copies.py": ("may_hand_over", "copy_term", "agreement_ending"),
    "storage/policy/agreements.py": (
        "current",
        "in_force",
        "_against",
        "_within",
        "_with_enterprise",
        "required",
        "holds_phi",
        "for_return_alone",
    ),
    "storage/policy/exits.py": (
        "may_choose",
        "may_notify",
        "may_confirm_exit",
        "may_carry_out",
        "has_lapsed",
        "_in_force_between",
        "_over",
        "_against_step",
        "_may_act",
    ),
    "storage/policy/objection.py": ("may_object", "_places", "_changes"),
    "storage/policy/epochs.py": ("reasons", "epoch_of", "training_rule", "ceiling_of"),
    "storage/policy/consent.py": ("consent_in_force", "_newest"),
    "storage/policy/training.py": ("against_training",),
    "storage/policy/erasure.py": ("may_destroy",),
    "storage/policy/posture.py": ("closed", "weigh"),
}
"""The modules whose clauses are taken out, and the functions that decide."""

_EQUIVALENT = Path(__file__).with_name("equivalent_clauses.toml")
_LIMIT = 600.0  # seconds
_SLOW = 500  # seconds: a test that is ended for its time has noticed nothing
_Edit = tuple[ast.AST, str]
_T = TypeVar("_T")


def main() -> int:
    """Return 1 if a clause can be taken out unnoticed, and nothing says why."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.clauses")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="part of a mutant's place"
    )
    only = parser.parse_args().only
    explained = equivalent()
    chosen = [
        mutant
        for mutant in clauses()
        if (mutant.place, mutant.change) not in explained
        and (not only or any(part in mutant.place for part in only))
    ]
    began, survived = time.monotonic(), 0
    warm_up()
    with source_tree() as tree:
        if Trial(tree, CHECK, _LIMIT, slow=_SLOW).wait().outcome is not Outcome.SURVIVED:
            raise RuntimeError("The proof fails without a mutant.")
        for mutant in chosen:
            with changed(tree, mutant.file, mutant.apply((tree / mutant.file).read_text())):
                result = Trial(tree, CHECK, _LIMIT, slow=_SLOW).wait()
            noticed = result.outcome is not Outcome.SURVIVED and result.seconds < _SLOW
            survived += not noticed
            sys.stdout.write(
                f"{'noticed' if noticed else 'NOT NOTICED':<12} {result.seconds:4.1f} s "
                f"{mutant.place}:{mutant.line}: {mutant.change}\n"
            )
            sys.stdout.flush()
    took = round(time.monotonic() - began)
    of = f"{len(chosen) - survived} of {len(chosen)} clauses noticed, in {took} s"
    sys.stdout.write(f"{of}; {len(explained)} explained\n")
    return int(survived > 0)


def equivalent() -> dict[tuple[str, str], str]:
    """Return the clauses without which nothing differs, by place and change, with the reason."""
    entries = tomllib.loads(_EQUIVALENT.read_text()).get("clause", [])
    return {(entry["place"], entry["change"]): entry["why"] for entry in entries}


def clauses() -> list[Mutant]:
    """Return a mutant for each clause of the policy."""
    return [m for file in MODULES for m in of_file(file, (ROOT / file).read_text())]


def of_file(file: str, text: str) -> Iterator[Mutant]:
    """Yield a mutant for each clause of a file."""
    lines = text.encode().splitlines(keepends=True)
    seen: Counter[tuple[str, str, str]] = Counter()
    known: set[str] = set()
    for function in _functions(ast.parse(text), MODULES[file]):
        for node, new in _edits(function):
            assert isinstance(node, ast.expr | ast.stmt)
            start, end = _offset(lines, node.lineno, node.col_offset), _end(lines, node)
            old = text.encode()[start:end].decode()
            mutant = Mutant(file, function.name, node.lineno, start, end, old, new, 1)
            made = mutant.apply(text)
            if made in known or old == new:
                continue
            known.add(made)
            key = function.name, " ".join(old.split()), new
            seen[key] += 1
            yield Mutant(file, function.name, node.lineno, start, end, old, new, seen[key])


def _functions(tree: ast.Module, names: tuple[str, ...]) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node


def _edits(function: ast.FunctionDef) -> Iterator[_Edit]:
    for node in _within(function):
        match node:
            case ast.If(test=test):
                yield test, "False"
                if node.orelse:
                    yield test, "True"
            case ast.IfExp():
                yield node, ast.unparse(node.body)
                yield node, ast.unparse(node.orelse)
            case ast.comprehension(ifs=[test]):
                yield test, "True"
            case ast.Return(value=ast.Compare() | ast.UnaryOp() as value):
                yield from ((value, constant) for constant in ("True", "False"))
            case ast.expr():
                yield from ((node, fewer) for fewer in _with_less(node))
            case _:
                pass


def _with_less(node: ast.expr) -> Iterator[str]:
    """Yield an expression with one of its parts left out, each in turn."""
    less: list[ast.expr] = []
    match node:
        case ast.BoolOp(op=op, values=values):
            less = [ast.BoolOp(op, left) for left in _without_each(values)]
        case ast.Dict(keys=keys, values=values) if len(keys) > 1:
            both = zip(_without_each(keys), _without_each(values), strict=True)
            less = [ast.Dict(some, others) for some, others in both]
        case ast.Tuple(elts=elements) if any(isinstance(x, ast.Lambda) for x in elements):
            less = [ast.Tuple(left, ast.Load()) for left in _without_each(elements)]
        case ast.List(elts=elements) if len(elements) > 1:
            less = [ast.List(left, ast.Load()) for left in _without_each(elements)]
        case ast.Set(elts=elements) if len(elements) > 1:
            less = [ast.Set(left) for left in _without_each(elements)]
        case ast.Compare(left=ast.Tuple() as one, ops=[op], comparators=[ast.Tuple() as two]):
            pairs = zip(_without_each(one.elts), _without_each(two.elts), strict=True)
            less = [
                ast.Compare(ast.Tuple(some, ast.Load()), [op], [ast.Tuple(others, ast.Load())])
                for some, others in pairs
            ]
        case ast.Call(func=ast.Name(id="max" | "min"), args=[_, _, *_] as arguments):
            less = arguments
        case _:
            pass
    yield from (f"({ast.unparse(one)})" for one in less)


def _without_each(several: Sequence[_T]) -> Iterator[list[_T]]:
    for place in range(len(several)):
        yield [*several[:place], *several[place + 1 :]]


def _within(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what is in a function, without what makes messages."""
    todo: list[ast.AST] = list(reversed(function.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.FunctionDef):
            continue
        yield node
        todo.extend(reversed(list(ast.iter_child_nodes(node))))


def _offset(lines: list[bytes], line: int, column: int) -> int:
    return sum(map(len, lines[: line - 1])) + column


def _end(lines: list[bytes], node: ast.expr | ast.stmt) -> int:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return _offset(lines, node.end_lineno, node.end_col_offset)


if __name__ == "__main__":
    sys.exit(main())
