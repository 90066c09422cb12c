"""What one request costs while one thing after the other grows: nothing should depend on it.

Records, tenants, open fences, expiry days, replicas, processes: each is multiplied in a few steps,
and after each step the same few requests are measured: a bulk write, reads, a page of a subject
that gets no more, and the erasures of some subjects. Their fences stay open: no worker runs. The
catalog is filled by its own functions, because the bytes of what is not read do not matter.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import fill, machine
from benchmarks.charts import lines
from benchmarks.child import Child, children
from benchmarks.probe import KINDS, Counts, Sample, in_process, order, prepare, sample
from benchmarks.results import Cost, Goal
from benchmarks.setting import TENANT, Bench, new_directory, opened
from benchmarks.weed import Weed, weed
from benchmarks.writes import tell
from storage.model import RecordId

OUT = Path("build/growth.json")
FLAT = Goal(1.3, least=False)  # times what it cost at first
WHOLE = 5_000_000  # records of a whole run
_STEPS = 4
_OF_A_DAY = 100  # rows in the partition of each day that is added
_COMPANIES = ("lindenhost", "meerspeicher")
_PER_REPLICA = ("put_many", "erase")  # these write to each replica

Samples = Mapping[str, Sequence[Sample]]  # by kind, one of each round
Measure = Callable[[Bench], Samples]


@dataclass(frozen=True)
class Sizes:
    """How far each thing grows."""

    records: int = 200_000
    tenants: int = 2_000
    fences: int = 2_000
    days: int = 200
    replicas: int = 5
    processes: int = 4


@dataclass(frozen=True)
class Step:
    """What was measured at one size."""

    size: int
    samples: Samples

    def processor(self, kind: str) -> float:
        """Return seconds of the processor for a request, the median of the rounds."""
        return median(one.processor for one in self.samples[kind])


@dataclass(frozen=True)
class Dimension:
    """One thing that grew."""

    name: str
    steps: Sequence[Step]

    def grew(self, kind: str) -> float:
        """Return by how much a request costs more at the end than at first."""
        return self.steps[-1].processor(kind) / self.steps[0].processor(kind)

    def goal(self, kind: str) -> Goal | None:
        """Return the bound; None for what does as much for each replica."""
        return None if self.name == "replicas" and kind in _PER_REPLICA else FLAT


def steps_to(most: int, first: int) -> list[int]:
    """Return a few sizes from the first to the last, each as many times the one before."""
    if most <= first:
        return [most]
    times = (most / first) ** (1 / (_STEPS - 1))
    return [*(round(first * times**n) for n in range(_STEPS - 1)), most]


class Growing:
    """Opens stores in a directory, and measures the same requests in them."""

    def __init__(self, directory: Path, server: Weed, counts: Counts) -> None:
        """Use one server of S3 for all."""
        self._directory, self._server, self.counts = directory, server, counts
        self._number = 0

    def open(self, stack: ExitStack, replicas: int = 2) -> tuple[Bench, list[str]]:
        """Open a new store, warm. Return it with ids of records to read."""
        self._number += 1
        names = "abcdefgh"[: max(2, replicas)]
        companies = {f"eu-{x}": _COMPANIES[n % len(_COMPANIES)] for n, x in enumerate(names)}
        bench = stack.enter_context(
            opened(
                self._directory,
                self._server,
                f"g{self._number}",
                companies=companies,
                replicas=replicas,
            )
        )
        ids = prepare(bench.store.tenant(TENANT))
        self.measured(bench, ids, "warm", replace(self.counts, rounds=1))
        return bench, ids

    def measured(
        self, bench: Bench, ids: Sequence[str], name: str, counts: Counts | None = None
    ) -> Samples:
        """Measure each kind of request in turns."""
        counts, tenant = counts or self.counts, bench.store.tenant(TENANT)
        found: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
        for number in range(counts.rounds):
            for kind in KINDS:
                asked = order(kind, counts, ids, f"{name}-{number}")
                found[kind].append(in_process(bench.meter, tenant, asked))
        return found

    def filled(
        self, name: str, sizes: Sequence[int], grow: Callable[[Bench, str, int, int], object]
    ) -> Iterator[Step]:
        """Measure one store while ``grow`` takes it from one size to the next."""
        with ExitStack() as stack:
            bench, ids = self.open(stack)
            now = 0
            for size in sizes:
                tell(f"{name}: {size:,}")
                grow(bench, ids[0], now, size)
                fill.settle(bench)
                yield Step(size, self.measured(bench, ids, f"{name}-{size}"))
                now = size

    def replicas(self, most: int) -> Iterator[Step]:
        """Measure stores of more and more replicas."""
        for number in range(1, most + 1):
            tell(f"replicas: {number}")
            with ExitStack() as stack:
                bench, ids = self.open(stack, number)
                yield Step(number, self.measured(bench, ids, f"r-{number}"))

    def processes(self, most: int) -> Iterator[Step]:
        """Measure more and more processes that do the same at the same time."""
        with ExitStack() as stack:
            bench, ids = self.open(stack)
            made = stack.enter_context(children(bench.place, most))
            _together(bench, made, replace(self.counts, rounds=1), ids, "warm")
            for number in range(1, most + 1):
                tell(f"processes: {number}")
                found = _together(bench, made[:number], self.counts, ids, f"p-{number}")
                yield Step(number, found)


def _together(
    bench: Bench, some: Sequence[Child], counts: Counts, ids: Sequence[str], name: str
) -> Samples:
    found: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
    for number in range(counts.rounds):
        for kind in KINDS:
            orders = [order(kind, counts, ids, f"{name}-{number}-{n}") for n, _ in enumerate(some)]
            _all_do(some, "ready", orders)
            answers: list[dict[str, Any]] = []
            work = partial(_all_do, some, "probe", orders, answers)
            count = counts.of(kind) * len(some)
            cost = bench.meter.measure(work, count)
            cpu = sum(answer["cpu"] for answer in answers) / count
            took = [seconds for answer in answers for seconds in answer["found"]]
            found[kind].append(sample(Cost(cost.seconds, cpu, cost.postgres, cost.server), took))
    return found


def _all_do(
    some: Sequence[Child],
    what: str,
    orders: Sequence[dict[str, Any]],
    answers: list[dict[str, Any]] | None = None,
) -> None:
    for one, asked in zip(some, orders, strict=True):
        one.tell(do=what, probe=asked)
    found = [one.answer() for one in some]
    if answers is not None:
        answers += found


def _records(bench: Bench, model: str, now: int, size: int) -> None:
    fill.add_records(bench, RecordId.parse(model), size - now)


def _tenants(bench: Bench, model: str, now: int, size: int) -> None:
    names = [f"t-{n}" for n in range(now, size)]
    fill.add_tenants(bench, names)
    fill.add_records(bench, RecordId.parse(model), len(names), tenants=names)


def _fences(bench: Bench, _: str, now: int, size: int) -> None:
    fill.add_fences(bench, size - now)


def _days(bench: Bench, model: str, _: int, size: int) -> None:
    there = fill.count_days(bench)
    fill.add_days(bench, RecordId.parse(model), size - there, _OF_A_DAY)


def dimensions(growing: Growing, sizes: Sizes, only: Sequence[str]) -> Iterator[Dimension]:
    """Let one thing after the other grow."""
    ways: dict[str, Callable[[], Iterator[Step]]] = {
        "records": lambda: growing.filled("records", steps_to(sizes.records, 5_000), _records),
        "tenants": lambda: growing.filled("tenants", steps_to(sizes.tenants, 10), _tenants),
        "fences": lambda: growing.filled("fences", steps_to(sizes.fences, 10), _fences),
        "days": lambda: growing.filled("days", steps_to(sizes.days, 50), _days),
        "replicas": lambda: growing.replicas(sizes.replicas),
        "processes": lambda: growing.processes(sizes.processes),
    }
    for name, way in ways.items():
        if not only or name in only:
            steps = []
            for step in way():
                steps.append(step)
                tell(line(step))
            yield Dimension(name, steps)


def line(step: Step) -> str:
    """Return a step in a line."""
    cells = [f"{kind} {cell(step.samples[kind])}" for kind in KINDS]
    return f"{step.size:10,}: {'; '.join(cells)}"


def cell(rounds: Sequence[Sample]) -> str:
    """Return microseconds of the client and of PostgreSQL; median and p99 in milliseconds."""
    ours, postgres = (median(getattr(one.cost, x) for one in rounds) for x in ("ours", "postgres"))
    middle, late = (median(getattr(one, x) for one in rounds) for x in ("median", "p99"))
    cpu = f"{ours * 1e6:,.0f} + {postgres * 1e6:,.0f}"
    return f"{cpu} µs, {middle * 1e3:,.0f} / {late * 1e3:,.0f} ms"


def verdicts(found: Sequence[Dimension]) -> Iterator[str]:
    """Yield by how much each request costs more at the end, and whether that is flat."""
    for one in found:
        for kind in KINDS:
            goal, grew = one.goal(kind), one.grew(kind)
            met = "" if goal is None else f", flat: {'yes' if goal.met([grew]) else 'no'}"
            sizes = f"{one.steps[0].size:,} to {one.steps[-1].size:,} {one.name}"
            yield f"{sizes}: CPU of {kind} {grew:.2f}x{met}"


def markdown(found: Sequence[Dimension]) -> Iterator[str]:
    """Yield a table for each thing that grew."""
    for one in found:
        yield f"![CPU by {one.name}](assets/growth-{one.name}.svg)"
        yield ""
        yield f"| {one.name} | {' | '.join(KINDS)} |"
        yield f"|---:|{'---:|' * len(KINDS)}"
        for step in one.steps:
            cells = " | ".join(cell(step.samples[kind]) for kind in KINDS)
            yield f"| {step.size:,} | {cells} |"
        times = " | ".join(_verdict(one, kind) for kind in KINDS)
        yield f"| CPU, last of first | {times} |"
        yield ""


def drawn(found: Sequence[Dimension]) -> Iterator[tuple[str, str]]:
    """Yield a chart for each thing that grew, with the name of its file."""
    for one in found:
        of_kinds = {
            kind: [step.processor(kind) / one.steps[0].processor(kind) for step in one.steps]
            for kind in KINDS
        }
        places = [f"{step.size:,}" for step in one.steps]
        title = f"CPU of a request, times the first, by {one.name}"
        yield f"growth-{one.name}.svg", lines(title, places, of_kinds)


def _verdict(one: Dimension, kind: str) -> str:
    goal, grew = one.goal(kind), one.grew(kind)
    return f"{grew:.2f}x" if goal is None or goal.met([grew]) else f"**{grew:.2f}x**"


def from_json(found: Sequence[Mapping[str, Any]]) -> list[Dimension]:
    """Return what a file says."""
    return [Dimension(one["name"], [_step(step) for step in one["steps"]]) for one in found]


def _step(found: Mapping[str, Any]) -> Step:
    samples = {
        kind: [Sample(Cost(**x["cost"]), x["median"], x["p99"]) for x in rounds]
        for kind, rounds in found["samples"].items()
    }
    return Step(found["size"], samples)


def run(
    directory: Path, sizes: Sizes, counts: Counts, only: Sequence[str], out: Path
) -> list[Dimension]:
    """Measure everything. What was measured is written after each thing that grew."""
    found = list[Dimension]()
    with weed(directory / "weed") as server:
        with opened(directory, server, "about") as bench:
            about = machine.about(directory, bench.url, quick=sizes.records < WHOLE)
        for one in dimensions(Growing(directory, server, counts), sizes, only):
            found.append(one)
            whole = {"about": about, "dimensions": [asdict(each) for each in found]}
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(whole, indent=1) + "\n")
    return found


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, most in asdict(Sizes()).items():
        parser.add_argument(f"--{name}", type=int, default=most)
    parser.add_argument("--only", nargs="*", default=[], help="some of them")
    parser.add_argument("--rounds", type=int, default=Counts().rounds)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    sizes = Sizes(**{name: getattr(given, name) for name in asdict(Sizes())})
    with new_directory(given.directory) as directory:
        counts = Counts(rounds=given.rounds)
        found = run(directory, sizes, counts, given.only, given.out)
    for verdict in verdicts(found):
        print(verdict)


if __name__ == "__main__":
    main()
