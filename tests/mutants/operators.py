"""Generate mutants: small changes of a module's syntax tree, applied to its text.

Docstrings, annotations, decorators, assertions, messages and logging are left alone: a change there
alters no decision.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_OPPOSITE = {"min": "max", "max": "min", "any": "all", "all": "any"}
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")  # a string that is a name, not a sentence
_LOGGERS = {"log", "logger"}
_SYMMETRIC = {"compare_digest", "isinstance", "max", "min", "zip", *_LOGGERS}  # in either order
_MESSAGES = {"advice", "message", "strict"}  # keywords whose values alter no decision
_Edit = tuple[ast.expr | ast.stmt, str]


@dataclass(frozen=True)
class Mutant:
    """One change of one file. ``start`` and ``end`` are offsets into its UTF-8 text."""

    file: str
    scope: str  # the function or class, dotted
    line: int
    start: int
    end: int
    old: str
    new: str
    nth: int  # among the equal changes of the scope

    @property
    def place(self) -> str:
        """Return the file and the scope, which stay when lines move."""
        return f"{self.file}:{self.scope}"

    @property
    def change(self) -> str:
        """Return what is replaced by what, on one line."""
        repeated = f" [{self.nth}]" if self.nth > 1 else ""
        return f"{' '.join(self.old.split())} -> {self.new}{repeated}"

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        raw = text.encode()
        return (raw[: self.start] + self.new.encode() + raw[self.end :]).decode()


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a file, in the order of its syntax tree."""
    raw = text.encode()
    offsets = [0]
    for line in raw.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    seen: Counter[tuple[str, str, str]] = Counter()
    for scope, node, new in _walk(ast.parse(text), "module"):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[node.end_lineno - 1] + node.end_col_offset
        old = raw[start:end].decode()
        if old == new:
            continue
        key = scope, old, new
        seen[key] += 1
        yield Mutant(file, scope, node.lineno, start, end, old, new, seen[key])


def _walk(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    inner = scope
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inner = node.name if scope == "module" else f"{scope}.{node.name}"
    if isinstance(node, ast.FunctionDef):
        yield from ((inner, *edit) for edit in _in_function(node))
    yield from ((inner, *edit) for edit in _edits(node))
    for child in _children(node, scope):
        yield from _walk(child, inner)


def _children(node: ast.AST, scope: str) -> Iterator[ast.AST]:
    """Yield what is below a node and may be changed."""
    match node:
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return
        case ast.FunctionDef(name="__repr__"):
            return
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            if name == "__all__" or (scope == "module" and _is_type(value)):
                return
        case ast.Call() if _is_logging(node) or _called(node) == "field":
            return
        case _:
            pass
    skipped = {"annotation", "returns", "decorator_list", "format_spec"}
    for name, value in ast.iter_fields(node):
        if name in skipped:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child) and not _is_message(child):
                yield child


def _is_text(node: ast.AST) -> bool:
    """Whether it is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_message(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in _MESSAGES


def _is_type(value: ast.expr) -> bool:
    """Whether a module's constant is a type: ``Literal[...]``, ``A | B``."""
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.BitOr) and isinstance(value.right, ast.Name)
    return isinstance(value, ast.Subscript)


def _is_logging(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", None)
    return name in _LOGGERS


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def _edits(node: ast.AST) -> Iterator[_Edit]:
    match node:
        case ast.Compare():
            yield from _comparison(node)
        case ast.BoolOp():
            yield from _boolean(node)
        case ast.UnaryOp() | ast.BinOp():
            yield from _operation(node)
        case ast.Constant():
            yield from _constant(node)
        case ast.Call():
            yield from _call(node)
        case ast.If() | ast.While() | ast.IfExp():
            yield from _condition(node.test)
        case ast.comprehension():
            yield from chain.from_iterable(_condition(test) for test in node.ifs)
        case ast.stmt():
            yield from _statement(node)
        case _:
            pass


def _comparison(node: ast.Compare) -> Iterator[_Edit]:
    for i, op in enumerate(node.ops):
        for table in (_NEGATED, _BOUNDARY):
            if (swapped := table.get(type(op))) is not None:
                ops = [*node.ops[:i], swapped(), *node.ops[i + 1 :]]
                yield node, _text(ast.Compare(node.left, ops, node.comparators))


def _boolean(node: ast.BoolOp) -> Iterator[_Edit]:
    """Swap ``and`` and ``or``, and leave out each operand in turn."""
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield node, _text(ast.BoolOp(other, node.values))
    for i in range(len(node.values)):
        left = [*node.values[:i], *node.values[i + 1 :]]
        yield node, _text(left[0] if len(left) == 1 else ast.BoolOp(node.op, left))


def _operation(node: ast.UnaryOp | ast.BinOp) -> Iterator[_Edit]:
    """Leave out ``not``, and swap an arithmetic operator with its inverse."""
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield node, _text(node.operand)
    elif (swapped := _ARITHMETIC.get(type(node.op))) is not None:
        yield node, _text(ast.BinOp(node.left, swapped(), node.right))


def _constant(node: ast.Constant) -> Iterator[_Edit]:
    value = node.value
    if isinstance(value, bool):
        yield node, str(not value)
    elif isinstance(value, int | float):
        yield node, _text(ast.Constant(value + 1))
        yield node, _text(ast.Constant(value - 1))
    elif isinstance(value, str) and _CODE.fullmatch(value):
        yield node, repr(value + "_")


def _call(node: ast.Call) -> Iterator[_Edit]:
    """Swap the first two arguments, and a function with its opposite."""
    name = _called(node)
    if _is_logging(node):
        return
    if name in _OPPOSITE:
        opposite = ast.Name(_OPPOSITE[name])
        yield node, _text(ast.Call(opposite, node.args, node.keywords))
    if len(node.args) >= 2 and name not in _SYMMETRIC:
        first, second, *others = node.args
        if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
            yield node, _text(ast.Call(node.func, [second, first, *others], node.keywords))


def _condition(test: ast.expr) -> Iterator[_Edit]:
    """Negate a condition that no other operator negates."""
    if isinstance(test, ast.Name | ast.Attribute | ast.Call):
        yield test, _text(ast.UnaryOp(ast.Not(), test))


def _statement(node: ast.stmt) -> Iterator[_Edit]:
    match node:
        case ast.Expr(value=ast.Call() as call) if not _is_logging(call):
            yield node, "pass"
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()) | ast.Raise() | ast.Break():
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.AugAssign():
            yield node, "pass"
            if (swapped := _ARITHMETIC.get(type(node.op))) is not None:
                yield node, ast.unparse(ast.AugAssign(node.target, swapped(), node.value))
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case _:
            pass


def _in_function(function: ast.FunctionDef) -> Iterator[_Edit]:
    """Replace what it returns, and leave out assignments to a name that has a value already."""
    yields_bool = isinstance(function.returns, ast.Name) and function.returns.id == "bool"
    arguments = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
    bound = dict.fromkeys(arguments, function.lineno)
    for node in _own(function):
        match node:
            case ast.Return(value=ast.expr() as value):
                if not (isinstance(value, ast.Constant) and value.value is None):
                    yield value, "None"
                if yields_bool and not isinstance(value, ast.Compare | ast.Constant):
                    yield value, _text(ast.UnaryOp(ast.Not(), value))
            case ast.Assign(targets=[ast.Name(id=name)]):
                if bound.setdefault(name, node.lineno) < node.lineno:
                    yield node, "pass"
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                bound.setdefault(name, node.lineno)
            case _:
                pass


def _own(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """Yield the statements of a function in order, without those of functions within it."""
    todo: list[ast.stmt] = list(reversed(function.body))
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        below = [child for child in ast.walk(node) if child is not node]
        direct = [child for child in below if isinstance(child, ast.stmt)]
        nested = {id(x) for child in direct for x in ast.walk(child) if x is not child}
        todo.extend(reversed([child for child in direct if id(child) not in nested]))


def _text(node: ast.expr) -> str:
    """Return an expression's text, in parentheses where it might need them."""
    text = ast.unparse(ast.fix_missing_locations(node))
    simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Constant)
    return text if simple else f"({text})"
