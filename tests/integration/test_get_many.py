"""Many records are read in one call, in order, and one that fails stops no other."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest

from storage import (
    AsyncBoundTenant,
    AsyncStore,
    BoundTenant,
    DataClass,
    Erased,
    Expired,
    GetFailure,
    MalformedId,
    NotFound,
    Purpose,
    PurposeRefused,
    Record,
    RecordId,
)
from storage.testing import Domicile
from tests.support.async_helpers import run_async

PROMPT = DataClass.PROMPT
Id = RecordId | str
Ask = Callable[[Domicile, Iterable[Id], Purpose], list[Record | GetFailure]]


def _blocking(domicile: Domicile, ids: Iterable[Id], purpose: Purpose) -> list[Record | GetFailure]:
    return list(domicile.tenant().get_many(ids, purpose=purpose))


def _async(domicile: Domicile, ids: Iterable[Id], purpose: Purpose) -> list[Record | GetFailure]:
    found: list[Record | GetFailure] = []

    async def work(_: AsyncStore, t: AsyncBoundTenant) -> None:
        found.extend([one async for one in t.get_many(ids, purpose=purpose)])

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
    refused = ask(domicile, ids[:1], Purpose.ABUSE_INVESTIGATION)
    assert [type(one.error) for one in refused if isinstance(one, GetFailure)] == [PurposeRefused]


def counted(ids: Iterable[RecordId], taken: list[RecordId]) -> Iterator[RecordId]:
    """Yield ids, and note them."""
    for one in ids:
        taken.append(one)
        yield one


@both
def test_each_is_decided_when_it_is_asked_for(domicile: Domicile, ask: Ask) -> None:
    """What is erased, or expires, while others are read cannot be read any more."""
    tenant = domicile.tenant()
    ids = stored(tenant, 4)

    def asked() -> Iterator[RecordId]:
        yield from ids[:2]
        tenant.delete(ids[2])
        yield ids[2]
        domicile.clock.advance(timedelta(days=40))
        yield ids[3]

    found = ask(domicile, asked(), Purpose.SERVE)
    kinds = [type(one.error if isinstance(one, GetFailure) else one) for one in found]
    assert kinds == [Record, Record, Erased, Expired]


def test_no_id_is_taken_before_its_record_is_asked_for(domicile: Domicile) -> None:
    """A caller that stops early has read no more than it was given."""
    tenant, taken = domicile.tenant(), list[RecordId]()
    ids = stored(tenant, 3)

    def counted() -> Iterator[RecordId]:
        for one in ids:
            taken.append(one)
            yield one

    records = tenant.get_many(counted(), purpose=Purpose.SERVE)
    for n, one in enumerate(records):
        assert one.id == ids[n]
        assert len(taken) == n + 1
