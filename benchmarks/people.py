"""What the rules about people cost those who are none: reads for serve, and writes.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. In turns, in one run:

- reads as they are, and reads for which the permits were minted before, so that nothing is decided;
- writes and reads while the log is idle, and while people open records: each opening appends a line
  and waits for its checkpoint, in another process.
"""

import argparse
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlalchemy import Connection

from storage.bootstrap import open_homes
from storage.catalog import log, records
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.model import (
    Actor,
    ActorKind,
    DataClass,
    Dpa,
    LineKind,
    NewRecord,
    Purpose,
    RecordId,
    TenantSpec,
)
from storage.packs.openings import for_tenant
from storage.packs.reader import Find, Permitted, Reader
from storage.policy import Permit, term_of
from storage.region import OpenRegion
from storage.settings import Settings

HOME = "eu-central-1"
CHAT = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")
BODY = b"x" * 2048
Cost = tuple[float, float]
"""Seconds of time and of CPU for each operation."""


def timed(work: Callable[[], int]) -> Cost:
    """Return what each of the operations that ``work`` counts took."""
    began, cpu = time.perf_counter(), time.process_time()
    count = work()
    return (time.perf_counter() - began) / count, (time.process_time() - cpu) / count


def compare(name: str, pairs: list[tuple[Cost, Cost]]) -> None:
    """Print the medians of the pairs, and that of their ratios: above 1 is faster than off."""
    on, off = (statistics.median(pair[i][0] for pair in pairs) for i in (0, 1))
    cpu_on, cpu_off = (statistics.median(pair[i][1] for pair in pairs) for i in (0, 1))
    ratio = statistics.median(off_[0] / on_[0] for on_, off_ in pairs)
    print(
        f"  {name:34} on {on * 1e6:7.0f} us ({cpu_on * 1e6:5.0f} CPU), "
        f"off {off * 1e6:7.0f} us ({cpu_off * 1e6:5.0f} CPU): {ratio:.2f}x",
        flush=True,
    )


def minted(region: OpenRegion, ids: list[RecordId]) -> Find:
    """Return a ``Find`` that decides nothing: it has a permit for each record."""
    find, permits = for_tenant(region, CHAT, Purpose.SERVE), dict[RecordId, Permit]()
    with region.catalog.begin() as connection:
        for record_id in ids:
            permits[record_id] = find(connection, "acme-eu", record_id).permit

    def known(connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        found = records.find(connection, tenant, record_id)
        assert found is not None
        term = term_of(record_id.day, region.topology.bounds)
        return Permitted(found.row, permits[record_id], term)

    return known


@contextmanager
def people_look(home: Path) -> Iterator[None]:
    """Let another process append lines and wait for their checkpoints, ten a second at most."""
    command = [sys.executable, __file__, "--look", str(home)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdout.readline()
    try:
        yield
    finally:
        other.stdin.close()
        other.wait(60)


def look(home: Path) -> None:
    """Append lines about openings until stdin ends."""
    with open_homes(Settings(home=home)) as homes:
        served = homes.served(HOME)
        print("looking", flush=True)
        while sys.stdin.buffer in _readable(0.1):
            with served.region.catalog.begin() as connection:
                now = served.region.clock.now()
                facts = {"actor": "anna", "record": "r"}
                line = log.append(connection, LineKind.OPENING, facts, now, served.region.entropy)
            served.log.publish(line)


def _readable(seconds: float) -> list[object]:
    """Return stdin unless it ended within some seconds."""
    ready, _, _ = select.select([sys.stdin.buffer], [], [], seconds)
    return [] if ready else [sys.stdin.buffer]


def run(home: Path, rounds: int, count: int) -> None:
    """Measure in turns."""
    with open_homes(Settings(home=home)) as homes, Store(homes) as store:
        dpa = Dpa(signed=date(2026, 1, 5))
        store.admin.tenants.ensure(TenantSpec("acme-eu", "acme", HOME, "EU", agreements=[dpa]))
        t, served = store.tenant("acme-eu").bind(CHAT), homes.served(HOME)
        ids = write(t, count)
        plain = Reader(served.region, served.keys, minted(served.region, ids))

        def with_rules() -> int:
            return len([t.get(one, purpose=Purpose.SERVE) for one in ids])

        def without() -> int:
            return len([plain.get("acme-eu", one) for one in ids])

        with_rules()
        compare(
            "get, decided at each read",
            [(timed(with_rules), timed(without)) for _ in range(rounds)],
        )

        def put() -> int:
            return len(write(t, 4 * count))

        reads, writes = list[tuple[Cost, Cost]](), list[tuple[Cost, Cost]]()
        for _ in range(rounds):
            with people_look(home):
                busy = timed(with_rules), timed(put)
            idle = timed(with_rules), timed(put)
            reads.append((busy[0], idle[0]))
            writes.append((busy[1], idle[1]))
        compare("get, while people look", reads)
        compare("put_many, while people look", writes)


def write(t: BoundTenant, count: int) -> list[RecordId]:
    """Store prompts of 2 KiB."""
    results = t.put_many(NewRecord(DataClass.PROMPT, BODY) for _ in range(count))
    return [result.id for result in results if result.id is not None]


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look is not None:
        look(given.look)
        return
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=given.directory))
    try:
        run(home, given.rounds, given.count)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
