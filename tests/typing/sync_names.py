"""The types of the sync API. Nothing runs: ``make lint`` checks this file."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from io import BytesIO
from typing import assert_type
from uuid import UUID

from storage import (
    AccountErasure,
    Actor,
    ActorKind,
    BoundTenant,
    Capture,
    Copy,
    Count,
    DataClass,
    DomicileError,
    Erasure,
    ErasureState,
    Explanation,
    GetFailure,
    HandedOver,
    NewRecord,
    OpenFile,
    OutcomeUnknown,
    Outstanding,
    Page,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    Record,
    RecordId,
    RecordInfo,
    Refused,
    Replica,
    Scope,
    Settings,
    Store,
    StoreHealth,
    StoreStatus,
    Tenant,
    TenantSpec,
    TooFewReplicas,
    Verdict,
    WrongRegion,
    open_store,
)


def opening(settings: Settings) -> None:
    """Open a store with settings, or with those of the environment."""
    opened: AbstractContextManager[Store] = open_store()
    with opened as store:
        assert_type(store, Store)
    with open_store(settings) as store:
        assert_type(store, Store)


def operating(store: Store, spec: TenantSpec, erasure_id: UUID) -> None:
    """The operators' methods."""
    assert_type(store.tenant("acme-eu"), Tenant)
    service = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")
    assert_type(store.tenant("acme-eu").bind(service), BoundTenant)
    assert_type(store.admin.tenants.ensure(spec), None)
    assert_type(store.admin.tenants.remove("acme-eu"), None)
    assert_type(store.admin.tenants.get("acme-eu"), TenantSpec)
    assert_type(store.admin.tenants.list("eu-central-1", after="a", limit=9), Sequence[TenantSpec])
    assert_type(
        store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END, ticket="T-1"),
        AccountErasure,
    )
    assert_type(store.erasure(erasure_id), Erasure)
    assert_type(store.erasure("0199c9d3-0000-7000-8000-000000000000"), Erasure)
    assert_type(store.erasures("eu-central-1", after=erasure_id, limit=9), list[Erasure])
    assert_type(store.status(), StoreStatus)
    assert_type(store.health(), StoreHealth)
    processors = store.admin.processors
    assert_type(processors.copies("eu-central-1", processor="klarblick"), Sequence[Copy])
    assert_type(processors.attest(erasure_id, digest=bytes(32), actor="a"), Copy)


def writing(t: Tenant, p: RecordId, text: str, record: NewRecord) -> None:
    """Ids are accepted as RecordId and as text."""
    assert_type(t.new_id(DataClass.PROMPT), RecordId)
    assert_type(t.new_id(DataClass.PROMPT, key="req-123"), RecordId)
    assert_type(t.put(DataClass.PROMPT, b""), PutResult)
    put = t.put(
        DataClass.PROMPT,
        b"",
        id=p,
        subject="u",
        group="g",
        metadata={"a": [1]},
        derived_from=[p, text],
    )
    assert_type(put, PutResult)
    assert_type(t.submit(record), Future[PutResult])
    for result in t.put_many([record]):
        assert_type(result, PutResult | PutFailure)
    assert_type(t.put_many(iter([record])), Iterator[PutResult | PutFailure])
    assert_type(t.put_file(BytesIO(), filename="a", id=text, metadata={}), PutResult)
    assert_type(t.put_file([b"a"], subject="u"), PutResult)
    with t.capture(DataClass.COMPLETION, id=p, derived_from=(p,)) as sink:
        assert_type(sink, Capture)
        assert_type(sink.id, RecordId)
    assert_type(sink.result, PutResult | None)
    assert_type(sink.failure, DomicileError | None)


def reading(t: BoundTenant, p: RecordId, text: str) -> None:
    """Reads and erasures."""
    assert_type(t.get(p, purpose=Purpose.SERVE), Record)
    assert_type(t.get(text, purpose=Purpose.SERVE).body, bytes)
    assert_type(t.get(p, purpose=Purpose.SERVE).metadata, Mapping[str, object])
    with t.open(p, purpose=Purpose.SERVE) as file:
        assert_type(file, OpenFile)
        assert_type(file.read_range(0, 9), bytes)
        assert_type(file.chunks(9), Iterator[bytes])
        assert_type((file.size, file.info), tuple[int, RecordInfo])
    found = t.list(data_class=DataClass.PROMPT, subject="u", group="g", after=text, limit=9)
    assert_type(found, Page)
    assert_type((found[0], found.has_more, found.cursor), tuple[RecordInfo, bool, RecordId | None])
    assert_type(t.count(group="g", most=9), Count)
    assert_type(t.head(text), RecordInfo)
    assert_type(t.exists(p), bool)
    assert_type(t.update_metadata(text, {}, version=0), int)
    assert_type(t.export(text, purpose=Purpose.SERVE), Iterator[bytes])
    assert_type(t.list(purpose=Purpose.SERVE)[0].listed, Mapping[str, object])
    assert_type(t.get_many([p, text], purpose=Purpose.SERVE), Sequence[Record | GetFailure])
    assert_type(t.delete(text), Erasure)
    assert_type(t.explain(p), Explanation)
    assert_type(t.hand_over(p, "klarblick"), HandedOver)
    assert_type(t.hand_over(text, "klarblick").content, bytes | None)
    assert_type(t.erase(Scope.record(p), reason=Reason.SUBJECT_REQUEST, ticket="T-1"), Erasure)


def values(
    put: PutResult, info: RecordInfo, why: Explanation, erasure: Erasure, failed: PutFailure
) -> None:
    """The fields of results."""
    assert_type((put.id, put.stored, put.deadline), tuple[RecordId, bool, datetime | None])
    assert_type((info.size, info.written, info.incomplete), tuple[int, datetime, bool])
    assert_type((why.verdicts, why.replicas), tuple[tuple[Verdict, ...], tuple[Replica, ...]])
    assert_type((erasure.state, erasure.receipt), tuple[ErasureState, str | None])
    assert_type(erasure.outstanding, tuple[Outstanding, ...])
    assert_type((failed.id, failed.error), tuple[RecordId | None, DomicileError])


def failures(t: Tenant) -> None:
    """The attributes of errors."""
    try:
        t.put(DataClass.PROMPT, b"")
    except WrongRegion as error:
        assert_type(error.home, str)
    except Refused as error:
        assert_type(error.reasons, tuple[str, ...])
    except OutcomeUnknown as error:
        assert_type(error.record_id, str)
    except TooFewReplicas as error:
        assert_type(error.failures, dict[str, str])
    except DomicileError as error:
        assert_type((error.retryable, error.message, error.advice), tuple[bool, str, str])


def mistakes(unbound: Tenant, t: BoundTenant, record: NewRecord, p: RecordId) -> None:
    """Mistakes that the type checker must report. An unused ignore is an error too."""
    t.put("prompt", b"")  # type: ignore[arg-type]
    t.put(DataClass.PROMPT, "text")  # type: ignore[arg-type]
    t.put(DataClass.PROMPT, b"", p)  # type: ignore[call-arg]
    t.put(DataClass.PROMPT, b"", subject=b"u")  # type: ignore[arg-type]
    t.put_many([b""])  # type: ignore[list-item]
    unbound.get(p, purpose=Purpose.SERVE)  # type: ignore[attr-defined]
    unbound.bind("me")  # type: ignore[arg-type]
    t.get(p)  # type: ignore[call-arg]
    t.get(p, purpose="serve")  # type: ignore[arg-type]
    t.list(subject=7)  # type: ignore[arg-type]
    t.erase(Scope.tenant())  # type: ignore[call-arg]
    t.erase("user-7", reason=Reason.SUBJECT_REQUEST)  # type: ignore[arg-type]
    t.put(DataClass.PROMPT, b"", tenant="other")  # type: ignore[call-arg]
    record.body = b""  # type: ignore[misc]
    p.day = None  # type: ignore[misc]
