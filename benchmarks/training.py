"""How fast a run is handed prompts, beside reads one by one, and in how much memory.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. Both ways run in turns on the
same prompts, which a tenant has consented to. ``peak`` is the most that Python had allocated while
a run was handed all of them, which is a read of its own: watching costs time.
"""

import argparse
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from random import Random

import regions
from storage.bootstrap import open_homes
from storage.catalog import roster
from storage.client.store import Store
from storage.initialize import init
from storage.model import (
    Actor,
    ActorKind,
    DataClass,
    Dpa,
    NewRecord,
    Purpose,
    PutResult,
    RecordId,
    RosterSpec,
    TenantSpec,
)
from storage.settings import Settings

HOME = "eu-central-1"
SIZE = 2048
MILL = Actor("mill", ActorKind.MACHINE, employer="operator", location="EU")
CHAT = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")


def topology(directory: Path) -> Path:
    """Return the shipped topology, in which prompts may be opened for training."""
    made = Path(shutil.copytree(Path(regions.__file__).parent / "data", directory / "topology"))
    classes = made / "classes.toml"
    text = classes.read_text().replace('purposes = ["serve"', 'purposes = ["train", "serve"', 1)
    classes.write_text(text)
    return made


def fill(store: Store, count: int) -> list[RecordId]:
    """Put prompts of a thousand users, and return their ids."""
    tenant, random = store.tenant("acme"), Random(7)
    words = [random.randbytes(SIZE // 2) for _ in range(256)]

    def new() -> Iterator[NewRecord]:
        for n in range(count):
            body = words[n % 256] + bytes(SIZE // 2 - 8) + n.to_bytes(8)
            yield NewRecord(DataClass.PROMPT, body, subject=f"user {n % 1000}")

    results = list(tenant.put_many(new()))
    assert all(isinstance(result, PutResult) for result in results)
    return [result.id for result in results if isinstance(result, PutResult)]


def train(store: Store, run: str) -> int:
    """Hand a run all prompts; return how many bytes."""
    with store.training("acme", run=run, actor=MILL, classes=[DataClass.PROMPT]) as read:
        found = sum(len(one.record.body) for one in read)
    assert len(read.manifests) == 1
    return found


def one_by_one(store: Store, ids: Sequence[RecordId]) -> int:
    """Read prompts one after the other; return how many bytes."""
    service = store.tenant("acme").bind(CHAT)
    return sum(len(service.get(one, purpose=Purpose.SERVE).body) for one in ids)


def measure(name: str, records: int, work: Callable[[], int]) -> float:
    """Run, and print a row of the table. Returns records a second."""
    began, used = time.perf_counter(), time.process_time()
    assert work() == records * SIZE
    wall, processor = time.perf_counter() - began, time.process_time() - used
    print(
        f"  {name:10} {records / wall:8.0f} records/s {processor / records * 1e6:7.0f} us of CPU",
        flush=True,
        file=sys.stdout,
    )
    return records / wall


def peak(work: Callable[[], int]) -> float:
    """Run, and return the most memory that Python had allocated for it, in MB."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def run(directory: Path, records: int, alone: int, rounds: int) -> None:
    """Measure, and print a table."""
    settings = Settings(home=directory / "home", topology=topology(directory))
    init(settings)
    with open_homes(settings) as homes:
        store = Store(homes, sleep=time.sleep)
        signed = [Dpa(signed=date(2026, 1, 5))]
        store.admin.tenants.ensure(TenantSpec("acme", "acme", HOME, "EU", agreements=signed))
        region = homes.served(HOME).region
        entry = RosterSpec(MILL.id, MILL.kind, "trainer", "operator", "EU", date(2026, 1, 1))
        with region.catalog.begin() as connection:
            roster.enter(connection, entry, region.clock.now())
        (wording,) = region.topology.wordings
        store.consents.give(
            "acme",
            wording=wording,
            classes=[DataClass.PROMPT],
            purposes=[Purpose.TRAIN],
            by="ann",
        )
        ids = fill(store, records)
        print(f"{records} prompts of {SIZE} bytes", flush=True)
        for number in range(rounds):
            fast = measure("training", records, partial(train, store, f"run-{number}"))
            slow = measure("get", alone, partial(one_by_one, store, ids[:alone]))
            print(f"  {fast / slow:.1f} times as fast", flush=True)
        print(f"  peak memory of a run: {peak(partial(train, store, 'watched')):.1f} MB")


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--alone", type=int, default=2_000, help="read one by one")
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
