"""The types of the async API. Nothing runs: ``make lint`` checks this file."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from io import BytesIO
from typing import assert_type
from uuid import UUID

from storage import (
    AccountErasure,
    AsyncBoundTenant,
    AsyncCapture,
    AsyncOpenFile,
    AsyncStore,
    AsyncTenant,
    Count,
    DataClass,
    DomicileError,
    Erasure,
    Explanation,
    GetFailure,
    HandedOver,
    NewRecord,
    Page,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    Record,
    RecordId,
    RecordInfo,
    Scope,
    Settings,
    Store,
    StoreHealth,
    StoreStatus,
    TenantSpec,
    open_async_store,
)


class Upload:
    """A file with an async ``read``."""

    async def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        return b"" * size


async def opening(settings: Settings, store: Store) -> None:
    """Open an async store, or wrap an open store."""
    assert_type(open_async_store(settings), AbstractAsyncContextManager[AsyncStore])
    async with open_async_store() as opened:
        assert_type(opened, AsyncStore)
    async with AsyncStore(store) as around:
        assert_type(around, AsyncStore)


async def operating(store: AsyncStore, spec: TenantSpec, erasure_id: UUID) -> None:
    """The operators' methods."""
    assert_type(await store.tenant("acme-eu"), AsyncTenant)
    assert_type(await store.admin.tenants.ensure(spec), None)
    assert_type(await store.admin.tenants.remove("acme-eu"), None)
    assert_type(await store.admin.tenants.get("acme-eu"), TenantSpec)
    assert_type(await store.admin.tenants.list("eu-central-1", limit=9), Sequence[TenantSpec])
    assert_type(
        await store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END), AccountErasure
    )
    assert_type(await store.erasure(erasure_id), Erasure)
    assert_type(await store.erasures("eu-central-1", after=erasure_id), list[Erasure])
    assert_type(await store.status(), StoreStatus)
    assert_type(await store.health(), StoreHealth)


async def writing(
    t: AsyncTenant, p: RecordId, record: NewRecord, chunks: AsyncIterable[bytes]
) -> None:
    """Sources may be async or not."""
    assert_type(await t.new_id(DataClass.PROMPT, key="req-123"), RecordId)
    assert_type(await t.put(DataClass.PROMPT, b"", id=p, derived_from=[p, str(p)]), PutResult)
    results = t.put_many([record])
    assert_type(results, AsyncGenerator[PutResult | PutFailure, None])
    async with aclosing(t.put_many(many(record))) as results:
        async for result in results:
            assert_type(result, PutResult | PutFailure)
    assert_type(await t.put_file(chunks, filename="a"), PutResult)
    assert_type(await t.put_file(Upload(), subject="u"), PutResult)
    assert_type(await t.put_file(BytesIO(), metadata={}), PutResult)
    assert_type(await t.put_file([b"a"]), PutResult)
    async with t.capture(DataClass.COMPLETION, derived_from=[p]) as sink:
        assert_type(sink, AsyncCapture)
        assert_type(await sink.write(b""), None)
    assert_type((sink.id, sink.result), tuple[RecordId, PutResult | None])
    assert_type(sink.failure, DomicileError | None)


async def many(record: NewRecord) -> AsyncGenerator[NewRecord, None]:
    """Yield records asynchronously."""
    yield record


async def reading(t: AsyncBoundTenant, p: RecordId) -> None:
    """Reads and erasures."""
    assert_type(await t.get(str(p), purpose=Purpose.SERVE), Record)
    async with t.open(p, purpose=Purpose.SERVE) as file:
        assert_type(file, AsyncOpenFile)
        assert_type(await file.read_range(0, 9), bytes)
        assert_type(file.chunks(9), AsyncGenerator[bytes, None])
        assert_type((file.size, file.info), tuple[int, RecordInfo])
        assert_type(file.metadata, Mapping[str, object])
    assert_type(await t.list(data_class=DataClass.PROMPT, limit=9), Page)
    assert_type(await t.count(group="g", most=9), Count)
    assert_type(await t.head(str(p)), RecordInfo)
    assert_type(await t.exists(str(p)), bool)
    assert_type(await t.update_metadata(str(p), {}, version=0), int)
    async for piece in t.export(str(p), purpose=Purpose.SERVE):
        assert_type(piece, bytes)
    for one in await t.get_many([str(p)], purpose=Purpose.SERVE):
        assert_type(one, Record | GetFailure)
    assert_type(await t.delete(str(p)), Erasure)
    assert_type(await t.explain(p), Explanation)
    assert_type(await t.hand_over(p, "klarblick"), HandedOver)
    assert_type(await t.erase(Scope.tenant(), reason=Reason.CONTRACT_END, ticket="T-1"), Erasure)


async def mistakes(t: AsyncBoundTenant, p: RecordId, texts: AsyncIterable[str]) -> None:
    """Mistakes that the type checker must report. An unused ignore is an error too."""
    t.get(p, purpose=Purpose.SERVE).body  # type: ignore[attr-defined]  # noqa: B018
    await t.put("prompt", b"")  # type: ignore[arg-type]
    await t.put_file(texts)  # type: ignore[arg-type]
    t.put_many(texts)  # type: ignore[arg-type]
    with t.capture(DataClass.COMPLETION):  # type: ignore[attr-defined]
        pass
