"""The table that a run prints, in 100 columns, and the same for a page."""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from benchmarks.results import Figure, Report, Row, Side, to_json

WIDTH = 100
_UNITS = {"x": "x", "us": " us", "ms": " ms", "s": " s", "MiB": " MiB", "": ""}


def shown(value: float, unit: str) -> str:
    """Return a number with three digits or so, and its unit."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{_UNITS[unit]}"


def bound_of(figure: Figure) -> str:
    """Return the goal of a figure, as a reader writes it."""
    if figure.goal is None:
        return ""
    sign = ">=" if figure.goal.least else "<="
    return f"{sign} {figure.goal.bound:,g}{_UNITS[figure.unit]}"


def met_of(figure: Figure) -> str:
    """Return yes or no, or an empty string for a figure without a goal."""
    return {True: "yes", False: "no", None: ""}[figure.met]


def spread(samples: Sequence[float]) -> str:
    """Return the least and the most, or that there is one."""
    if len(samples) == 1:
        return "once"
    low, high = min(samples), max(samples)
    digits = 0 if high >= 100 else 1 if high >= 10 else 2
    return f"{low:,.{digits}f}-{high:,.{digits}f}"


def median(figure: Figure) -> str:
    """Return the median of a figure."""
    return shown(statistics.median(figure.samples), figure.unit)


def rate(side: Side) -> str:
    """Return operations a second."""
    unit = side.unit if side.unit.startswith("/") else f" {side.unit}"
    return f"{side.rate:,.{0 if side.rate >= 10 else 2}f}{unit}"


def grouped(report: Report) -> list[Row]:
    """Return the rows of a family together, in the order in which the families came."""
    order = list(dict.fromkeys(row.family for row in report.rows))
    return sorted(report.rows, key=lambda row: order.index(row.family))


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'':34}{'median':>11}{'spread':>15}{'goal':>12}{'met':>4}{'us of CPU a piece':>24}"
    yield f"{'':76}{'client':>9}{'postgres':>9}{'s3':>6}"
    family = ""
    for row in grouped(report):
        if row.family != family:
            family = row.family
            yield ""
            yield family.upper()
        yield from row_lines(row)
    yield ""
    yield from _budget(report)
    yield from verdict(report)
    if report.about.get("quick"):
        yield "quick: what is done once weighs more in small counts; the goals are for whole runs"
    for what, why in report.missing.items():
        yield f"not measured: {what} ({why})"[:WIDTH]


def row_lines(row: Row) -> Iterator[str]:
    """Yield the lines of one row."""
    yield row.name
    for figure in row.figures:
        yield (
            f"  {figure.name:32.32}{median(figure):>11}{spread(figure.samples):>15}"
            f"{bound_of(figure):>12}{met_of(figure):>4}"
        ).rstrip()
    for side in row.sides:
        rates = [1 / cost.seconds for cost in side.costs]
        yield (
            f"    {side.name:30.30}{rate(side):>11}{spread(rates):>15}{'':16}"
            f"{side.median('ours') * 1e6:>9,.0f}{side.median('postgres') * 1e6:>9,.0f}"
            f"{side.median('server') * 1e6:>6,.0f}"
        )


def _budget(report: Report) -> Iterator[str]:
    found = report.about.get("budget")
    if found is None:
        return
    yield f"PUT_MANY: {found['total']:.0f} US OF OUR CPU A RECORD"
    for name, part in found["parts"].items():
        yield f"  {name:46}{part:6.1f}"
    alone = ", ".join(f"{name} {part:.1f}" for name, part in found["primitives"].items())
    yield f"  alone: {alone}"
    yield ""


def verdict(report: Report) -> Iterator[str]:
    """Yield how many goals are met, and by how much the others are missed."""
    figures = [(row, one) for row in report.rows for one in row.figures if one.goal is not None]
    missed = [(row, one) for row, one in figures if not one.met]
    yield f"goals met: {len(figures) - len(missed)} of {len(figures)}"
    for row, one in missed:
        yield f"  not met: {row.name}: {one.name}: {median(one)}, goal {bound_of(one)}"


def markdown(report: Report) -> Iterator[str]:
    """Yield the same table for a page."""
    yield from figures_markdown(report)
    yield ""
    yield "| | | µs of CPU: client | PostgreSQL | S3 | when the call returns |"
    yield "|---|---:|---:|---:|---:|---|"
    for row in grouped(report):
        for number, side in enumerate(row.sides):
            name = f"**{row.name}**: {side.name}" if number == 0 else side.name
            parts = " | ".join(
                f"{side.median(part) * 1e6:,.0f}" for part in ("ours", "postgres", "server")
            )
            yield f"| {name} | {rate(side)} | {parts} | {side.promise} |"


def figures_markdown(report: Report) -> Iterator[str]:
    """Yield the figures and the goals alone."""
    yield "| | median | spread | goal | met |"
    yield "|---|---:|---:|---:|:---:|"
    for row in grouped(report):
        for number, figure in enumerate(row.figures):
            name = f"**{row.name}**: {figure.name}" if number == 0 else figure.name
            cells = (median(figure), spread(figure.samples), bound_of(figure), met_of(figure))
            yield f"| {name} | {' | '.join(map(_typeset, cells))} |"


def _typeset(cell: str) -> str:
    """Return a cell as a page shows it: signs, and no break before a unit."""
    signs = {">=": "≥", "<=": "≤", "us": "µs", " ": "\u00a0"}
    for plain, sign in signs.items():
        cell = cell.replace(plain, sign)
    return cell


def budget_markdown(report: Report) -> Iterator[str]:
    """Yield where the microseconds of put_many go."""
    found = report.about.get("budget")
    if found is None:
        return
    yield ""
    yield f"| `put_many`: {found['total']:.0f} µs of the client's CPU a record | µs |"
    yield "|---|---:|"
    for name, part in found["parts"].items():
        yield f"| {name} | {part:.1f} |"
    for name, part in found["primitives"].items():
        yield f"| of it, alone: {name} | {part:.1f} |"


def finish(report: Report, out: Path) -> NoReturn:
    """Write a report to a file, print its table, and exit: with 1 if something is missing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(to_json(report), indent=1) + "\n")
    for line in lines(report):
        print(line)
    sys.exit(bool(report.missing))
