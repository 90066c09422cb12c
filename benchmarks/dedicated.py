"""How fast many dedicated tenants write small records, beside as many tenants that share packs.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. Each tenant has one record in
flight (``put``), or hands over all at once (``put_many``). What counts is the ratio to the tenants
that share, in the same run; the time of the processor is that of this process, without PostgreSQL.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import text

from storage.bootstrap import open_homes
from storage.client.aio.store import AsyncStore
from storage.client.aio.tenant import AsyncTenant
from storage.client.homes import Homes
from storage.client.store import Store
from storage.model import DataClass, Dpa, NewRecord, PutResult, TenantSpec
from storage.settings import Settings

HOME = "eu-central-1"
SIZE = 512
_COUNTS = text(
    "SELECT (SELECT count(*) FROM object WHERE kind = 'pack'),"
    " (SELECT count(*) FROM object WHERE kind = 'day_key')"
)

Work = Callable[[AsyncTenant, int], Awaitable[None]]


async def put(tenant: AsyncTenant, records: int) -> None:
    """One record after the other."""
    for _ in range(records):
        await tenant.put(DataClass.PROMPT, os.urandom(SIZE), subject="u")


async def put_many(tenant: AsyncTenant, records: int) -> None:
    """All records at once."""
    given = (NewRecord(DataClass.PROMPT, os.urandom(SIZE), subject="u") for _ in range(records))
    async for result in tenant.put_many(given):
        assert isinstance(result, PutResult), result


@dataclass(frozen=True)
class Measured:
    """What a number of records took, in seconds, packs and key objects."""

    records: int
    wall: float
    processor: float
    packs: int
    keys: int

    def line(self, name: str, base: "Measured") -> str:
        """Return a row of the table. ``base``: what the rate is compared with."""
        rate, other = self.records / self.wall, base.records / base.wall
        return (
            f"  {name:30} {rate:7.0f} records/s {rate / other:6.2f} x "
            f"{self.processor / self.records * 1e3:7.2f} ms "
            f"{self.records / max(self.packs, 1):8.1f} a pack {self.keys / self.records:8.3f} keys"
        )


def add_tenants(store: Store, prefix: str, count: int, *, dedicated: bool) -> list[str]:
    """Make tenants, and return their ids."""
    names = [f"{prefix}-{n}" for n in range(count)]
    for name in names:
        signed = [Dpa(signed=date(2026, 1, 5))]
        spec = TenantSpec(name, "acme", HOME, "EU", agreements=signed, dedicated=dedicated)
        store.admin.tenants.ensure(spec)
    return names


async def measure(homes: Homes, names: Sequence[str], work: Work, records: int) -> Measured:
    """Let all tenants write at the same time."""
    store = AsyncStore(homes_store(homes))
    tenants = [await store.tenant(name) for name in names]
    before, began, used = counts(homes), time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(tenant, records) for tenant in tenants))
    wall, processor = time.perf_counter() - began, time.process_time() - used
    packs, keys = (after - earlier for earlier, after in zip(before, counts(homes), strict=True))
    await store.close()
    return Measured(len(names) * records, wall, processor, packs, keys)


def counts(homes: Homes) -> tuple[int, int]:
    """Return how many packs and day keys there are."""
    with homes.served(HOME).region.catalog.begin() as connection:
        packs, keys = connection.execute(_COUNTS).one()
    return packs, keys


def homes_store(homes: Homes) -> Store:
    """Return a store of regions that stay open when it is closed."""
    return Store(homes, sleep=time.sleep)


def run(directory: Path, tenants: int, records: int) -> None:
    """Measure, and print a table."""
    with open_homes(Settings(home=directory)) as homes:
        store = homes_store(homes)
        shared = add_tenants(store, "shared", tenants, dedicated=False)
        own = add_tenants(store, "own", tenants, dedicated=True)
        steps: list[tuple[str, Sequence[str], Work, int]] = [
            ("shared, first record", shared, put, 1),
            ("shared, put", shared, put, records),
            ("shared, put_many", shared, put_many, records),
            ("dedicated, first record", own, put, 1),
            ("dedicated, put", own, put, records),
            ("dedicated, put_many", own, put_many, records),
        ]
        print(f"{tenants} tenants, {records} records of {SIZE} bytes each", file=sys.stdout)
        found: dict[str, Measured] = {}
        for name, names, work, each in steps:
            found[name] = asyncio.run(measure(homes, names, work, each))
            base = found[name.replace("dedicated", "shared")]
            print(found[name].line(name, base), flush=True)


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--records", type=int, default=10)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=given.directory))
    try:
        run(directory, given.tenants, given.records)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
