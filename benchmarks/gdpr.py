"""GDPRbench's workloads on Domicile, beside bare PostgreSQL with and without indexes.

Shastri et al., VLDB 2020. What each operation is here: docs/gdprbench.md. Directories with fsync
as backends, PostgreSQL with fsync, one server for both sides. Each workload runs for some seconds
on each side, in turns, from as many threads.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from queue import Queue
from random import Random
from typing import LiteralString, Protocol

import psycopg

from benchmarks.setting import CHAT, HOME, TENANT, Bench, on_directories
from storage.errors import DomicileError
from storage.model import (
    DataClass,
    Erasure,
    NewRecord,
    Purpose,
    PutResult,
    Reason,
    RecordId,
    Scope,
)

THREADS, PAGE, SIZE = 8, 100, 100
PURPOSES, USERS = 25, 10_000
_LOGGED = "INSERT INTO gdpr_log (k) VALUES (0)"
Operations = Mapping[str, int]
WORKLOADS: Mapping[str, Operations] = {  # percent, by the name of a method of a side
    "controller": {"insert": 25, "delete": 25, "update_purpose": 25, "update_user": 25},
    "customer": {
        "read": 20,
        "read_purpose": 10,
        "read_user": 10,
        "update": 20,
        "update_purpose": 10,
        "update_user": 10,
        "delete": 20,
    },
    "processor": {"read": 20, "read_purpose": 40, "read_user": 40},
    "regulator": {"metadata_user": 46, "logs": 31, "verify": 23},
}


class Side(Protocol):
    """What the operations are done on. ``n``: the number of a record."""

    def read(self, n: int) -> object: ...
    def read_purpose(self, n: int) -> object: ...
    def read_user(self, n: int) -> object: ...
    def metadata_user(self, n: int) -> object: ...
    def insert(self, n: int) -> object: ...
    def update(self, n: int) -> object: ...
    def update_purpose(self, n: int) -> object: ...
    def update_user(self, n: int) -> object: ...
    def delete(self, n: int) -> object: ...
    def logs(self, n: int) -> object: ...
    def verify(self, n: int) -> object: ...


class Ours:
    """User is subject, purpose is group. What is read of many records is a page of them."""

    def __init__(self, bench: Bench, records: int) -> None:
        """Store the records."""
        self._store, self._tenant = bench.store, bench.store.tenant(TENANT).bind(CHAT)
        self._ids: list[RecordId] = []
        self._erasures: list[Erasure] = []
        for result in self._tenant.put_many(_record(n) for n in range(records)):
            assert isinstance(result, PutResult)
            assert result.id is not None
            self._ids.append(result.id)
        self.delete(0)

    def read(self, n: int) -> object:
        return self._tenant.get(self._ids[n], purpose=Purpose.SERVE)

    def read_purpose(self, n: int) -> object:
        infos = self._tenant.list(group=f"purpose-{n % PURPOSES}", limit=PAGE)
        return self._tenant.get_many((info.id for info in infos), purpose=Purpose.SERVE)

    def read_user(self, n: int) -> object:
        infos = self._tenant.list(subject=f"user-{n % USERS}", limit=PAGE)
        return self._tenant.get_many((info.id for info in infos), purpose=Purpose.SERVE)

    def metadata_user(self, n: int) -> object:
        return self._tenant.list(subject=f"user-{n % USERS}", limit=PAGE)

    def insert(self, n: int) -> object:
        new = _record(n)
        return self._tenant.put(
            new.data_class, new.body, subject=new.subject, group=new.group, metadata=new.metadata
        )

    def update(self, n: int) -> object:
        """A record is never changed: another one is stored, and this one is erased."""
        self.insert(n)
        return self.delete(n)

    def update_purpose(self, n: int) -> object:
        return self._withdraw(None)

    def update_user(self, n: int) -> object:
        return self._withdraw(f"user-{n % USERS}")

    def _withdraw(self, subject: str | None) -> object:
        return self._store.consents.withdraw(
            TENANT,
            classes=[DataClass.PROMPT],
            purposes=[Purpose.TRAIN],
            by="b",
            subject=subject,
        )

    def delete(self, n: int) -> object:
        scope = Scope.record(self._ids[n])
        self._erasures.append(self._tenant.erase(scope, reason=Reason.SUBJECT_REQUEST))
        return None

    def logs(self, n: int) -> object:
        return self._store.admin.log.lines(HOME, limit=PAGE)

    def verify(self, n: int) -> object:
        return self._store.erasure(self._erasures[n % len(self._erasures)].id)


def _record(n: int) -> NewRecord:
    more = {"ttl": n % 10, "decision": n % 2, "acl": n % 10, "source": n % 10, "category": n % 10}
    body = b"%0*d" % (SIZE, n)
    user, purpose = f"user-{n % USERS}", f"purpose-{n % PURPOSES}"
    return NewRecord(DataClass.PROMPT, body, subject=user, group=purpose, metadata=more)


class Bare:
    """A table, and a row of a log for each change: nothing else is promised."""

    def __init__(self, url: str, name: str, records: int, *, indexed: bool) -> None:
        """Store the records."""
        self._links = Queue[psycopg.Connection]()
        for _ in range(THREADS):
            self._links.put(psycopg.connect(url, autocommit=True))
        self._sql: Callable[[str], LiteralString] = lambda text: text.replace("gdpr", name)
        self._do(
            "CREATE TABLE gdpr (key int PRIMARY KEY, data text, purpose text, usr text, ttl int,"
            " objections text, decision int, acl int, sharing int, source int, category int);"
            "CREATE TABLE gdpr_log (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), k int)"
        )
        self._do(
            "INSERT INTO gdpr SELECT n, lpad(n::text, 100, '0'), 'purpose-' || n %% 25,"
            " 'user-' || n %% 10000, n %% 10, n %% 100, n %% 2, n %% 10, n %% 10, n %% 10, n %% 10"
            " FROM generate_series(0, %s - 1) n",
            records,
        )
        if indexed:
            self._do("CREATE INDEX ON gdpr (purpose); CREATE INDEX ON gdpr (usr)")
        self._do("ANALYZE gdpr")

    def _do(self, query: str, *values: object) -> list[tuple[object, ...]]:
        link = self._links.get()
        try:
            cursor = link.execute(self._sql(query), values or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            self._links.put(link)

    def close(self) -> None:
        """Close the connections."""
        for _ in range(THREADS):
            self._links.get().close()

    def _change(self, query: str, *values: object) -> object:
        """Change and log. Changes of many rows meet in different orders: try again, as users do."""
        while True:
            try:
                return self._do(f"WITH done AS ({query}) {_LOGGED}", *values)
            except psycopg.errors.DeadlockDetected:
                continue

    def read(self, n: int) -> object:
        return self._do("SELECT * FROM gdpr WHERE key = %s", n)

    def read_purpose(self, n: int) -> object:
        purpose = f"purpose-{n % PURPOSES}"
        return self._do("SELECT * FROM gdpr WHERE purpose = %s ORDER BY key LIMIT 100", purpose)

    def read_user(self, n: int) -> object:
        return self._do("SELECT * FROM gdpr WHERE usr = %s LIMIT 100", f"user-{n % USERS}")

    def metadata_user(self, n: int) -> object:
        return self._do("SELECT key, purpose, ttl FROM gdpr WHERE usr = %s", f"user-{n % USERS}")

    def insert(self, n: int) -> object:
        key = (time.monotonic_ns() // 1000) % 2_000_000_000
        return self._change(
            "INSERT INTO gdpr (key, data, purpose, usr) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            *(key, "x" * SIZE, f"purpose-{n % PURPOSES}", f"user-{n % USERS}"),
        )

    def update(self, n: int) -> object:
        return self._change("UPDATE gdpr SET data = %s WHERE key = %s", "y" * SIZE, n)

    def update_purpose(self, n: int) -> object:
        purpose = f"purpose-{n % PURPOSES}"
        return self._change("UPDATE gdpr SET objections = 'o' WHERE purpose = %s", purpose)

    def update_user(self, n: int) -> object:
        user = f"user-{n % USERS}"
        return self._change("UPDATE gdpr SET objections = 'o' WHERE usr = %s", user)

    def delete(self, n: int) -> object:
        return self._change("DELETE FROM gdpr WHERE key = %s", n)

    def logs(self, n: int) -> object:
        return self._do("SELECT * FROM gdpr_log ORDER BY id DESC LIMIT 100")

    def verify(self, n: int) -> object:
        return self._do("SELECT count(*) FROM gdpr WHERE key = %s", n)


def drawn(workload: str, records: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield operations and the numbers of records: zipfian for customers, otherwise uniform."""
    chance, shares = Random(seed), WORKLOADS[workload]
    names, weights = list(shares), list(accumulate(shares.values()))
    zipf = list(accumulate(1 / (n + 1) ** 0.99 for n in range(records)))
    numbers = range(records)
    while True:
        name = chance.choices(names, cum_weights=weights)[0]
        if workload == "customer":
            yield name, chance.choices(numbers, cum_weights=zipf)[0]
        else:
            yield name, chance.randrange(records)


def rate(side: Side, workload: str, records: int, seconds: float, seed: int) -> float:
    """Return operations a second. What was erased before is not found: that is an answer too."""
    until, done = time.perf_counter() + seconds, [0] * THREADS

    def work(thread: int) -> None:
        for name, number in drawn(workload, records, seed * THREADS + thread):
            if time.perf_counter() > until:
                return
            try:
                getattr(side, name)(number)
            except DomicileError as error:
                if error.code not in ("Erased", "NotFound"):
                    raise
            done[thread] += 1

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    return sum(done) / (time.perf_counter() - began)


@contextmanager
def sides(bench: Bench, records: int) -> Iterator[Mapping[str, Side]]:
    """Store the records on each side."""
    indexed = Bare(bench.url, "gdpr_indexed", records, indexed=True)
    bare = Bare(bench.url, "gdpr_bare", records, indexed=False)
    yield {"ours": Ours(bench, records), "indexed": indexed, "bare": bare}
    indexed.close()
    bare.close()


def run(bench: Bench, records: int, seconds: float, rounds: int) -> None:
    """Measure in turns, and print a table."""
    print(f"{records:,} records, {THREADS} threads; operations a second, medians of {rounds}")
    print(
        f"{'':14}{'ours':>10}{'indexed':>10}{'bare':>10}"
        f"{'of indexed':>13}{'of bare':>10}  goals met"
    )
    with sides(bench, records) as found:
        for workload in WORKLOADS:
            rates: dict[str, list[float]] = {name: [] for name in found}
            for number in range(rounds):
                for name, side in found.items():
                    rates[name].append(rate(side, workload, records, seconds, number))
            print(_line(workload, rates), flush=True)


def _line(workload: str, rates: Mapping[str, Sequence[float]]) -> str:
    ours, indexed, bare = (statistics.median(rates[n]) for n in ("ours", "indexed", "bare"))
    met = f"{'yes' if ours >= 0.5 * indexed else 'no'}, {'yes' if ours >= 3 * bare else 'no'}"
    return (
        f"{workload:14}{ours:10,.0f}{indexed:10,.0f}{bare:10,.0f}"
        f"{ours / indexed:12.2f}x{ours / bare:9.2f}x  {met}"
    )


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="*", default=[100_000])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    for records in given.records:
        with on_directories(given.directory, "gdpr") as bench:
            run(bench, records, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
