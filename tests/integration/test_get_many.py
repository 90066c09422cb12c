"""Many records are read in one call, in order, and one that fails stops no other."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from storage import (
    AsyncBoundTenant,
    AsyncStore,
    BoundTenant,
    DataClass,
    Erased,
    GetFailure,
    MalformedId,
    NotFound,
    Purpose,
    PurposeRefused,
    Record,
    RecordId,
)
from storage.client.tenant import GET_AHEAD
from storage.testing import Domicile, Gate, wait_at
from tests.support.async_helpers import run_async, wait_for

PROMPT = DataClass.PROMPT
Id = RecordId | str
Ask = Callable[[Domicile, Sequence[Id], Purpose], list[Record | GetFailure]]


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
    ids = stored(domicile.tenant(), 3 * GET_AHEAD)
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


def test_it_reads_no_further_ahead_than_it_says(domicile: Domicile) -> None:
    """Any number of ids may be asked for: what is not taken is not read."""
    tenant, taken = domicile.tenant(), list[RecordId]()
    ids = stored(tenant, 3 * GET_AHEAD)

    records = tenant.get_many(counted(ids, taken), purpose=Purpose.SERVE)
    for n, one in enumerate(records):
        assert one.id == ids[n]
        assert len(taken) <= n + GET_AHEAD + 1
        if n == GET_AHEAD:
            break
    records.close()  # type: ignore[attr-defined]
    assert len(taken) < len(ids)


def test_a_reader_that_leaves_waits_for_nothing_in_vain(domicile: Domicile) -> None:
    """Cancelled while a backend hangs, it leaves no error that nobody looks at."""
    ids, gate = stored(domicile.tenant(), 2 * GET_AHEAD), Gate()

    async def work(_: AsyncStore, t: AsyncBoundTenant) -> None:
        for backend in domicile.backends.values():
            backend.inject(wait_at(gate), "get")

        async def read() -> None:
            async for _ in t.get_many(ids, purpose=Purpose.SERVE):
                pass

        reader = asyncio.create_task(read())
        await wait_for(gate.reached)
        reader.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert (await t.get(ids[0], purpose=Purpose.SERVE)).body == b"0"

    run_async(domicile, work)
