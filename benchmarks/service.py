"""Rows about a service: many tenants, and memory under everything."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks import ours
from benchmarks.child import Child, children
from benchmarks.results import Figure, Goal, Row, Side, ratios
from benchmarks.setting import TENANT, Bench, bodies_of, ensure
from benchmarks.sizes import Sizes
from benchmarks.writes import DURABLE, Found, tell

FAMILY = "a service"
_PROCESSES = 3  # of which the memory is measured


def tenants(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """Write for many tenants from one event loop, beside the same for one."""
    for number in sizes.tenants:
        yield _tenants(bench, sizes, number)


def _tenants(bench: Bench, sizes: Sizes, number: int) -> Row:
    names = [f"t-{n}" for n in range(number)]
    tell(f"{number:,} tenants")
    ensure(bench.store, *names)
    bodies = bodies_of(max(2 * ours.IN_FLIGHT, 2 * number))
    ours.put_async(bench.homes, names, bodies[:number])  # warms
    found = Found()
    for _ in range(sizes.rounds):
        for name, some in (("one", [TENANT]), ("many", names)):
            work = partial(ours.put_async, bench.homes, some, bodies)
            found.add(name, bench.meter.measure(work, len(bodies)))
    one, many = found.of("one"), found.of("many")
    return Row(
        FAMILY,
        f"{number:,} tenants, warm",
        (Figure("times one tenant", "x", ratios(one, many), Goal(0.7)),),
        (Side(f"{number:,} tenants", many, DURABLE), Side("one tenant", one, DURABLE)),
    )


def memory(bench: Bench, sizes: Sizes) -> Row:
    """Do everything in a process of its own, and look at the most memory that it had."""
    rounds = min(sizes.rounds, _PROCESSES)
    peaks: dict[str, list[float]] = {}
    for number in range(rounds):
        tell(f"memory, round {number + 1} of {rounds}")
        with children(bench.place, 1) as (child,):
            for name, peak in _everything(child, sizes):
                peaks.setdefault(name, []).append(peak)
    most = tuple(max(one[n] for one in peaks.values()) for n in range(rounds))
    return Row(
        FAMILY,
        "memory of a process",
        (
            Figure("peak under everything", "MiB", most, Goal(250, least=False)),
            *(Figure(f"in {name}", "MiB", tuple(some)) for name, some in peaks.items()),
        ),
    )


def _everything(child: Child, sizes: Sizes) -> Iterator[tuple[str, float]]:
    """Have a process do everything. Yield what it did, and the most memory that it had then."""

    def do(name: str, **more: object) -> Any:  # noqa: ANN401 - of JSON
        child.tell(do=name, **more)
        return child.answer()

    wrote = do("put_many", count=sizes.records)
    yield "put_many", wrote["peak"]
    yield "async", do("async", count=2 * ours.IN_FLIGHT)["peak"]
    yield "threads", do("threads", count=sizes.slow)["peak"]
    yield "get", do("get", ids=wrote["found"])["peak"]
    file = do("put_file", size=sizes.file)
    yield "put_file", file["peak"]
    yield "read_file", do("read_file", id=file["found"])["peak"]
    yield "list", do("list")["peak"]
