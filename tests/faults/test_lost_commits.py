"""Connections to the catalog are lost: every answer to a write is true."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import pytest
from sqlalchemy import text

from storage.catalog.refusals import disconnected
from storage.client.tenant import BoundTenant
from storage.errors import (
    CatalogUnavailable,
    DomicileError,
    Erased,
    IdConflict,
    NotFound,
    OutcomeUnknown,
)
from storage.model import DataClass, Erasure, NewRecord, PutFailure, PutResult, RecordId, Scope
from storage.region import Limits
from storage.testing import Domicile
from tests.support.actions import GONE, duty, erase, get, is_complete, packs_on, work
from tests.support.faults.transactions import (
    ANNOUNCING,
    COMMITTING,
    FENCING,
    CatalogFaults,
    Which,
    ran,
)
from tests.support.inspect.stored import home, object_states, orphans, wait_until

pytestmark = pytest.mark.one_region


@pytest.fixture
def domicile_limits() -> Limits:
    """Bulk writes do not linger."""
    return Limits(linger=0.01)


MAKING_A_KEY = ran("INSERT INTO day_key")
USING_A_KEY = ran("UPDATE day_key")


@dataclass(frozen=True)
class Write:
    """A way to store a record."""

    name: str
    data_class: DataClass
    size: int

    def body(self, seed: str = "mine") -> bytes:
        """Return the body. Another ``seed`` gives another one."""
        return (seed.encode() * self.size)[: self.size]

    def put(self, t: BoundTenant, record_id: RecordId, seed: str = "mine") -> PutResult:
        """Store it."""
        if self.data_class is DataClass.FINE_TUNING_FILE:
            return t.put_file(BytesIO(self.body(seed)), id=record_id)
        return t.put(self.data_class, self.body(seed), id=record_id)

    def __str__(self) -> str:
        return self.name


WRITES = [
    Write("small", DataClass.PROMPT, 20),
    Write("large", DataClass.PROMPT, 300_000),
    Write("file", DataClass.FINE_TUNING_FILE, 20),
]
STEP = int(os.environ.get("FAULTS_STEP", "3"))  # 1: a worker is stopped at every statement
LOSSES = ["before", "after", "before and on", "after and on"]


def lose(faults: CatalogFaults, which: Which, loss: str) -> None:
    """Lose the connection before or after the commit. ``on``: no new one can be made."""
    if loss.endswith("on"):
        if loss.startswith("before"):
            faults.at_commit(which, before=faults.vanish)
        else:
            faults.at_commit(which, after=faults.vanish)
    elif loss == "before":
        faults.at_commit(which, before=faults.kill)
    else:
        faults.at_commit(which, after=faults.lose)


def tried(what: Callable[[], object]) -> DomicileError | None:
    """Return the error of the call, or None."""
    try:
        what()
    except DomicileError as error:
        return error
    return None


def check_truth(
    t: BoundTenant, write: Write, record_id: RecordId, said: DomicileError | None
) -> None:
    """Require that the answer to a put is true, and that a repeated put is answered correctly."""
    if said is None:
        assert get(t, record_id) == write.body()
    elif said.outcome == "not_stored":
        assert said.retryable
        with pytest.raises(NotFound):
            get(t, record_id)
    else:
        assert isinstance(said, OutcomeUnknown)
        assert said.record_id == str(record_id)
    assert write.put(t, record_id).id == record_id
    assert get(t, record_id) == write.body()
    with pytest.raises(IdConflict):
        write.put(t, record_id, seed="other")


def check_order(domicile: Domicile, records: int) -> None:
    """Require, after a while, the expected number of packs and no pending work."""
    for _ in range(3):
        work(domicile, hours=1)
    region = home(domicile)
    assert object_states(region) == ({"stored": records} if records else {})
    assert len(packs_on(domicile)) == 2 * records
    assert object_states(region, "file_key").keys() <= {"stored"}
    assert orphans(region) == []


@pytest.mark.parametrize("write", WRITES, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_commit_of_a_put_is_lost(
    domicile: Domicile, faults: CatalogFaults, write: Write, loss: str
) -> None:
    """The caller hears stored, failed or unknown only where that is true."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(write.data_class)
    lose(faults, COMMITTING, loss)
    said = tried(lambda: write.put(t, minted))
    faults.down = False

    expected = {"before": CatalogUnavailable, "after": type(None)}
    assert type(said) is expected.get(loss, OutcomeUnknown)
    assert said is None or disconnected(said)  # the cause is shown
    check_truth(t, write, minted, said)
    check_order(domicile, 2)
    assert get(t, minted) == write.body()


@pytest.mark.parametrize(
    "which", [ANNOUNCING, MAKING_A_KEY, USING_A_KEY], ids=["announcing", "making", "using"]
)
@pytest.mark.parametrize("loss", ["before", "after"])
def test_an_earlier_commit_of_a_put_is_lost(
    domicile: Domicile, faults: CatalogFaults, which: Which, loss: str
) -> None:
    """Nothing is stored, and the caller is told so."""
    t = domicile.tenant()
    minted = t.new_id(DataClass.PROMPT)
    lose(faults, which, loss)
    said = tried(lambda: WRITES[0].put(t, minted))
    faults.down = False

    assert isinstance(said, CatalogUnavailable)
    check_truth(t, WRITES[0], minted, said)
    check_order(domicile, 1)
    assert object_states(home(domicile), "day_key") == {"stored": 1}


def test_what_is_stored_is_not_called_lost_because_it_was_moved(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """Its pack was compacted, purged and pruned before the put looked it up again."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    ids = [t.new_id(DataClass.PROMPT) for _ in range(2)]

    def meanwhile(pid: int) -> None:
        erase(t, Scope.record(ids[0]))
        for hours in (0, 73, 1):
            work(domicile, hours=hours)
        faults.lose(pid)

    faults.at_commit(COMMITTING, after=meanwhile)
    erased, kept = t.put_many(NewRecord(DataClass.PROMPT, b"mine", i) for i in ids)

    assert isinstance(erased, PutFailure)
    assert erased.error.outcome == "unknown"
    assert isinstance(kept, PutResult)
    assert get(t, kept.id) == b"mine"


@pytest.mark.parametrize("loss", ["before", "after"])
def test_an_erasure_while_the_commit_of_a_put_is_lost(
    domicile: Domicile, faults: CatalogFaults, loss: str
) -> None:
    """Whatever the caller hears, the record is unreadable, and goes."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    lose(faults, COMMITTING, loss)
    faults.at_commit(ANNOUNCING, after=lambda _: erasures.append(erase(t)))
    erasures: list[object] = []
    said = tried(lambda: t.put(DataClass.PROMPT, b"mine", id=minted, subject="u"))

    assert said is not None
    with pytest.raises(GONE):
        get(t, minted)
    with pytest.raises(Erased):
        t.put(DataClass.PROMPT, b"mine", id=minted, subject="u")
    check_order(domicile, 1)


@pytest.mark.parametrize("loss", ["before", "after"])
def test_the_commit_of_a_fence_is_lost(
    domicile: Domicile, faults: CatalogFaults, loss: str
) -> None:
    """The caller repeats the call, and every erasure is completed."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    lose(faults, FENCING, loss)
    assert isinstance(tried(lambda: erase(t)), CatalogUnavailable)
    faults.down = False
    erasure = erase(t)

    with pytest.raises(GONE):
        get(t, put.id)
    work(domicile, hours=1)
    assert all(e.receipt for e in domicile.store.erasures("eu-central-1"))
    assert is_complete(domicile, erasure)
    check_order(domicile, 0)


@pytest.mark.parametrize("domicile_limits", [Limits(linger=30, pack_records=40)])  # one pack
def test_a_bulk_insert_loses_its_connection(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """COPY has its own code path, and reports a lost connection in the same way."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    records = [
        NewRecord(DataClass.PROMPT, b"%d" % n, t.new_id(DataClass.PROMPT)) for n in range(40)
    ]
    with home(domicile).catalog.engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE record IN SHARE MODE"))
        putting = aside.submit(lambda: list(t.put_many(records)))
        wait_until(lambda: len(copying(faults)) == 1)
        faults.kill(copying(faults)[0])
    told = putting.result(30)

    assert {type(failed.error) for failed in told if isinstance(failed, PutFailure)} == {
        CatalogUnavailable
    }
    assert len(t.list()) == 1
    assert all(isinstance(result, PutResult) for result in t.put_many(records))
    assert len(t.list()) == 41
    check_order(domicile, 2)


def copying(faults: CatalogFaults) -> list[int]:
    """Return the backends of PostgreSQL whose COPY waits for a lock."""
    query = text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'COPY record%' AND wait_event_type = 'Lock'"
    )
    with faults.other.connect() as connection:
        return list(connection.scalars(query))


# --- at every statement ------------------------------------------------------------------------


def each_statement(
    faults: CatalogFaults, what: Callable[[], object], step: int = 1
) -> Iterable[None]:
    """Repeat ``what``; the connection is lost at its first statement, its second, and so on."""
    number = 1
    while True:
        faults.statements, faults.kill_at = 0, number
        what()
        reached, faults.kill_at = faults.statements >= number, None
        yield
        if not reached:
            return
        number += step


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_put_loses_its_connection_at_any_statement(
    domicile: Domicile, faults: CatalogFaults, write: Write
) -> None:
    """At no statement does a lost connection make the answer false."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    done: list[tuple[RecordId, DomicileError | None]] = []

    def put() -> None:
        minted = t.new_id(write.data_class)
        done.append((minted, tried(lambda: write.put(t, minted))))

    for _ in each_statement(faults, put):
        check_truth(t, write, *done[-1])

    assert len(done) > 10
    assert done[-1][1] is None
    check_order(domicile, 1 + len(done))


def test_a_worker_loses_its_connection_at_any_statement(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """The next round finishes: each deletion is counted once, and there is one receipt."""
    t = domicile.tenant()
    erasures: list[Erasure] = []
    kept: list[RecordId] = []

    def erase_one() -> None:
        subject = f"u{len(kept)}"
        faults.kill_at, number = None, faults.kill_at
        mine, other = t.put_many(
            NewRecord(DataClass.PROMPT, b"%d" % n, subject=s) for n, s in enumerate((subject, None))
        )
        assert isinstance(mine, PutResult)
        assert isinstance(other, PutResult)
        kept.append(other.id)
        erasures.append(erase(t, Scope.subject(subject)))
        faults.statements, faults.kill_at = 0, number
        for name in ("plan", "complete"):
            tried(partial(duty, domicile, name))

    for _ in each_statement(faults, erase_one, step=STEP):
        pass

    for hours in (0, 73, 1):
        work(domicile, hours=hours)
    found = [domicile.store.erasure(e.id) for e in erasures]
    assert len(found) > 24 // STEP
    assert [e.deleted for e in found] == [1] * len(found)
    assert all(e.receipt for e in found)
    assert {get(t, i) for i in kept} == {b"1"}
    check_order(domicile, len(kept))
