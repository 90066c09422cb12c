"""How fast a classifier sees a day of prompts: screened in batches, beside reads one by one.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. The classifier does nothing but
look for a byte, so what is measured is the way to it; one record in a hundred is flagged. Both ways
run in turns on the same prompts. ``read`` is what the backends returned.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from random import Random

from storage.backends.health import WatchedBackend
from storage.bootstrap import open_homes
from storage.catalog import roster
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.model import (
    Actor,
    ActorKind,
    Classifier,
    DataClass,
    Dpa,
    NewFlag,
    NewRecord,
    Purpose,
    PutResult,
    RecordId,
    RosterSpec,
    Screened,
    TenantSpec,
)
from storage.settings import Settings

HOME = "eu-central-1"
SIZE = 2048
MILL = Actor("mill", ActorKind.MACHINE, employer="operator", location="EU")
CHAT = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")


def classify(body: bytes, _: Mapping[str, object]) -> Sequence[NewFlag]:
    """Flag one prompt in a hundred."""
    return [NewFlag("seldom", 0.9)] if body[0] < 3 else []


@dataclass
class Counted:
    """What the backends of a region returned."""

    requests: int = 0
    size: int = 0


def counting(homes: Homes) -> Counted:
    """Count what the backends return from now on."""
    counted = Counted()

    def count(backend: WatchedBackend) -> None:
        inner = backend.get

        def get(key: str, start: int = 0, stop: int | None = None, **more: object) -> bytes:
            data = inner(key, start, stop, **more)  # type: ignore[arg-type]
            counted.requests += 1
            counted.size += len(data)
            return data

        backend.get = get  # type: ignore[method-assign]

    for backend in homes.served(HOME).region.backends.values():
        count(backend)
    return counted


def fill(store: Store, count: int) -> list[RecordId]:
    """Put prompts that compress by a half, like text, and return their ids in order."""
    tenant, random = store.tenant("acme"), Random(7)
    words = [random.randbytes(SIZE // 2) for _ in range(256)]

    def new() -> Iterator[NewRecord]:
        for n in range(count):
            body = words[n % 256] + bytes(SIZE // 2 - 8) + n.to_bytes(8)
            yield NewRecord(DataClass.PROMPT, body, subject=f"user {n % 1000}")

    results = list(tenant.put_many(new()))
    assert all(isinstance(result, PutResult) for result in results)
    return [result.id for result in results if isinstance(result, PutResult)]


def screen(machine: BoundTenant, version: str, count: int) -> int:
    """Screen all prompts; return how many were flagged."""
    classifier = Classifier("byte", version, classify)
    results = list(machine.screen(classifier, data_class=DataClass.PROMPT))
    assert len(results) == count
    return sum(isinstance(one, Screened) and bool(one.flags) for one in results)


def one_by_one(service: BoundTenant, ids: Sequence[RecordId]) -> int:
    """Read prompts one after the other; return how many would be flagged."""
    found = 0
    for record_id in ids:
        record = service.get(record_id, purpose=Purpose.SERVE)
        found += bool(classify(record.body, record.metadata))
    return found


def measure(name: str, counted: Counted, records: int, work: Callable[[], int]) -> float:
    """Run, and print a row of the table. Returns records a second."""
    before, began, used = Counted(**vars(counted)), time.perf_counter(), time.process_time()
    flagged = work()
    wall, processor = time.perf_counter() - began, time.process_time() - used
    print(
        f"  {name:12} {records / wall:8.0f} records/s {processor / records * 1e6:7.0f} us of CPU "
        f"{(counted.requests - before.requests) / records:7.4f} requests a record "
        f"{(counted.size - before.size) / 1e6:8.1f} MB read {flagged:6} flagged",
        flush=True,
        file=sys.stdout,
    )
    return records / wall


def run(directory: Path, records: int, alone: int, rounds: int) -> None:
    """Measure, and print a table."""
    with open_homes(Settings(home=directory)) as homes:
        store = Store(homes, sleep=time.sleep)
        signed = [Dpa(signed=date(2026, 1, 5))]
        store.admin.tenants.ensure(TenantSpec("acme", "acme", HOME, "EU", agreements=signed))
        region = homes.served(HOME).region
        entry = RosterSpec(MILL.id, MILL.kind, "classifier", "operator", "EU", date(2026, 1, 1))
        with region.catalog.begin() as connection:
            roster.enter(connection, entry, region.clock.now())
        began = time.perf_counter()
        ids = fill(store, records)
        print(f"{records} prompts of {SIZE} bytes, put in {time.perf_counter() - began:.0f} s")
        counted = counting(homes)
        machine, service = store.tenant("acme").bind(MILL), store.tenant("acme").bind(CHAT)
        for number in range(rounds):
            fast = measure(
                "screen", counted, records, partial(screen, machine, str(number), records)
            )
            slow = measure("get", counted, alone, partial(one_by_one, service, ids[:alone]))
            print(f"  {fast / slow:.1f} times as fast", flush=True)


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--alone", type=int, default=5_000, help="read one by one")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=given.directory))
    try:
        run(directory, given.records, given.alone, given.rounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
