"""What is counted of a service, and what that costs: a flush at most, never a record."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from storage import AsyncStore, open_store
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.errors import BackendError, Erased, NotFound, TooFewReplicas
from storage.meters import Flush, Load
from storage.model import DataClass, NewRecord, Purpose, PutResult, Reason, Scope
from storage.testing import SERVICE, Domicile, fail, forbid
from storage.watching.instruments import Instruments
from tests.support.actions import put_file

pytestmark = pytest.mark.one_region

PROMPT, SERVE = DataClass.PROMPT, Purpose.SERVE


@dataclass
class Heard:
    """All that a process was told to count."""

    calls: list[tuple[str, str, str | None]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    flushes: list[Flush] = field(default_factory=list)
    failures: list[BackendError] = field(default_factory=list)
    duties: list[str] = field(default_factory=list)
    load: Callable[[], Load] | None = None

    def opened(self, region: str, backends: Iterable[str], load: Callable[[], Load]) -> None:
        self.load = load

    def called(self, region: str, call: str, seconds: float, error: BaseException | None) -> None:
        self.calls.append((region, call, type(error).__name__ if error else None))
        self.seconds.append(seconds)

    def flushed(self, region: str, flush: Flush) -> None:
        self.flushes.append(flush)

    def backend_failed(self, region: str, error: BackendError) -> None:
        self.failures.append(error)

    def worked(self, region: str, duty: str, seconds: float, error: BaseException | None) -> None:
        self.duties.append(duty)

    def told(self) -> Counter[tuple[str, str | None]]:
        """Return how often each call ended, and how."""
        return Counter((call, error) for _, call, error in self.calls)


@contextmanager
def heard(domicile: Domicile) -> Iterator[tuple[Heard, Store, BoundTenant]]:
    """Open the store of a service that counts."""
    domicile.tenant()
    counting = Heard()
    with open_store(
        domicile.settings, meters=counting, dependencies=domicile.dependencies, log=domicile.log
    ) as store:
        yield counting, store, store.tenant("acme-eu").bind(SERVICE)


def test_each_call_is_told_once_with_its_error(domicile: Domicile) -> None:
    """Puts of every kind, reads, ranges and erasures, in the region of the tenant."""
    with heard(domicile) as (counting, _, t):
        put = t.put(PROMPT, b"one").id
        t.submit(NewRecord(PROMPT, b"two")).result()
        with t.capture(PROMPT) as answer:
            answer.write(b"three")
        t.put(PROMPT, bytes(300_000))  # a pack of its own
        file = put_file(domicile, "u")
        assert t.get(put, purpose=SERVE).body == b"one"
        with t.open(file, purpose=SERVE) as opened:
            opened.read_range(0, 2)
        t.erase(Scope.record(put), reason=Reason.CUSTOMER_REQUEST)
        with pytest.raises((Erased, NotFound)):
            t.get(put, purpose=SERVE)
        with pytest.raises(Erased):
            t.put(PROMPT, b"one", id=put)
        domicile.take_down("eu-a", "eu-b")
        with pytest.raises(TooFewReplicas):
            t.put(PROMPT, b"four")

    assert counting.told() == {
        ("put", None): 4,
        ("put", "Erased"): 1,
        ("put", "TooFewReplicas"): 1,
        ("get", None): 1,
        ("get", "Erased"): 1,
        ("range", None): 1,
        ("erase", None): 1,
    }
    assert {region for region, _, _ in counting.calls} == {"eu-central-1"}
    assert all(0 < seconds < 60 for seconds in counting.seconds)


def test_a_bulk_write_is_told_by_flushes_alone(domicile: Domicile) -> None:
    """A thousand records are some flushes, whose records and bytes add up."""
    with heard(domicile) as (counting, _, t):
        many = (NewRecord(PROMPT, b"%04d" % n) for n in range(1000))
        assert all(isinstance(result, PutResult) for result in t.put_many(many))

    assert counting.calls == []
    assert len(counting.flushes) <= 4
    assert sum(flush.records for flush in counting.flushes) == 1000
    assert sum(flush.bytes for flush in counting.flushes) > 4000
    assert all(flush.packs == 1 and flush.seconds > 0 for flush in counting.flushes)


def test_puts_of_an_event_loop_are_told(domicile: Domicile) -> None:
    """Each once, with its error, and their flushes."""

    async def run(store: Store) -> None:
        shared = AsyncStore(store)
        t = await shared.tenant("acme-eu")
        await asyncio.gather(*(t.put(PROMPT, b"%d" % n) for n in range(50)))
        domicile.take_down("eu-a", "eu-b")
        with pytest.raises(TooFewReplicas):
            await t.put(PROMPT, b"last")
        await shared.close()

    with heard(domicile) as (counting, store, _):
        asyncio.run(run(store))
    assert counting.told() == {("put", None): 50, ("put", "TooFewReplicas"): 1}
    assert sum(flush.records for flush in counting.flushes) == 51


def test_a_backend_that_fails_is_told_by_its_error(domicile: Domicile) -> None:
    """A key that is absent is no failure of the backend."""
    with heard(domicile) as (counting, _, t):
        put = t.put(PROMPT, b"one").id
        domicile.backends["eu-a"].inject(fail, "put", times=1)
        domicile.backends["eu-b"].inject(forbid, "put", times=1)
        with pytest.raises(TooFewReplicas):
            t.put(PROMPT, b"two")
        for trace in list(domicile.backends["eu-a"].inner.scan("pack/")):
            domicile.backends["eu-a"].inner.purge(trace.key)
        assert t.get(put, purpose=SERVE).body == b"one"

    told = sorted((error.backend, error.code) for error in counting.failures)
    assert told == [("eu-a", "BackendUnavailable"), ("eu-b", "BackendForbidden")]


def test_what_waits_is_known_at_any_time(domicile: Domicile) -> None:
    """Nothing, when all is written."""
    with heard(domicile) as (counting, _, t):
        t.put(PROMPT, b"one")
        assert counting.load is not None
        load = counting.load()
    assert (load.buffered, load.lanes, load.flushing) == (0, 0, 0)
    assert load.room == domicile.limits.buffer


def test_a_service_gives_its_own_provider(domicile: Domicile) -> None:
    """No instrument of it is global, and each has the version of the code."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    domicile.tenant()
    dependencies = replace(domicile.dependencies, meters=Instruments(provider))
    with open_store(domicile.settings, dependencies=dependencies, log=domicile.log) as store:
        store.tenant("acme-eu").put(PROMPT, b"one")
        found = reader.get_metrics_data()
    provider.shutdown()
    assert found is not None
    scopes = [scope for resource in found.resource_metrics for scope in resource.scope_metrics]
    assert [scope.scope.name for scope in scopes] == ["domicile"]
    names = {metric.name for scope in scopes for metric in scope.metrics}
    assert {"domicile.call.duration", "domicile.flush.records", "domicile.buffer"} <= names
