"""What a million records ask of S3 and KMS in their life, counted at the servers, and its price.

Records of 2 KiB are written in bulk, some are read, once each, and all expire: the clock that
Domicile reads is moved. Then the service is idle for a minute, then a worker alone runs for as
long; at last it runs a round for each minute of a day. A process in front of SeaweedFS counts.
"""

import argparse
import io
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, ours, prices
from benchmarks.counter import Counted, Counting, counting
from benchmarks.setting import CHAT, TENANT, Bench, bodies_of, new_directory, opened
from benchmarks.upkeep import expire, let_time_pass
from benchmarks.weed import Weed, weed
from benchmarks.writes import tell
from storage.bootstrap import worker_of
from storage.logs import make_logger
from storage.model import Purpose

OUT = Path("build/cost.json")
MOST_PUTS = 260  # of a million records, on each replica
TOGETHER = 4
WRITTEN, AT_ONCE = "written, put_many", f"written, {TOGETHER} put_many at a time"
READ, EXPIRED = "read, once each", "expired, by a worker"
IDLE_DAY = "a worker alone, a day"
KEPT = 29.0  # days, of 30: what expires is gone before
_LATER = timedelta(days=31)
_PAUSE = 5.0  # seconds between the rounds of a worker, as it is by default
_DAY = 24 * 60  # rounds


@dataclass(frozen=True)
class Phase:
    """A part of the life of records, and what was asked for in it.

    ``scale``: by which it is multiplied for a million records, or for a day.
    """

    name: str
    requests: Mapping[str, int]
    sent: int
    received: int
    scale: float = 1.0

    def scaled(self, kind: str) -> float:
        """Return requests of a kind for a million records, or for a day."""
        return self.requests.get(kind, 0) * self.scale


def phase(name: str, found: Counted, scale: float = 1.0) -> Phase:
    """Return what was counted under a name."""
    return Phase(name, dict(found.requests), found.sent, found.received, scale)


class Watch:
    """Counts what is asked for while something is done."""

    def __init__(self, counter: Counting) -> None:
        """Begin with what was asked for so far."""
        self._counter, self._before = counter, counter.counted()

    def since(self) -> Counted:
        """Return what was asked for since the last call."""
        now, before = self._counter.counted(), self._before
        self._before = now
        return now.since(before)


def life(bench: Bench, watch: Watch, records: int, reads: int) -> Iterator[Phase]:
    """Write, read once, expire."""
    tenant = bench.store.tenant(TENANT)
    yield phase("opening a process", watch.since())
    tell("the first record of a day: its key")
    ours.put_many(tenant, bodies_of(1))
    yield phase("the key of a day", watch.since())
    tell(f"writing {records:,}")
    block = bodies_of(min(records, 20_000))
    bodies = [block[n % len(block)] for n in range(records)]
    ids = ours.put_many(tenant, bodies)
    yield phase(WRITTEN, watch.since(), 1e6 / records)
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(partial(ours.put_many, tenant), _parts(bodies)))
    yield phase(AT_ONCE, watch.since(), 1e6 / records)
    tell(f"reading {reads:,}")
    bound = tenant.bind(CHAT)
    for one in ids[:: max(1, records // reads)][:reads]:
        bound.get(one, purpose=Purpose.SERVE)
    yield phase(READ, watch.since(), 1e6 / reads)
    tell("expiring")
    let_time_pass(bench)
    bench.clock.later += _LATER
    expire(bench)
    yield phase(EXPIRED, watch.since(), 0.5e6 / records)  # twice as many were written


def _parts(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    each = -(-len(bodies) // TOGETHER)
    for start in range(0, len(bodies), each):
        yield bodies[start : start + each]


def idle(bench: Bench, watch: Watch, seconds: float, rounds: int) -> Iterator[Phase]:
    """Do nothing; then let a worker look for work; then let a day of its rounds pass."""
    watch.since()
    tell(f"idle for {seconds:.0f} s")
    time.sleep(seconds)
    yield phase(f"an idle service, {seconds:.0f} s", watch.since())
    tell("a worker, idle")
    worker = worker_of(bench.homes, make_logger(io.StringIO()))
    worker.run_once()
    thread = threading.Thread(target=worker.run_forever, args=(_PAUSE,))
    watch.since()
    thread.start()
    time.sleep(seconds)
    worker.stop()
    thread.join()
    yield phase(f"a worker alone, {seconds:.0f} s", watch.since())
    tell(f"{rounds} rounds of a worker, a minute apart")
    worker = worker_of(bench.homes, make_logger(io.StringIO()))  # the other one was stopped
    for _ in range(rounds):
        bench.clock.later += timedelta(minutes=1)
        worker.run_once()
    yield phase(IDLE_DAY, watch.since(), _DAY / rounds)


def run(
    directory: Path, server: Weed, *, records: int, reads: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Count everything. Return what is in the file."""
    with counting(server.url) as counter:
        watch, front = Watch(counter), replace(server, url=counter.url)
        with opened(directory, front, "cost", kms=counter.kms()) as bench:
            about = machine.about(directory, bench.url, quick=False)
            phases = list(life(bench, watch, records, reads))
            phases += idle(bench, watch, seconds, rounds)
            replicas = len(bench.buckets)
    about |= {"records": records, "reads": reads, "replicas": replicas}
    return {"about": about, "phases": [asdict(one) for one in phases]}


def from_json(found: Mapping[str, Any]) -> list[Phase]:
    """Return the phases of a file."""
    return [Phase(**one) for one in found["phases"]]


def puts(found: Mapping[str, Any], name: str) -> float:
    """Return PUT requests of a million records on each replica, written in one of the ways."""
    written = next(one for one in from_json(found) if one.name == name)
    return written.scaled("PUT") / float(found["about"]["replicas"])


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the page about cost has."""
    about, phases = found["about"], from_json(found)
    yield (
        f"Counted {about['when'][:10]} at {about['commit']}: {about['records']:,} records written "
        f"twice, {about['reads']:,} read, {about['replicas']} replicas."
    )
    yield ""
    yield from requests_table(phases)
    yield ""
    yield from (f"- {line}." for line in verdicts(found))
    yield ""
    yield f"With prices from {prices.SOURCE}:"
    yield ""
    yield from money_table(phases)


def verdicts(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether the goal is met, for each way to write."""
    for name in (WRITTEN, AT_ONCE):
        number = puts(found, name)
        met = "yes" if number <= MOST_PUTS else "no"
        yield (
            f"{name}: {number:,.0f} PUT for a million records and replica, "
            f"goal ≤ {MOST_PUTS}, met: {met}"
        )


def requests_table(phases: Sequence[Phase]) -> Iterator[str]:
    """Yield the requests of each phase, for a million records or as often as the name says."""
    kinds = list(prices.REQUESTS)
    yield f"| | {' | '.join(kinds)} | MB sent | MB received | $ |"
    yield f"|---|{'---:|' * (len(kinds) + 3)}"
    for one in phases:
        cells = [f"{one.scaled(kind):,.0f}" for kind in kinds]
        cells += [f"{x * one.scale / 1e6:,.1f}" for x in (one.sent, one.received)]
        yield f"| {one.name} | {' | '.join(cells)} | {price_of(one):,.4f} |"


def price_of(one: Phase) -> float:
    """Return what the requests of a phase cost, for a million records, or as often as it says."""
    return prices.of_requests({kind: one.scaled(kind) for kind in one.requests})


def money_table(phases: Sequence[Phase]) -> Iterator[str]:
    """Yield what a million records cost from the first to the last day."""
    named = {one.name: one for one in phases}
    stored = named[WRITTEN].sent * named[WRITTEN].scale
    yield "| a million records, two replicas | $ |"
    yield "|---|---:|"
    total = 0.0
    for name in (WRITTEN, READ, EXPIRED):
        total += price_of(named[name])
        yield f"| {name} | {price_of(named[name]):,.4f} |"
    kept = prices.of_storage(stored, KEPT)
    yield f"| stored for {KEPT:.0f} days, {stored / 1e9:,.2f} GB on both | {kept:,.4f} |"
    yield f"| together | {total + kept:,.4f} |"
    idle = price_of(named[IDLE_DAY]) * prices.MONTH
    yield f"| besides, whatever is stored: a worker, a month | {idle:,.4f} |"
    yield f"| and a KMS key, a month | {prices.KEY:,.2f} |"


def main() -> None:
    """Count in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--reads", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="idle")
    parser.add_argument("--rounds", type=int, default=_DAY, help="of the idle worker: a day")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with new_directory(given.directory) as directory, weed(directory / "weed") as server:
        found = run(
            directory,
            server,
            records=given.records,
            reads=given.reads,
            seconds=given.seconds,
            rounds=given.rounds,
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    phases = from_json(found)
    for line in (*requests_table(phases), "", *money_table(phases), "", *verdicts(found)):
        print(line)


if __name__ == "__main__":
    main()
