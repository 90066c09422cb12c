"""What a service with an event loop writes. ``test_service_example`` runs it."""

from collections.abc import AsyncIterable
from datetime import date

from storage import (
    Actor,
    ActorKind,
    AsyncCapture,
    DataClass,
    Dpa,
    Erasure,
    FineTuning,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    RecordId,
    Scope,
    TenantSpec,
    open_async_store,
)


async def serve(
    body: bytes,
    chunks: AsyncIterable[bytes],
    records: AsyncIterable[NewRecord],
    stream: AsyncIterable[bytes],
) -> tuple[RecordId, AsyncCapture, PutResult, Erasure, list[PutResult | PutFailure]]:
    """One request after another, with what a service would have at hand."""
    spec = TenantSpec(
        "acme-async",
        account="acme",
        home="eu-central-1",
        residency="EU",
        agreements=[Dpa(signed=date(2026, 1, 5))],
    )
    async with open_async_store() as store:
        await store.admin.tenants.ensure(spec)
        service = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")
        t = (await store.tenant("acme-async")).bind(service)
        p = await t.new_id(DataClass.PROMPT, key="req-123")
        await t.put(DataClass.PROMPT, body, id=p, subject="user-7", group="thread-9")
        async with t.capture(DataClass.COMPLETION, derived_from=[p]) as sink:
            async for chunk in chunks:
                await sink.write(chunk)
        results = [result async for result in t.put_many(records)]
        file = await t.put_file(stream, filename="train.jsonl")
        await t.get(p, purpose=Purpose.SERVE)
        await t.models.add("async-summaries", by="ann")
        job = FineTuning("job-1", "async-summaries")
        async with t.open(file.id, purpose=Purpose.FINE_TUNE, tuning=job) as f:
            await f.read_range(0, 100)
        await t.list(data_class=DataClass.PROMPT, subject="user-7", group="thread-9")
        e = await t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST, ticket="T-1")
        await store.erasure(e.id)
    return p, sink, file, e, results
