"""Rows about writing: in bulk, from an event loop, from threads, from processes; and the peers."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks import ours
from benchmarks.child import Child, children
from benchmarks.machine import cores
from benchmarks.peers import LiteLlm, litellm
from benchmarks.plain import copies, plains, ways
from benchmarks.results import Cost, Figure, Goal, Row, Side, ratios
from benchmarks.setting import TENANT, Bench, bodies_of
from benchmarks.sizes import Sizes

FAMILY = "writing 2 KiB"
DURABLE = "durable, encrypted, two replicas required by the topology"
BASE = "boto3 PUT x 2, commit"
_GOALS = {  # times the baseline, microseconds of our processor
    "put_many": (50.0, 70.0),
    "async": (40.0, None),
    "threads": (15.0, 200.0),
}
_NAMES = {
    "put_many": "put_many",
    "async": f"async, {ours.IN_FLIGHT:,} in flight",
    "threads": f"{ours.THREADS} blocking threads",
}


@dataclass
class Found:
    """What was measured so far, by what was measured: a cost of each round."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    queued: list[float] = field(default_factory=list)  # seconds a record, until the call returned

    def add(self, name: str, cost: Cost) -> None:
        """Add a round."""
        self.costs.setdefault(name, []).append(cost)

    def of(self, name: str) -> tuple[Cost, ...]:
        """Return all rounds."""
        return tuple(self.costs[name])


def tell(what: str) -> None:
    """Say what is done, to who waits."""
    print(f"  {what}", file=sys.stderr, flush=True)


def measure(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """Measure all in turns, and yield the rows."""
    many, slow, few = (bodies_of(n) for n in (sizes.records, sizes.slow, sizes.plain))
    found = Found()
    tenant = bench.store.tenant(TENANT)
    ours.put_many(tenant, many[:2000])
    with litellm(bench, many) as peer, plains(bench) as sides:
        for number in range(sizes.rounds):
            tell(f"writes, round {number + 1} of {sizes.rounds}")
            for name, work, count in _ways(bench, many, slow):
                base = ways(sides, few, lambda side: side.put)
                found.add(f"base of {name}", bench.meter.best(base, len(few)))
                found.add(name, bench.meter.measure(work, count))
            found.add("copy", bench.meter.best(copies(bench, many), len(many)))
            _submit(bench, found, many)
            if peer is not None:
                found.add("litellm", peer.best(sizes.plain * 4, batch_file=False))
                found.add("litellm batch", peer.best(len(many), batch_file=True))
    yield from (_row(name, found) for name in _GOALS)
    yield from _peers(found, peer)


def _ways(
    bench: Bench, many: list[bytes], slow: list[bytes]
) -> Iterator[tuple[str, Callable[[], object], int]]:
    tenant = bench.store.tenant(TENANT)
    yield "put_many", partial(ours.put_many, tenant, many), len(many)
    in_flight = many * (-(-2 * ours.IN_FLIGHT // len(many)))
    yield "async", partial(ours.put_async, bench.homes, [TENANT], in_flight), len(in_flight)
    yield "threads", partial(ours.put_from_threads, tenant, slow), len(slow)


def _submit(bench: Bench, found: Found, bodies: list[bytes]) -> None:
    tenant, queued = bench.store.tenant(TENANT), list[float]()
    cost = bench.meter.measure(lambda: queued.append(ours.hand_over(tenant, bodies)), len(bodies))
    found.add("submit", cost)
    found.queued.append(queued[0] / len(bodies))


def _row(name: str, found: Found) -> Row:
    least, most = _GOALS[name]
    own, base = found.of(name), found.of(f"base of {name}")
    figures = [Figure("times boto3", "x", ratios(base, own), Goal(least))]
    if most is not None:
        spent = tuple(cost.ours * 1e6 for cost in own)
        figures.append(Figure("our CPU a record", "us", spent, Goal(most, least=False)))
    sides = (Side("Domicile", own, DURABLE), Side(BASE, base, "durable, as it was given"))
    return Row(FAMILY, _NAMES[name], tuple(figures), sides)


def _peers(found: Found, peer: LiteLlm | None) -> Iterator[Row]:
    """Yield the others, without a goal: they promise less."""
    family = "peers, writing 2 KiB"
    own = found.of("put_many")
    copy = found.of("copy")
    yield Row(
        family,
        "PostgreSQL bytea, a COPY a batch",
        (Figure("put_many beside it", "x", ratios(copy, own)),),
        (Side("COPY, best of two batches", copy, "durable, one replica, as it was given"),),
    )
    if peer is None:
        return
    one = found.of("litellm")
    yield Row(
        family,
        "LiteLLM, an object a call",
        (Figure("put_many beside it", "x", ratios(one, own)),),
        (Side("LiteLLM", one, "in a buffer of the process: lost with it"),),
    )
    batch, submit = found.of("litellm batch"), found.of("submit")
    handed = tuple(x / y for x, y in zip(peer.queued, found.queued, strict=True))
    yield Row(
        family,
        "LiteLLM, s3_batch_file_upload",
        (
            Figure("submit beside it, all durable", "x", ratios(batch, submit)),
            Figure("submit beside it, handed over", "x", handed),
        ),
        (
            Side("LiteLLM", batch, "in a buffer of the process: lost with it"),
            Side(
                "Domicile, submit",
                submit,
                "in a buffer of the process; its future tells when it is durable",
            ),
        ),
    )


def processes(bench: Bench, sizes: Sizes) -> Row:
    """Measure several processes that write at the same time, beside one."""
    found = Found()
    with children(bench.place, sizes.processes) as made:
        for number in range(sizes.rounds + 1):
            tell(f"processes, round {number} of {sizes.rounds}")
            for name, some in (("one", made[:1]), ("several", made)):
                cost = _together(bench, some, sizes.records)
                if number > 0:  # the first warms
                    found.add(name, cost)
    one, several = found.of("one"), found.of("several")
    cpu = tuple(b.ours / a.ours for a, b in zip(one, several, strict=True))
    return Row(
        FAMILY,
        f"put_many, {sizes.processes} processes",
        (
            Figure("CPU a record, of one process", "x", cpu, Goal(1.1, least=False)),
            Figure("times one process", "x", ratios(one, several)),
            Figure(f"cores in use, of {cores()}", "", tuple(map(_in_use, several))),
        ),
        (Side(f"{sizes.processes} processes", several, DURABLE), Side("one", one, DURABLE)),
    )


def _in_use(cost: Cost) -> float:
    """Return how many cores the client and both servers kept busy."""
    return (cost.ours + cost.postgres + cost.server) / cost.seconds


def _together(bench: Bench, some: Sequence[Child], records: int) -> Cost:
    answers: list[dict[str, float]] = []

    def work() -> None:
        for one in some:
            one.tell(do="put_many", count=records)
        answers.extend(one.answer() for one in some)

    count = records * len(some)
    cost = bench.meter.measure(work, count)
    cpu = sum(answer["cpu"] for answer in answers) / count
    return Cost(cost.seconds, cpu, cost.postgres, cost.server)
