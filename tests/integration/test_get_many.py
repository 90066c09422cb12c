"""Many records are read in one call, in order, and one that fails stops no other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain, repeat

import pytest

from storage import (
    AnswerFull,
    AsyncBoundTenant,
    AsyncStore,
    BackendError,
    BackendUnavailable,
    BoundTenant,
    DataClass,
    Erased,
    Expired,
    GetFailure,
    InvalidRequest,
    MalformedId,
    NewRecord,
    NotFound,
    Purpose,
    PutResult,
    Record,
    RecordId,
    Unavailable,
)
from storage.testing import INVESTIGATOR, Domicile
from tests.support.async_helpers import run_async

PROMPT, EU = DataClass.PROMPT, ("eu-a", "eu-b")
Id = RecordId | str
Ask = Callable[[Domicile, Iterable[Id], Purpose], list[Record | GetFailure]]


def _blocking(domicile: Domicile, ids: Iterable[Id], purpose: Purpose) -> list[Record | GetFailure]:
    return list(domicile.tenant().get_many(ids, purpose=purpose))


def _async(domicile: Domicile, ids: Iterable[Id], purpose: Purpose) -> list[Record | GetFailure]:
    found: list[Record | GetFailure] = []

    async def work(_: AsyncStore, t: AsyncBoundTenant) -> None:
        found.extend(await t.get_many(ids, purpose=purpose))

    run_async(domicile, work)
    return found


both = pytest.mark.parametrize("ask", [_blocking, _async])


def stored(tenant: BoundTenant, count: int) -> list[RecordId]:
    """Store records whose bodies are their numbers."""
    return [tenant.put(PROMPT, b"%d" % n).id for n in range(count)]


@both
def test_each_id_gets_its_own_record(domicile: Domicile, ask: Ask) -> None:
    """In the order of the ids, one that is asked for twice as well."""
    ids = stored(domicile.tenant(), 12)
    asked: list[Id] = [*reversed(ids), ids[5], str(ids[7])]

    found = ask(domicile, asked, Purpose.SERVE)

    bodies = [b"%d" % ids.index(RecordId.parse(str(i))) for i in asked]
    assert [one.body for one in found if isinstance(one, Record)] == bodies
    assert ask(domicile, [], Purpose.SERVE) == []


@both
def test_what_fails_is_told_in_its_place(domicile: Domicile, ask: Ask) -> None:
    """As ``get`` would, and the others are read."""
    tenant = domicile.tenant()
    ids = stored(tenant, 4)
    tenant.delete(ids[1])
    asked: list[Id] = [ids[0], ids[1], "no id", tenant.new_id(PROMPT), ids[3]]

    found = ask(domicile, asked, Purpose.SERVE)

    kinds = [type(one.error if isinstance(one, GetFailure) else one) for one in found]
    assert kinds == [Record, Erased, MalformedId, NotFound, Record]
    assert [one.id for one in found] == asked


def test_all_are_decided_after_the_call_began(domicile: Domicile) -> None:
    """What is erased, or expires, while the ids are made cannot be read any more."""
    tenant = domicile.tenant()
    ids = stored(tenant, 4)

    def asked() -> Iterator[RecordId]:
        yield from ids[:2]
        tenant.delete(ids[1])
        yield from ids[2:]

    found = tenant.get_many(asked(), purpose=Purpose.SERVE)
    assert [type(one) for one in found] == [Record, GetFailure, Record, Record]
    domicile.clock.advance(timedelta(days=40))
    kinds = [type(one.error) for one in tenant.get_many(ids, purpose=Purpose.SERVE)]  # type: ignore[union-attr]
    assert kinds == [Expired, Erased, Expired, Expired]


def test_an_id_of_another_class_or_day_finds_nothing(domicile: Domicile) -> None:
    """Also beside the right one, in either order."""
    tenant = domicile.tenant()
    (known,) = stored(tenant, 1)
    assert known.day is not None
    others = [
        replace(known, data_class=DataClass.COMPLETION),
        replace(known, day=known.day + timedelta(days=1)),
        replace(known, day=None, data_class=DataClass.FINE_TUNING_FILE),
    ]
    for other in others:
        for asked in ([known, other], [other, known], [other]):
            found = dict(zip(asked, tenant.get_many(asked, purpose=Purpose.SERVE), strict=True))
            assert all(isinstance(found[i], Record) is (i is known) for i in asked)


def test_another_tenant_reads_nothing(domicile: Domicile) -> None:
    """Whatever ids it has."""
    ids = stored(domicile.tenant(), 3)
    found = domicile.tenant("other").get_many(ids, purpose=Purpose.SERVE)

    assert [type(one.error) for one in found if isinstance(one, GetFailure)] == [NotFound] * 3


def test_neighbours_are_read_with_few_requests(domicile: Domicile) -> None:
    """A hundred records of a pack: one look at the catalog, one GET."""
    tenant = domicile.tenant()
    records = [NewRecord(PROMPT, b"%d" % n, metadata={"n": n}) for n in range(100)]
    ids = [one.id for one in tenant.put_many(records) if isinstance(one, PutResult)]
    tenant.get(ids[0], purpose=Purpose.SERVE)  # now it has the key
    backends = [domicile.backends[name] for name in ("eu-a", "eu-b")]
    before = sum(backend.count("get") for backend in backends)

    found = tenant.get_many(ids, purpose=Purpose.SERVE)

    assert [one.metadata["n"] for one in found if isinstance(one, Record)] == list(range(100))
    assert sum(backend.count("get") for backend in backends) - before <= 2


def test_large_and_small_ones_are_read_together(domicile: Domicile) -> None:
    """Files and streamed bodies too."""
    tenant = domicile.tenant()
    bodies = [b"x" * 3_000_000, b"small", b"y" * 300_000, b""]
    ids = [tenant.put(PROMPT, body).id for body in bodies]
    ids.append(tenant.put_file([b"line"] * 1000).id)

    found = tenant.get_many(ids, purpose=Purpose.SERVE)
    assert [one.body for one in found if isinstance(one, Record)] == [*bodies, b"line" * 1000]


def test_more_than_fits_is_told(domicile: Domicile) -> None:
    """What does not fit comes with the next call; a single record always fits."""
    tenant = domicile.tenant()
    ids = [tenant.put(PROMPT, bytes([n]) * 15_000_000).id for n in range(5)]

    found = tenant.get_many(ids, purpose=Purpose.SERVE)

    assert [type(one) for one in found] == [Record] * 4 + [GetFailure]
    assert isinstance(found[-1].error, AnswerFull)  # type: ignore[union-attr]
    (last,) = tenant.get_many(
        [one.id for one in found if isinstance(one, GetFailure)], purpose=Purpose.SERVE
    )
    assert isinstance(last, Record)


def test_a_file_that_is_larger_than_an_answer_is_read(domicile: Domicile) -> None:
    """If it is asked for first: another call would not help."""
    tenant = domicile.tenant()
    file = tenant.put_file([bytes(1_000_000)] * 70).id

    (found,) = tenant.get_many([file], purpose=Purpose.SERVE)
    assert isinstance(found, Record)
    assert len(found.body) == 70_000_000


def test_too_many_are_refused(domicile: Domicile) -> None:
    """Before anything is read, and before all are made."""
    tenant = domicile.tenant()
    (one,) = stored(tenant, 1)
    with pytest.raises(InvalidRequest, match="more than 1000"):
        tenant.get_many(repeat(one), purpose=Purpose.SERVE)
    assert len(tenant.get_many([one] * 1000, purpose=Purpose.SERVE)) == 1000


def test_a_replica_that_fails_is_passed_over(domicile: Domicile) -> None:
    """As for ``get``: bad bytes and a backend that is down; only the good replica is shown."""
    tenant = domicile.tenant()
    records = [NewRecord(PROMPT, b"%d" % n) for n in range(20)]
    ids = [one.id for one in tenant.put_many(records) if isinstance(one, PutResult)]
    for name in ("eu-a", "eu-b"):
        domicile.take_down(name)
        found = tenant.get_many(ids, purpose=Purpose.SERVE)
        assert [one.body for one in found if isinstance(one, Record)] == [
            b"%d" % n for n in range(20)
        ]
        domicile.bring_back(name)


@both
def test_what_is_noted_is_read_one_by_one(domicile: Domicile, ask: Ask) -> None:
    """By people, and for every other purpose."""
    ids = stored(domicile.tenant(), 1)
    for purpose in set(Purpose) - {Purpose.SERVE}:
        with pytest.raises(InvalidRequest, match="Get each"):
            ask(domicile, ids, purpose)
    person = domicile.tenant().bind(INVESTIGATOR)
    with pytest.raises(InvalidRequest, match="Get each"):
        person.get_many(ids, purpose=Purpose.SERVE)


def test_what_ends_while_others_are_read_is_not_given(domicile: Domicile) -> None:
    """Its permit is looked at again when all are there."""
    tenant = domicile.tenant()
    until = domicile.clock.now() + timedelta(hours=1)
    short = tenant.put(PROMPT, b"short", readable_until=until).id
    (other,) = stored(tenant, 1)
    tenant.get(short, purpose=Purpose.SERVE)
    its = {key for name in EU for called, key in domicile.backends[name].calls if called == "get"}
    others = list[str]()

    def fail_at_first(key: str) -> BackendError | None:
        if key not in its:
            others.append(key)
            if len(others) == 1:
                return BackendUnavailable("eu-a")
            domicile.clock.advance(timedelta(hours=1))
        return None

    for name in EU:
        domicile.backends[name].fail_before["get"] = fail_at_first

    found = tenant.get_many([short, other], purpose=Purpose.SERVE)
    assert [type(one) for one in found] == [GetFailure, Record]


def test_a_call_has_an_end(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read in its time is told, and the call returns."""
    tenant = domicile.tenant()
    ids = stored(tenant, 2)
    times = chain([0.0], repeat(30.0))  # seconds: the beginning, and the end
    monkeypatch.setattr("storage.packs.many.monotonic", partial(next, times))

    found = tenant.get_many(ids, purpose=Purpose.SERVE)
    assert [type(one.error) for one in found if isinstance(one, GetFailure)] == [Unavailable] * 2
