"""What becomes of writes when too much is asked: of us, of one backend, of the worker.

Callers offer twice what a process can take; one backend takes seconds for a PUT; a worker, in a
process of its own, has 100,000 replicas to purge while records come in.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from sqlalchemy import text

from benchmarks import machine, ours, table
from benchmarks.child import children
from benchmarks.counter import counting
from benchmarks.offering import CALLED
from benchmarks.results import Figure, Goal, Report, Row
from benchmarks.setting import HOME, TENANT, Bench, bodies_of, ensure, new_directory, opened
from benchmarks.weed import Weed, weed
from benchmarks.writes import tell
from storage.bootstrap import open_homes
from storage.client.store import Store
from storage.client.tenant import Tenant
from storage.dependencies import Dependencies
from storage.logs import make_logger
from storage.model import DataClass, NewRecord, PutResult, Reason, Scope
from storage.region import Limits
from storage.workers.erase import plan

OUT = Path("build/pressure.json")
FAMILY = "under pressure"
WHOLE = 100_000  # replicas to purge in a whole run
MEMORY = 250.0  # MiB, as of a process under everything
_THREE = {"eu-a": "lindenhost", "eu-b": "meerspeicher", "eu-c": "quellwerk"}
_SLOW, _ELSEWHERE = "eu-b", "elsewhere"
_LEAVER = "leaver"
_STORED = text("SELECT count(*) FROM record WHERE tenant = :tenant")


@dataclass(frozen=True)
class Sizes:
    """How much is asked, and for how long. Seconds."""

    seconds: float = 60.0  # of callers, twice as many as can be answered
    capacity: int = 20_000  # records by which it is found how many that is
    delay: float = 2.0  # of a PUT to a slow backend
    window: float = 15.0  # in which the rate of writes is measured
    backlog: int = 4_000  # replicas


def overload(directory: Path, server: Weed, sizes: Sizes) -> Row:
    """Let callers offer twice the capacity. Capacity: what thousands in flight get done."""
    with opened(directory, server, "over") as bench, children(bench.place, 1) as (child,):

        def do(**asked: object) -> Any:  # noqa: ANN401 - of JSON
            child.tell(**asked)
            return child.answer()

        tell("capacity")
        do(do="async", count=min(8192, sizes.capacity))  # warms
        closed = do(do="async", count=sizes.capacity)
        capacity = sizes.capacity / closed["seconds"]
        tell(f"{2 * capacity:,.0f} a second are offered, for {sizes.seconds:.0f} s")
        ensure(bench.store, CALLED)
        whole = do(do="offer", rate=2 * capacity, seconds=sizes.seconds)
        with bench.homes.served(HOME).region.catalog.begin() as connection:
            stored = connection.scalar(_STORED, {"tenant": CALLED})
    found = whole["found"]

    def figure(name: str, unit: str, value: float, goal: Goal | None = None) -> Figure:
        return Figure(name, unit, (value,), goal)

    return Row(
        FAMILY,
        f"twice the capacity, for {sizes.seconds:.0f} s",
        (
            figure("capacity, a second", "", capacity),
            figure("offered, of it", "x", found["offered"] / found["seconds"] / capacity),
            figure("accepted, of it", "x", found["accepted"] / found["drained"] / capacity),
            figure("refused, of the offered", "x", found["refused"] / found["offered"]),
            figure("accepted and lost", "", found["accepted"] - stored, Goal(0, least=False)),
            figure("until durable, median", "ms", found["median"] * 1e3),
            figure("until durable, p99", "ms", found["p99"] * 1e3),
            figure("until refused, median", "ms", found["refused_after"] * 1e3),
            figure("until the last is answered", "ms", found["drained"] * 1e3),
            figure("peak memory at capacity", "MiB", closed["peak"]),
            figure("peak memory", "MiB", whole["peak"], Goal(MEMORY, least=False)),
        ),
    )


def slow_backend(directory: Path, server: Weed, sizes: Sizes) -> Row:
    """Let one of three backends be slow, and write to it and beside it at the same time.

    One tenant is on the first two. One that objects to the slow one's company is on the others.
    """
    with ExitStack() as stack:
        counter = stack.enter_context(counting(server.url))
        front = replace(server, url=counter.url)
        bench = stack.enter_context(opened(directory, front, "slow", companies=_THREE))
        ensure(bench.store, _ELSEWHERE)
        elsewhere = bench.store.tenant(_ELSEWHERE)
        elsewhere.object(_THREE[_SLOW], by="bench", ticket="T-1")
        both = [bench.store.tenant(TENANT), elsewhere]
        for tenant in both:
            ours.put_many(tenant, bodies_of(2000))
        found: dict[float, list[list[float]]] = {0.0: [], sizes.delay: []}
        for delay in (0.0, sizes.delay, 0.0):
            tell(f"{_SLOW} takes {delay:.1f} s more for a PUT")
            counter.delay(bench.place.buckets[_SLOW], delay)
            with ThreadPoolExecutor(len(both)) as pool:
                found[delay].append(list(pool.map(lambda t: rate_of(t, sizes.window), both)))
    fast = [mean(rates) for rates in zip(*found[0.0], strict=True)]
    (slow,) = found[sizes.delay]
    return Row(
        FAMILY,
        f"one of three backends takes {sizes.delay:.0f} s for a PUT",
        (
            Figure("put_many to it, of all fast", "x", (slow[0] / fast[0],)),
            Figure("put_many to it, a second", "", (slow[0],)),
            Figure("put_many elsewhere, of all fast", "x", (slow[1] / fast[1],), Goal(0.9)),
            Figure("put_many elsewhere, a second", "", (slow[1],)),
        ),
    )


def rate_of(tenant: Tenant, seconds: float, stop: Callable[[], bool] = lambda: False) -> float:
    """Write in bulk for some seconds, or until ``stop``. Return durable records a second."""
    bodies, began, count = bodies_of(1000), time.perf_counter(), 0

    def given() -> Iterator[NewRecord]:
        n = 0
        while time.perf_counter() - began < seconds and not stop():
            n += 1
            yield NewRecord(DataClass.PROMPT, bodies[n % len(bodies)], subject=f"user-{n % 999}")

    for result in tenant.put_many(given()):
        assert isinstance(result, PutResult), result
        count += 1
    return count / (time.perf_counter() - began)


def backlog(directory: Path, server: Weed, sizes: Sizes) -> Row:
    """Let a worker purge what a tenant left, while records of another come in."""
    with opened(directory, server, "purge") as bench, children(bench.place, 1) as (worker,):
        tenant = bench.store.tenant(TENANT)
        ours.put_many(tenant, bodies_of(2000))
        tell(f"{sizes.backlog:,} replicas to purge")
        _leave(bench, sizes.backlog // len(bench.buckets))
        before = rate_of(tenant, sizes.window)
        tell("purge")
        with ThreadPoolExecutor(1) as pool:
            worker.tell(do="work")
            began, answer = time.perf_counter(), pool.submit(worker.answer)
            during = rate_of(tenant, float("inf"), answer.done)
            worked = answer.result()
            lasted = time.perf_counter() - began
        after = rate_of(tenant, sizes.window)
    return Row(
        FAMILY,
        f"a purge of {sizes.backlog:,} replicas beside writes",
        (
            Figure("put_many, of that without", "x", (during / mean([before, after]),), Goal(0.9)),
            Figure("put_many, a second", "", (during,)),
            Figure("the backlog lasts", "s", (worked["seconds"],)),
            Figure("replicas a second", "", (sizes.backlog / worked["seconds"],)),
            Figure("cores of the worker", "", (worked["cpu"] / worked["seconds"],)),
            Figure("peak memory of the worker", "MiB", (worked["peak"],)),
            Figure("measured for", "s", (lasted,)),
        ),
    )


def _leave(bench: Bench, count: int) -> None:
    """Store records of which each is an object, and erase their tenant, up to the purge."""
    ensure(bench.store, _LEAVER)
    needs = Dependencies(clock=lambda _: bench.clock, limits=Limits(own_pack=1))
    with (
        open_homes(bench.place.settings(), dependencies=needs) as homes,
        Store(homes, sleep=time.sleep) as store,
    ):
        ours.put_from_threads(store.tenant(_LEAVER), bodies_of(count, 64), threads=16)
    bench.store.tenant(_LEAVER).erase(Scope.tenant(), reason=Reason.CUSTOMER_REQUEST)
    region, log = bench.homes.served(HOME).region, make_logger(io.StringIO())
    while plan(region, log):
        pass


def rows(directory: Path, server: Weed, sizes: Sizes, only: list[str]) -> Iterator[Row]:
    """Measure one thing after the other."""
    for way in (overload, slow_backend, backlog):
        if not only or way.__name__ in only:
            row = way(directory, server, sizes)
            tell("\n".join(["", *table.row_lines(row)]))
            yield row


def run(directory: Path, sizes: Sizes, only: list[str]) -> Report:
    """Measure everything."""
    with weed(directory / "weed") as server:
        with opened(directory, server, "about") as bench:
            about = machine.about(directory, bench.url, quick=sizes.backlog < WHOLE)
        return Report(about, tuple(rows(directory, server, sizes, only)))


def main() -> None:
    """Measure in a new directory, and remove it."""
    usual = Sizes()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of callers")
    parser.add_argument("--window", type=float, default=usual.window, help="of a rate, seconds")
    parser.add_argument("--backlog", type=int, default=usual.backlog, help="replicas to purge")
    parser.add_argument("--only", nargs="*", default=[], help="overload, slow_backend, backlog")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    sizes = Sizes(seconds=given.seconds, window=given.window, backlog=given.backlog)
    with new_directory(given.directory) as directory:
        report = run(directory, sizes, given.only)
    table.finish(report, given.out)


if __name__ == "__main__":
    main()
