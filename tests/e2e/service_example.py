"""What a service writes: the README shows what stands between the two markers, word for word.

``test_service_example`` runs it, and holds the two together.
"""
# ruff: noqa: B007, B018, E501, E701
# fmt: off

from collections.abc import Iterable
from datetime import date
from typing import BinaryIO

from storage import (
    Capture,
    DataClass,
    Dpa,
    Erasure,
    NewRecord,
    Purpose,
    PutResult,
    Reason,
    RecordId,
    Scope,
    TenantSpec,
    open_store,
)


def serve(
    body: bytes, chunks: Iterable[bytes], records: Iterable[NewRecord], stream: BinaryIO,
    *, start: int, stop: int,
) -> tuple[RecordId, Capture, PutResult, Erasure]:
    """One request after another, with what a service would have at hand."""
    # the example begins
    with open_store() as store:                              # settings from DOMICILE_*; the embedded default without any
        store.admin.tenants.ensure(TenantSpec("acme-eu", account="acme", home="eu-central-1", residency="EU",
                                              service="api", agreements=[Dpa(signed=date(2026, 1, 5))]))    # idempotent
        t = store.tenant("acme-eu")                          # bound once: cross-tenant slips cannot be typed
        p = t.new_id(DataClass.PROMPT, key="req-123")        # the idempotency key
        t.put(DataClass.PROMPT, body, id=p, subject="user-7", group="thread-9", metadata={"model": "m-1"})
        with t.capture(DataClass.COMPLETION, derived_from=[p]) as sink:      # a streamed completion
            for chunk in chunks: sink.write(chunk)
        for result in t.put_many(records): ...               # lazy in and out, bounded, in order; errors per item
        file = t.put_file(stream, filename="train.jsonl")    # constant memory for any size
        t.get(p, purpose=Purpose.SERVE).body
        with t.open(file.id, purpose=Purpose.FINE_TUNE) as f: f.read_range(start, stop)
        t.list(data_class=DataClass.PROMPT, subject="user-7", group="thread-9", after=None, limit=100)
        e = t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST, ticket="T-1")   # also record, group, tenant; store.erase for an account
        store.erasure(e.id)                                  # state, what is left and where, the receipt when complete
    # the example ends
    return p, sink, file, e
