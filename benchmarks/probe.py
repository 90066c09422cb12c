"""The same few requests, measured again and again while something else grows."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.cost import Meter
from benchmarks.ours import of_subject
from benchmarks.results import Cost, percentile
from benchmarks.setting import CHAT, bodies_of
from storage.client.tenant import BoundTenant, Tenant
from storage.model import DataClass, NewRecord, Purpose, PutResult, Reason, Scope

STEADY = "steady"  # a subject with a page of records, which gets no more
PAGE = 100
KINDS = ("put_many", "get", "list", "erase")


@dataclass(frozen=True)
class Counts:
    """How many of each kind in a round, and how many rounds."""

    put_many: int = 5_000
    get: int = 200
    list: int = 20
    erase: int = 5
    rounds: int = 3

    def of(self, kind: str) -> int:
        """Return how many of a kind."""
        return int(getattr(self, kind))


@dataclass(frozen=True)
class Sample:
    """One round of a kind: what one request cost, and how long the median and the 99th % took."""

    cost: Cost
    median: float
    p99: float

    @property
    def processor(self) -> float:
        """Seconds of the processor, of the clients and PostgreSQL."""
        return self.cost.ours + self.cost.postgres


def prepare(tenant: Tenant) -> list[str]:
    """Store what is read later. Return ids."""
    of_subject(tenant, STEADY, PAGE)
    return [str(one) for one in of_subject(tenant, "read", PAGE)]


def order(kind: str, counts: Counts, ids: Sequence[str], name: str) -> dict[str, Any]:
    """Return what ``took`` does. ``name``: of subjects that no other order has."""
    return {"kind": kind, "count": counts.of(kind), "ids": list(ids), "name": name}


def ready(tenant: Tenant, order: dict[str, Any]) -> None:
    """Store what an order is about, before it is measured."""
    if order["kind"] == "erase":
        named = (NewRecord(DataClass.PROMPT, b"x", subject=name) for name in _names(order))
        for result in tenant.put_many(named):
            assert isinstance(result, PutResult), result


def took(tenant: Tenant, order: dict[str, Any]) -> list[float]:
    """Do what is ordered, and return the seconds that each request took.

    Of ``put_many``: how long each record took from its caller's hands until it was durable.
    """
    bound, ids = tenant.bind(CHAT), order["ids"]
    match order["kind"]:
        case "put_many":
            return _written(bound, order["count"])
        case "get":
            some = (ids[n % len(ids)] for n in range(order["count"]))
            return _timed(partial(bound.get, one, purpose=Purpose.SERVE) for one in some)
        case "list":
            ask = partial(bound.list, subject=STEADY, limit=PAGE)
            return _timed(ask for _ in range(order["count"]))
        case "erase":
            return _timed(_erasing(bound, name) for name in _names(order))
        case other:
            raise ValueError(other)


def _names(order: dict[str, Any]) -> list[str]:
    return [f"gone-{order['name']}-{n}" for n in range(order["count"])]


def _erasing(bound: BoundTenant, name: str) -> Callable[[], object]:
    return partial(bound.erase, Scope.subject(name), reason=Reason.SUBJECT_REQUEST)


def _written(bound: BoundTenant, count: int) -> list[float]:
    began, bodies, found = list[float](), bodies_of(min(count, 1000)), list[float]()

    def given() -> Iterator[NewRecord]:
        for n in range(count):
            began.append(time.perf_counter())
            yield NewRecord(DataClass.PROMPT, bodies[n % len(bodies)], subject=f"user-{n % 999}")

    for n, result in enumerate(bound.put_many(given())):
        assert isinstance(result, PutResult), result
        found.append(time.perf_counter() - began[n])
    return found


def _timed(calls: Iterator[Callable[[], object]]) -> list[float]:
    found = []
    for call in calls:
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found


def sample(cost: Cost, seconds: Sequence[float]) -> Sample:
    """Return what a round came to."""
    return Sample(cost, percentile(seconds, 0.5), percentile(seconds, 0.99))


def in_process(meter: Meter, tenant: Tenant, asked: dict[str, Any]) -> Sample:
    """Measure an order in this process."""
    found: list[float] = []
    ready(tenant, asked)
    cost = meter.measure(lambda: found.extend(took(tenant, asked)), asked["count"])
    return sample(cost, found)
