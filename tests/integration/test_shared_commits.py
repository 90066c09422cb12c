"""Packs of several tenants that share two commits: each has an outcome of its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import event, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, replica_of
from storage.client.tenant import BoundTenant
from storage.errors import (
    Abandoned,
    BackendUnavailable,
    DomicileError,
    Erased,
    TermsChanged,
    TooFewReplicas,
)
from storage.model import DataClass, NewRecord, PutResult
from storage.objects.keymaking import NewKey, make_keys
from storage.objects.write import abandon
from storage.testing import Call, Domicile
from tests.support.actions import erase, get, is_complete, work
from tests.support.faults.transactions import COMMITTING
from tests.support.inspect.stored import home
from tests.support.stories.single_thread import InOrder

pytestmark = pytest.mark.one_region

NAMES = ("one", "two", "three")
o, r = t.object_.c, t.replica.c


@pytest.fixture
def tenants(domicile: Domicile) -> Iterator[list[BoundTenant]]:
    """Dedicated tenants, with their day keys, whose next records are flushed together."""
    found = [domicile.tenant(name, dedicated=True) for name in NAMES]
    for tenant in found:
        tenant.put(DataClass.PROMPT, b"the day's key")
    writer = domicile.homes.served("eu-central-1").writer
    plain, writer._lanes = writer._lanes, InOrder(writer._lanes)
    yield found
    writer._lanes = plain


def put_together(tenants: list[BoundTenant]) -> list[Future[PutResult]]:
    """Put a record of each, in one flush."""
    futures = [
        tenant.submit(NewRecord(DataClass.PROMPT, tenant.id.encode(), subject="u"))
        for tenant in tenants
    ]
    futures[0].exception()
    assert all(future.done() for future in futures)
    return futures


def answers(futures: list[Future[PutResult]]) -> list[object]:
    """Return what each caller heard: True if it is stored, or the class of the error."""
    return [type(e) if (e := future.exception()) else future.result().stored for future in futures]


def pack_of(domicile: Domicile, tenant: str) -> object:
    """Return the pack of a tenant that is being written."""
    query = select(o.id).where(o.tenant == tenant, o.kind == "pack", o.state == "writing")
    with home(domicile).catalog.begin() as connection:
        return connection.scalar(query)


def owner(domicile: Domicile, key: str) -> str:
    """Return the tenant whose pack has a replica with that key."""
    query = select(o.tenant).join(t.replica, r.object_id == o.id).where(r.id == replica_of(key))
    with home(domicile).catalog.begin() as connection:
        return str(connection.scalar(query))


def during_the_put(domicile: Domicile, happens: Callable[[], object]) -> None:
    """Let something happen once, while the backends take the packs."""
    todo = [happens]

    def once(call: Call) -> object:
        if todo:
            todo.pop()()
        return call.proceed()

    domicile.backends["eu-a"].inject(once, "put", prefix="pack/")


def test_they_share_two_commits(domicile: Domicile, tenants: list[BoundTenant]) -> None:
    """And no pack: each is on its backends with the record of its tenant alone."""
    commits: list[object] = []
    engine = home(domicile).catalog.engine

    def note(connection: object) -> None:
        commits.append(connection)

    event.listen(engine, "commit", note)
    stored = put_together(tenants)
    event.remove(engine, "commit", note)

    assert answers(stored) == [True] * 3
    assert len(commits) == 2
    assert [get(one, f.result().id) for one, f in zip(tenants, stored, strict=True)] == [
        name.encode() for name in NAMES
    ]
    with home(domicile).catalog.begin() as connection:
        rows = connection.execute(select(o.tenant, o.size).where(o.kind == "pack")).all()
    assert sorted(row.tenant for row in rows) == sorted(NAMES * 2)


def test_one_that_is_erased_meanwhile(domicile: Domicile, tenants: list[BoundTenant]) -> None:
    """Its bytes go, and its erasure waits for them; those of the others stay."""
    erasures = []
    during_the_put(domicile, lambda: erasures.append(erase(tenants[1])))

    futures = put_together(tenants)

    assert answers(futures) == [True, Erased, True]
    assert not is_complete(domicile, erasures[0])
    for _ in range(3):
        work(domicile, hours=1)
    assert is_complete(domicile, erasures[0])
    assert get(tenants[2], futures[2].result().id) == b"three"
    receipt = domicile.store.erasure(erasures[0].id)
    with home(domicile).catalog.begin() as connection:
        gone = connection.scalars(select(o.tenant).where(o.state == "gone", o.kind == "pack")).all()
    assert set(gone) <= {"two"}
    assert receipt.state.value == "complete"


def test_one_whose_terms_change(domicile: Domicile, tenants: list[BoundTenant]) -> None:
    """Only its writes were placed by what does not hold any more."""
    shorter = {DataClass.PROMPT: 7}
    during_the_put(domicile, lambda: domicile.tenant("two", dedicated=True, retention=shorter))
    assert answers(put_together(tenants)) == [True, TermsChanged, True]


def test_one_that_is_abandoned(domicile: Domicile, tenants: list[BoundTenant]) -> None:
    """The reaper was first. The others are committed without it, and its row is not there."""

    def reap() -> None:
        with home(domicile).catalog.begin() as connection:
            abandon(home(domicile), connection, pack_of(domicile, "two"))  # type: ignore[arg-type]

    during_the_put(domicile, reap)
    futures = put_together(tenants)

    assert answers(futures) == [True, Abandoned, True]
    assert [len(tenant.list()) for tenant in tenants] == [2, 1, 2]
    assert get(tenants[0], futures[0].result().id) == b"one"


def test_one_that_no_backend_takes(domicile: Domicile, tenants: list[BoundTenant]) -> None:
    """The others are where they belong."""

    def refuse(call: Call) -> object:
        if owner(domicile, call.key) == "two":
            raise BackendUnavailable("eu", "full")
        return call.proceed()

    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(refuse, "put", prefix="pack/")
    assert answers(put_together(tenants)) == [True, TooFewReplicas, True]


def test_one_that_is_stored_already(tenants: list[BoundTenant]) -> None:
    """Its caller has the answer of the first call, and needs no pack."""
    new = NewRecord(DataClass.PROMPT, b"twice", tenants[1].new_id(DataClass.PROMPT))
    tenants[1].submit(new).result()
    futures = [
        tenants[0].submit(NewRecord(DataClass.PROMPT, b"other")),
        tenants[1].submit(new),
    ]
    futures[0].exception()
    assert answers(futures) == [True, True]
    assert futures[1].result().id == new.id


@pytest.mark.parametrize("loss", ["before", "after"])
def test_the_answer_to_their_commit_is_lost(
    domicile: Domicile, tenants: list[BoundTenant], loss: str
) -> None:
    """Each caller hears what the catalog says of its own record."""
    with domicile.catalog_faults() as faults:
        if loss == "before":
            faults.at_commit(COMMITTING, before=faults.kill)
        else:
            faults.at_commit(COMMITTING, after=faults.lose)
        futures = put_together(tenants)
    stored = [len(tenant.list()) == 2 for tenant in tenants]
    assert stored == [loss == "after"] * 3
    assert [f.exception() is None for f in futures] == stored


def day_key(domicile: Domicile, name: str, *, stale: bool = False) -> NewKey:
    """Return a day key that a tenant wants; ``stale``: by terms that it has no more."""
    with_terms = domicile.homes.find(name)[1]
    terms = replace(with_terms, version=with_terms.version - 1) if stale else with_terms
    slot = (date(2026, 3, 20), -1, name)
    backends = ("eu-a", "eu-b")
    return NewKey(ObjectKind.DAY_KEY, backends, 1, name, terms, slot)


def test_keys_that_are_made_together_are_objects_of_their_own(
    domicile: Domicile, tenants: list[BoundTenant]
) -> None:
    """Each is erased alone. One whose terms changed, or that no backend takes, is not made."""

    def refuse(call: Call) -> object:
        if owner(domicile, call.key) == "three":
            raise BackendUnavailable("eu", "full")
        return call.proceed()

    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(refuse, "put", prefix="day_key/")
    domicile.homes.served("eu-central-1").writer._ensure_day(date(2026, 3, 20))
    wanted = [day_key(domicile, "one"), day_key(domicile, "two", stale=True)]
    made = make_keys(home(domicile), [*wanted, day_key(domicile, "three")])
    again = make_keys(home(domicile), [day_key(domicile, "one")])

    assert [type(each) for each in made] == [tuple, TermsChanged, TooFewReplicas]
    assert not isinstance(made[0], DomicileError)
    assert again == [(made[0][0], None)]  # the first one is used
    with home(domicile).catalog.begin() as connection:
        query = select(o.tenant).where(o.id == made[0][0])
        assert connection.scalars(query).all() == ["one"]


def test_callers_that_wait_for_keys_have_them_made_together(domicile: Domicile) -> None:
    """Not one after the other, with two commits each."""
    names = [f"t{n}" for n in range(12)]
    tenants = [domicile.tenant(name, dedicated=True) for name in names]
    first = domicile.tenant("first", dedicated=True)
    announced: list[object] = []
    waiting = len(names)
    keys = domicile.homes.served("eu-central-1").keys

    def hold(call: Call) -> object:
        if owner(domicile, call.key) == "first":
            while len(keys._queue) < waiting:
                pass
        return call.proceed()

    domicile.backends["eu-a"].inject(hold, "put", prefix="day_key/")
    engine = home(domicile).catalog.engine

    def note(*given: object) -> None:
        if "INSERT INTO day_key" in str(given[2]):
            announced.append(given)

    event.listen(engine, "before_cursor_execute", note)
    with ThreadPoolExecutor(waiting + 1) as pool:
        results = list(
            pool.map(lambda tenant: tenant.put(DataClass.PROMPT, b"mine"), [first, *tenants])
        )
    event.remove(engine, "before_cursor_execute", note)
    assert all(result.stored for result in results)
    assert len(announced) <= 3
