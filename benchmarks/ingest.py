"""How fast 2 KiB records go in, beside one PUT per replica and one commit per record.

Everything runs in this process and on this machine: an embedded PostgreSQL, and as backends either
directories or buckets of moto's S3 over HTTP on loopback. Both sides write to the same backends and
the same server, one after the other; what counts is the ratio, not the figures.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, text

from storage.client.tenant import Tenant
from storage.model import DataClass, NewRecord, PutResult
from storage.ports import Backend
from storage.region import OpenRegion
from storage.testing import Domicile, Server, new_domicile

THREADS = 32
SIZE = 2048
_WORDS = [os.urandom(random.Random(n).randint(2, 6)).hex().encode() for n in range(2000)]


def bodies(count: int) -> list[bytes]:
    """Text-like bodies: words that repeat, so that compression has something to do."""
    chance = random.Random(7)
    return [b" ".join(chance.choices(_WORDS, k=SIZE // 6))[:SIZE] for _ in range(count)]


def put_many(tenant: Tenant, given: list[bytes]) -> None:
    """Domicile, in bulk."""
    records = (
        NewRecord(
            DataClass.PROMPT, body, tenant.new_id(DataClass.PROMPT), subject=f"user-{n % 999}"
        )
        for n, body in enumerate(given)
    )
    for result in tenant.put_many(records):
        assert isinstance(result, PutResult), result


def put_each(tenant: Tenant, given: list[bytes]) -> None:
    """Domicile, from threads that wait for each record."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda body: tenant.put(DataClass.PROMPT, body, subject="u"), given):
            pass


def naive(
    region: OpenRegion, backends: Sequence[Backend], given: list[bytes], threads: int
) -> None:
    """One PUT per replica, then one row and one commit, per record."""
    engine = region.catalog.engine

    def one(body: bytes) -> None:
        key = f"pack/naive/{uuid4().hex}"
        for backend in backends:
            backend.put(key, body, timeout=10)
        with engine.begin() as connection:
            _insert(connection, key, body)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(one, given):
            pass


def _insert(connection: Connection, key: str, body: bytes) -> None:
    connection.execute(
        text("INSERT INTO naive VALUES (:key, 'acme', now(), :size)"),
        {"key": key, "size": len(body)},
    )


def rate(work: Callable[[], None], count: int) -> float:
    """Records a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


@contextmanager
def opened(kind: str) -> Iterator[Domicile]:
    """A new, empty Domicile."""
    server = Server()
    try:
        with new_domicile(server, "s3" if kind == "s3" else "directory") as domicile:
            yield domicile
    finally:
        server.close()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", choices=["directory", "s3"], default="directory")
    parser.add_argument("--records", type=int, default=20_000)
    given = parser.parse_args()
    with opened(given.backends) as domicile:
        tenant = domicile.tenant()
        open_region = domicile.homes.served("eu-central-1").region
        backends = [open_region.backends[name] for name in open_region.backends]
        with open_region.catalog.begin() as connection:
            connection.execute(
                text(
                    "CREATE TABLE naive "
                    "(key text PRIMARY KEY, tenant text, at timestamptz, size int)"
                )
            )
        many = bodies(given.records)
        few = many[: max(given.records // 20, 200)]
        put_many(tenant, few)
        rates = {
            "one by one, 1 thread": rate(lambda: naive(open_region, backends, few, 1), len(few)),
            f"one by one, {THREADS} threads": rate(
                lambda: naive(open_region, backends, few, THREADS), len(few)
            ),
            f"put, {THREADS} threads": rate(lambda: put_each(tenant, many), len(many)),
            "put_many": rate(lambda: put_many(tenant, many), len(many)),
        }
    base = rates[f"one by one, {THREADS} threads"]
    print(
        f"{given.records} records of {SIZE} bytes, two replicas, {given.backends}", file=sys.stdout
    )
    for name, measured in rates.items():
        print(f"  {name:26} {measured:8.0f} records/s   {measured / base:6.1f} x")


if __name__ == "__main__":
    main()
