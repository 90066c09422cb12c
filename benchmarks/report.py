"""Write what the files in build/ say into the pages: tables, and charts. All else is by hand.

What was not measured on this machine keeps its place on the page.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import bill, growth, pressure, table
from benchmarks.charts import Bar, chart
from benchmarks.results import Report, Side, from_json
from benchmarks.run import OUT

PAGE, FRONT = Path("docs/performance.md"), Path("README.md")
CHARTS = Path("docs/assets")
GROWTH_PAGE, COST_PAGE = Path("docs/growth.md"), Path("docs/cost.md")
_WRITES = ("writing 2 KiB", "peers, writing 2 KiB")


def between(page: str, lines: Iterable[str], mark: str = "bench") -> str:
    """Return the page with other lines between two marks. Raises ValueError without them."""
    first, last = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page has no {first} or no {last}")
    return f"{before}{first}\n\n" + "\n".join(lines) + f"\n\n{last}{after}"


def measured_on(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the numbers were measured on."""
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    yield (
        f"Measured {about['when'][:10]} at {about['commit']}: {about['cores']} cores "
        f"({about['processor']}), {about['memory']} of memory, {about['disk']} "
        f"(8 KiB and an fsync: {about['fsync_us']:,} µs), Linux {about['kernel']}, "
        f"Python {about['python']}, PostgreSQL {about['postgresql']['server_version']} "
        f"(fsync {about['postgresql']['fsync']}), {packages}. "
        f"Load before {about['load_before']:.1f}."
    )
    if about["quick"]:
        yield ""
        yield "**These are numbers of a quick run: few rounds, small counts.**"
    yield ""


def front(report: Report) -> Iterator[str]:
    """Yield a line for each way to write and read, for the front page."""
    yield "| | operations a second | beside boto3 | µs of our CPU |"
    yield "|---|---:|---:|---:|"
    for row in report.rows:
        times = [one for one in row.figures if one.name == "times boto3"]
        if times and row.family in ("writing 2 KiB", "reading"):
            ours = row.sides[0]
            yield (
                f"| {row.name} | {ours.rate:,.0f} | {table.median(times[0])} "
                f"| {ours.median('ours') * 1e6:,.0f} |"
            )
    if report.about["quick"]:
        yield ""
        yield "Of a quick run: few rounds, small counts."


def drawn(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the charts, each with the name of its file."""
    sides = _writers(report)
    if sides:
        yield (
            "bench-writes.svg",
            chart(
                "Records of 2 KiB a second",
                [Bar(name, [side.rate], _rate(side), own) for name, side, own in sides],
            ),
        )
        yield (
            "bench-cpu.svg",
            chart(
                "Microseconds of CPU a record of 2 KiB",
                [
                    Bar(name, _parts(side), f"{side.processor * 1e6:,.0f}", own)
                    for name, side, own in sides
                ],
                ("client", "PostgreSQL", "S3 server"),
            ),
        )
    reads = [
        (row.name, side) for row in report.rows if row.family == "reading" for side in row.sides
    ]
    if reads:
        bars = [
            Bar(
                f"{side.name}, {name.rpartition(', ')[2]}",
                _parts(side),
                f"{side.processor * 1e6:,.0f}",
                ours=side.name == "Domicile",
            )
            for name, side in reads
        ]
        title = "Microseconds of CPU to read a record of 2 KiB"
        yield "bench-reads.svg", chart(title, bars, ("client", "PostgreSQL", "S3 server"))


def _parts(side: Side) -> Sequence[float]:
    return [side.median(part) * 1e6 for part in ("ours", "postgres", "server")]


def _writers(report: Report) -> list[tuple[str, Side, bool]]:
    """Return who wrote, each once: ours, then the baseline and the peers."""
    found: dict[str, tuple[str, Side, bool]] = {}
    for row in report.rows:
        if row.family not in _WRITES:
            continue
        for side in row.sides:
            own = side.name.startswith("Domicile")
            name = side.name if row.family == _WRITES[0] and not own else row.name
            if own and row.family != _WRITES[0]:
                name = side.name.partition(", ")[2] + " (not awaited)"
            if name not in ("one", "4 processes"):
                found.setdefault(name, (name, side, own))
    return sorted(found.values(), key=lambda one: not one[2])


def _rate(side: Side) -> str:
    """Return how many a second, and whether a call returns before its record is durable."""
    buffered = " (from a buffer)" if "buffer" in side.promise else ""
    return f"{side.rate:,.0f}{buffered}"


def _bench(found: dict[str, Any]) -> None:
    report = from_json(found)
    lines = [*measured_on(report.about), *table.markdown(report), *table.budget_markdown(report)]
    PAGE.write_text(between(PAGE.read_text(), lines))
    FRONT.write_text(between(FRONT.read_text(), front(report)))
    for name, text in drawn(report):
        (CHARTS / name).write_text(text)


def _growth(found: dict[str, Any]) -> None:
    grown = growth.from_json(found["dimensions"])
    lines = [*measured_on(found["about"]), *growth.markdown(grown)]
    GROWTH_PAGE.write_text(between(GROWTH_PAGE.read_text(), lines, "growth"))
    for name, text in growth.drawn(grown):
        (CHARTS / name).write_text(text)


def _pressure(found: dict[str, Any]) -> None:
    report = from_json(found)
    lines = [*measured_on(report.about), *table.figures_markdown(report)]
    GROWTH_PAGE.write_text(between(GROWTH_PAGE.read_text(), lines, "pressure"))


def _cost(found: dict[str, Any]) -> None:
    COST_PAGE.write_text(between(COST_PAGE.read_text(), bill.markdown(found), "cost"))


def main() -> None:
    """Write the pages and the charts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", type=Path, default=OUT)
    given = parser.parse_args()
    parts = {
        given.of: _bench,
        growth.OUT: _growth,
        pressure.OUT: _pressure,
        bill.OUT: _cost,
    }
    for file, write in parts.items():
        if file.exists():
            write(json.loads(file.read_text()))
        else:
            print(f"{file} is not there: its part of the pages stays as it is")


if __name__ == "__main__":
    main()
