"""How fast 2 KiB records go in, beside one boto3 PUT per replica and one commit per record.

On this machine, below a directory that must be on a real disk: PostgreSQL with fsync, and the
buckets of SeaweedFS, which fsyncs too, each in processes of their own. Both sides write to the same
two buckets and the same server, in turns. The baseline takes the best of 1, 8 and 32 threads of
each round. What counts is the median of the ratios, and the time of the processor for a record: of
this process, of PostgreSQL and of the server of S3.
"""

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import psycopg
from botocore.config import Config

import regions
from benchmarks.weed import REGION, Weed, weed
from storage import embedded
from storage.bootstrap import open_homes
from storage.client.aio.store import AsyncStore
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.tenant import Tenant
from storage.model import DataClass, Dpa, NewRecord, PutResult, TenantSpec
from storage.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

HOME = "eu-central-1"
COMPANIES = {"eu-a": "lindenhost", "eu-b": "meerspeicher"}
SIZE = 2048
THREADS = (1, 8, 32)
IN_FLIGHT = 4096
_TICKS = os.sysconf("SC_CLK_TCK")
_WORDS = [Random(n).randbytes(Random(n).randint(2, 6)).hex().encode() for n in range(2000)]


@dataclass(frozen=True)
class Cost:
    """Of one record: seconds, and seconds of the processor by who spent them."""

    seconds: float
    ours: float
    postgres: float
    server: float


@dataclass(frozen=True)
class Bench:
    """What both sides write to."""

    homes: Homes
    store: Store
    s3: Weed
    postmaster: int
    url: str

    def measure(self, work: Callable[[Sequence[bytes]], object], bodies: Sequence[bytes]) -> Cost:
        """Return what each record cost."""
        began, before = time.perf_counter(), self._spent()
        work(bodies)
        count, after = len(bodies), self._spent()
        spent = [(y - x) / count for x, y in zip(before, after, strict=True)]
        return Cost((time.perf_counter() - began) / count, *spent)

    def _spent(self) -> tuple[float, float, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        postgres = sum(map(_spent_by, _family(self.postmaster)))
        return own.ru_utime + own.ru_stime, postgres, _spent_by(self.s3.pid)


def _spent_by(pid: int) -> float:
    """Return seconds of the processor; those of children that ended are in it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def bodies_of(count: int) -> list[bytes]:
    """Return bodies like text: words that repeat, so that compression has something to do."""
    chance = Random(7)
    return [b" ".join(chance.choices(_WORDS, k=SIZE // 6))[:SIZE] for _ in range(count)]


def put_many(tenant: Tenant, bodies: Sequence[bytes]) -> None:
    """Domicile, in bulk."""
    records = (
        NewRecord(DataClass.PROMPT, body, subject=f"user-{n % 999}")
        for n, body in enumerate(bodies)
    )
    for result in tenant.put_many(records):
        assert isinstance(result, PutResult), result


def put_from_threads(tenant: Tenant, bodies: Sequence[bytes]) -> None:
    """Domicile, from threads that wait for each record."""
    with ThreadPoolExecutor(THREADS[-1]) as pool:
        for _ in pool.map(lambda body: tenant.put(DataClass.PROMPT, body, subject="u"), bodies):
            pass


def put_async(homes: Homes, bodies: Sequence[bytes]) -> None:
    """Domicile, from one event loop in which many tasks put one record after the other.

    No semaphore: when thousands are released at once, it costs half as much as a put.
    """

    async def run() -> None:
        left = iter(bodies)
        store = AsyncStore(Store(homes, sleep=time.sleep))
        tenant = await store.tenant("acme")

        async def some() -> None:
            for body in left:
                await tenant.put(DataClass.PROMPT, body, subject="u")

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(some())
        await store.close()

    asyncio.run(run())


def plain(bench: Bench, threads: int, bodies: Sequence[bytes]) -> None:
    """One PUT per replica, then one row and one commit, per record."""
    s3 = client_of(bench.s3, threads)
    links = [psycopg.connect(bench.url) for _ in range(threads)]

    def some(numbered: tuple[int, Sequence[bytes]]) -> None:
        link = links[numbered[0]]
        for body in numbered[1]:
            key = f"plain/{uuid4().hex}"
            for bucket in COMPANIES:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            with link.transaction():
                link.execute("INSERT INTO plain VALUES (%s, 'acme', now(), %s)", (key, len(body)))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, enumerate(bodies[n::threads] for n in range(threads))))
    for link in links:
        link.close()
    s3.close()


def client_of(server: Weed, connections: int) -> "S3Client":
    """Return a client of the server."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(max_pool_connections=connections),
    )


def topology(directory: Path, server: Weed) -> Path:
    """Return the shipped topology, whose region at home has two buckets."""
    made = Path(shutil.copytree(Path(regions.__file__).parent / "data", directory / "topology"))
    file = made / "regions" / f"{HOME}.toml"
    head = file.read_text().partition("[[backends]]")[0]
    file.write_text(head + "".join(_entry(name, server) for name in COMPANIES))
    return made


def _entry(name: str, server: Weed) -> str:
    return f"""
[[backends]]
name = "{name}"
kind = "s3"
sub_processor = "{COMPANIES[name]}"
bucket = "{name}"
aws_region = "{REGION}"
endpoint_url = "{server.url}"

[backends.posture_attested]
on = 2026-01-01
document = "{"5e" * 32}"
checks = ["public_access"]
"""


@contextmanager
def opened(directory: Path) -> Iterator[Bench]:
    """Start both servers, with two buckets and one tenant."""
    with weed(directory / "weed") as server:
        s3 = client_of(server, 1)
        for bucket in COMPANIES:
            s3.create_bucket(Bucket=bucket)
        home = directory / "home"
        keys = {"access_key": server.access_key, "secret_key": server.secret_key}
        settings = Settings(
            home=home,
            topology=topology(directory, server),
            backends=dict.fromkeys(COMPANIES, keys),  # type: ignore[arg-type]
        )
        url, leave = embedded.start(home / "postgres")
        postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        try:
            with open_homes(settings) as homes, Store(homes) as store:
                dpa = Dpa(signed=date(2026, 1, 5))
                store.admin.tenants.ensure(TenantSpec("acme", "acme", HOME, "EU", agreements=[dpa]))
                with psycopg.connect(url) as link:
                    link.execute(
                        "CREATE TABLE plain "
                        "(key text PRIMARY KEY, tenant text, at timestamptz, size int)"
                    )
                yield Bench(homes, store, server, postmaster, url)
        finally:
            leave()


def run(bench: Bench, rounds: int, records: int) -> None:
    """Measure in turns, and print a table."""
    tenant = bench.store.tenant("acme")
    many, few = bodies_of(records), bodies_of(max(200, records // 40))
    ways: dict[str, tuple[Callable[[Sequence[bytes]], object], list[bytes]]] = {
        "put_many": (lambda some: put_many(tenant, some), many),
        f"async, {IN_FLIGHT} in flight": (lambda some: put_async(bench.homes, some), many),
        f"{THREADS[-1]} blocking threads": (
            lambda some: put_from_threads(tenant, some),
            many[: records // 4],
        ),
    }
    put_many(tenant, few)
    found: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (work, some) in ways.items():
            base = min(
                (bench.measure(lambda s, n=n: plain(bench, n, s), few) for n in THREADS),  # type: ignore[misc]
                key=lambda cost: cost.seconds,
            )
            found[name].append((bench.measure(work, some), base))
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
    report(found)


def report(found: dict[str, list[tuple[Cost, Cost]]]) -> None:
    """Print the medians. The ratio is that of each turn."""
    print(f"{'':24}{'records/s':>10}{'ratio':>8}{'spread':>14}   us of CPU a record")
    print(f"{'':24}{'':>10}{'':>8}{'':>14}{'ours':>8}{'postgres':>10}{'s3':>6}")
    bases = [base for pairs in found.values() for _, base in pairs]
    _line("boto3 PUT x 2, commit", bases, [1.0])
    for name, pairs in found.items():
        ratios = [base.seconds / own.seconds for own, base in pairs]
        _line(name, [own for own, _ in pairs], ratios)


def _line(name: str, costs: Sequence[Cost], ratios: Sequence[float]) -> None:
    def median(part: str) -> float:
        return float(statistics.median(getattr(cost, part) for cost in costs))

    spread = f"{min(ratios):.1f}-{max(ratios):.1f}"
    print(
        f"{name:24}{1 / median('seconds'):10.0f}{statistics.median(ratios):7.1f}x{spread:>14}"
        f"{median('ours') * 1e6:8.0f}{median('postgres') * 1e6:10.0f}{median('server') * 1e6:6.0f}"
    )


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=given.directory))
    try:
        with opened(directory) as bench:
            run(bench, given.rounds, given.records)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
