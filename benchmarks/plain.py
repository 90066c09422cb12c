"""What a team writes that has no Domicile: boto3 and a commit per record, or rows of bytes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, LiteralString, TypeVar
from uuid import uuid4

import psycopg

from benchmarks.setting import Bench

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

THREADS = (1, 8, 32)
BATCHES = (500, 4000)
Item = TypeVar("Item")


def spread_over(threads: int, items: Sequence[Item], work: Callable[[Item], object]) -> list[float]:
    """Do work for each item from some threads. Return how long each took, in seconds."""

    def some(share: Sequence[Item]) -> list[float]:
        took = []
        for item in share:
            began = perf_counter()
            work(item)
            took.append(perf_counter() - began)
        return took

    with ThreadPoolExecutor(threads) as pool:
        shares = [items[n::threads] for n in range(threads)]
        return [one for some_took in pool.map(some, shares) for one in some_took]


class Plain:
    """A client of S3 and a connection for each thread, all kept alive."""

    def __init__(self, bench: Bench, threads: int) -> None:
        """Connect before anything is measured."""
        self.s3: S3Client = bench.s3(threads)
        self.buckets = bench.buckets
        self._free = [psycopg.connect(bench.url, autocommit=True) for _ in range(threads)]

    def close(self) -> None:
        """Close all."""
        for link in self._free:
            link.close()
        self.s3.close()

    @contextmanager
    def link(self) -> Iterator[psycopg.Connection]:
        """Lend a connection."""
        link = self._free.pop()
        try:
            yield link
        finally:
            self._free.append(link)

    def execute(self, query: LiteralString, *values: object) -> tuple[object, ...] | None:
        """Run one statement, which commits. Return its first row."""
        with self.link() as link:
            cursor = link.execute(query, values)
            return cursor.fetchone() if cursor.description else None

    def put(self, body: bytes) -> str:
        """One PUT per replica, then one row and one commit. Return the key."""
        key = f"plain/{uuid4().hex}"
        for bucket in self.buckets:
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.execute("INSERT INTO plain VALUES (%s, 'acme', now(), %s)", key, len(body))
        return key

    def get(self, key: str) -> bytes:
        """One look at the row, then one GET."""
        found = self.execute("SELECT tenant, at FROM plain WHERE key = %s", key)
        assert found is not None
        return self.s3.get_object(Bucket=self.buckets[0], Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        """One DELETE per replica, then that of the row and one commit."""
        for bucket in self.buckets:
            self.s3.delete_object(Bucket=bucket, Key=key)
        self.execute("DELETE FROM plain WHERE key = %s", key)


@contextmanager
def plain(bench: Bench, threads: int) -> Iterator[Plain]:
    """Open what some threads need, and close it."""
    made = Plain(bench, threads)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def plains(bench: Bench) -> Iterator[Mapping[int, Plain]]:
    """Open what each number of threads needs that a user would try."""
    with ExitStack() as stack:
        yield {threads: stack.enter_context(plain(bench, threads)) for threads in THREADS}


def ways(
    sides: Mapping[int, Plain],
    items: Sequence[Item],
    work: Callable[[Plain], Callable[[Item], object]],
) -> list[Callable[[], object]]:
    """Return the ways to do work for each item: one for each number of threads."""
    return [partial(spread_over, n, items, work(side)) for n, side in sides.items()]


def copies(bench: Bench, bodies: Sequence[bytes]) -> Iterable[Callable[[], object]]:
    """Return the ways to write records as rows: one COPY and one commit per batch."""
    return [partial(_copy, bench, batch, bodies) for batch in BATCHES]


def _copy(bench: Bench, batch: int, bodies: Sequence[bytes]) -> None:
    with psycopg.connect(bench.url) as link, link.cursor() as cursor:
        for start in range(0, len(bodies), batch):
            with cursor.copy("COPY bytes (id, tenant, at, body) FROM STDIN") as copy:
                for body in bodies[start : start + batch]:
                    copy.write_row((uuid4(), "acme", "now", body))
            link.commit()
