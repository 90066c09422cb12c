"""Each bad argument raises one clear error that shows no value, and leaves nothing."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from io import BytesIO

import pytest

from storage import (
    BodyTooLarge,
    BoundTenant,
    Capture,
    DataClass,
    DomicileError,
    InvalidRequest,
    LineageConflict,
    MalformedId,
    MetadataTooLarge,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    RecordId,
    Scope,
    UnknownClass,
)
from storage.testing import Domicile
from tests.support.inspect.rows import all_state, ill_typed
from tests.support.refusals import PLANTED, SURROGATE

PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE


# Bad arguments, by what is called. Each is refused with one clear error, and leaves nothing behind.

Act = Callable[[BoundTenant], object]
ID = RecordId.mint(
    PROMPT,
    "eu-central-1",
    datetime(2026, 3, 1, 12, tzinfo=UTC),
    date(2026, 3, 30),
    tenant="acme-eu",
    entropy=bytes,
)
NO_ID = f"prompt.eu-central-1.{PLANTED}"

BAD_RECORDS: dict[str, tuple[type[DomicileError], Callable[[], NewRecord]]] = {
    "a class that is text": (UnknownClass, lambda: NewRecord(ill_typed("prompt"), b"")),
    "no class": (UnknownClass, lambda: NewRecord(ill_typed(None), b"")),
    "a body that is text": (InvalidRequest, lambda: NewRecord(PROMPT, ill_typed(PLANTED))),
    "a body that is None": (InvalidRequest, lambda: NewRecord(PROMPT, ill_typed(None))),
    "a body over 16 MiB": (BodyTooLarge, lambda: NewRecord(PROMPT, bytes(16 * 1024 * 1024 + 1))),
    "an id of another class": (InvalidRequest, lambda: NewRecord(COMPLETION, b"", ID)),
    "an empty subject": (InvalidRequest, lambda: NewRecord(PROMPT, b"", subject="")),
    "a subject in bytes": (InvalidRequest, lambda: NewRecord(PROMPT, b"", subject=ill_typed(b"u"))),
    "a subject that is no text": (
        InvalidRequest,
        lambda: NewRecord(PROMPT, b"", subject=SURROGATE),
    ),
    "an empty group": (InvalidRequest, lambda: NewRecord(PROMPT, b"", group="")),
    "a group that is a number": (
        InvalidRequest,
        lambda: NewRecord(PROMPT, b"", group=ill_typed(9)),
    ),
    "metadata in a list": (InvalidRequest, lambda: NewRecord(PROMPT, b"", metadata=ill_typed([]))),
    "metadata that is text": (
        InvalidRequest,
        lambda: NewRecord(PROMPT, b"", metadata=ill_typed(PLANTED)),
    ),
    "metadata that is no JSON": (
        InvalidRequest,
        lambda: NewRecord(PROMPT, b"", metadata={PLANTED: {PLANTED}}),
    ),
    "metadata over 4 KiB": (
        MetadataTooLarge,
        lambda: NewRecord(PROMPT, b"", metadata={"a": PLANTED * 200}),
    ),
    "a parent that is not there": (
        LineageConflict,
        lambda: NewRecord(PROMPT, b"", derived_from=(ID,)),
    ),
}

BAD_IDS: dict[str, object] = {
    "malformed": NO_ID,
    "empty": "",
    "None": None,
    "a number": 7,
    "bytes": str(ID).encode(),
    "with another region's name": str(ID).replace("eu-central-1", f"{PLANTED}!"),
}

BAD_CALLS: dict[str, tuple[type[DomicileError], Act]] = {
    "put, one parent in place of a list": (
        MalformedId,
        lambda t: t.put(PROMPT, b"", derived_from=str(ID)),
    ),
    "put, no parents": (
        MalformedId,
        lambda t: t.put(PROMPT, b"", derived_from=ill_typed(None)),
    ),
    "submit, an id as text": (
        MalformedId,
        lambda t: t.submit(NewRecord(PROMPT, b"", ill_typed(str(ID)))),
    ),
    "submit, parents as text": (
        MalformedId,
        lambda t: t.submit(NewRecord(PROMPT, b"", derived_from=(ill_typed(str(ID)),))),
    ),
    "submit, no record": (
        InvalidRequest,
        lambda t: t.submit(ill_typed({"body": PLANTED})),
    ),
    "new_id, class": (UnknownClass, lambda t: t.new_id(ill_typed("prompt"))),
    "new_id, empty key": (InvalidRequest, lambda t: t.new_id(PROMPT, key="")),
    "new_id, key": (InvalidRequest, lambda t: t.new_id(PROMPT, key=ill_typed(7))),
    "new_id, key that is no text": (InvalidRequest, lambda t: t.new_id(PROMPT, key=SURROGATE)),
    "put_many, nothing to iterate": (
        InvalidRequest,
        lambda t: list(t.put_many(ill_typed(None))),
    ),
    "put_file, bytes": (InvalidRequest, lambda t: t.put_file(ill_typed(b"text"))),
    "put_file, a path": (InvalidRequest, lambda t: t.put_file(ill_typed("train.jsonl"))),
    "put_file, nothing": (InvalidRequest, lambda t: t.put_file(ill_typed(None))),
    "put_file, empty name": (InvalidRequest, lambda t: t.put_file(BytesIO(), filename="")),
    "put_file, name": (InvalidRequest, lambda t: t.put_file(BytesIO(), filename=ill_typed(b"a"))),
    "put_file, metadata": (
        InvalidRequest,
        lambda t: t.put_file(BytesIO(), filename="a", metadata=ill_typed([])),
    ),
    "put_file, a long name": (
        MetadataTooLarge,
        lambda t: t.put_file(BytesIO(), filename=PLANTED * 200),
    ),
    "put_file, an id of a prompt": (InvalidRequest, lambda t: t.put_file(BytesIO(), id=ID)),
    "get, purpose": (InvalidRequest, lambda t: t.get(ID, purpose=ill_typed("serve"))),
    "open, purpose": (InvalidRequest, lambda t: t.open(ID, purpose=ill_typed(None))),
    "list, no limit": (InvalidRequest, lambda t: t.list(limit=0)),
    "list, a high limit": (InvalidRequest, lambda t: t.list(limit=1001)),
    "list, limit": (InvalidRequest, lambda t: t.list(limit=ill_typed("9"))),
    "list, True": (InvalidRequest, lambda t: t.list(limit=True)),
    "list, class": (UnknownClass, lambda t: t.list(data_class=ill_typed("prompt"))),
    "list, empty subject": (InvalidRequest, lambda t: t.list(subject="")),
    "list, empty group": (InvalidRequest, lambda t: t.list(group="")),
    "list, after": (MalformedId, lambda t: t.list(after=NO_ID)),
    "erase, no scope": (
        InvalidRequest,
        lambda t: t.erase(ill_typed("user-7"), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, a kind that is text": (
        InvalidRequest,
        lambda t: t.erase(Scope(ill_typed("tenant")), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, nobody": (
        InvalidRequest,
        lambda t: t.erase(Scope.subject(""), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, subject": (
        InvalidRequest,
        lambda t: t.erase(Scope.subject(ill_typed(None)), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, no group": (
        InvalidRequest,
        lambda t: t.erase(Scope.group(""), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, a malformed id": (
        MalformedId,
        lambda t: t.erase(Scope.record(NO_ID), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase, an account": (
        InvalidRequest,
        lambda t: t.erase(Scope.account("acme"), reason=Reason.CONTRACT_END),
    ),
    "erase, reason": (
        InvalidRequest,
        lambda t: t.erase(Scope.tenant(), reason=ill_typed("contract_end")),
    ),
    "erase, empty ticket": (
        InvalidRequest,
        lambda t: t.erase(Scope.tenant(), reason=Reason.CONTRACT_END, ticket=""),
    ),
    "erase, ticket with a null": (
        InvalidRequest,
        lambda t: t.erase(Scope.tenant(), reason=Reason.CONTRACT_END, ticket=f"{PLANTED}\0"),
    ),
    "erase, long ticket": (
        InvalidRequest,
        lambda t: t.erase(Scope.tenant(), reason=Reason.CONTRACT_END, ticket=PLANTED * 20),
    ),
}


def cases() -> Iterator[object]:
    """All bad arguments; those of a record through each way to write it."""
    for name, (error, make) in BAD_RECORDS.items():
        yield pytest.param(error, lambda t, m=make: t.submit(m()).result(), id=f"submit, {name}")
        yield pytest.param(error, lambda t, m=make: put(t, m()), id=f"put, {name}")
        if "body" not in name and "parent" not in name:
            yield pytest.param(error, lambda t, m=make: capture(t, m()), id=f"capture, {name}")
    for name, bad in BAD_IDS.items():
        acts: dict[str, Act] = {
            "get": lambda t, i=bad: t.get(i, purpose=Purpose.SERVE),  # type: ignore[misc]
            "open": lambda t, i=bad: t.open(i, purpose=Purpose.SERVE),  # type: ignore[misc]
            "explain": lambda t, i=bad: t.explain(i),  # type: ignore[misc]
            "put, parent": lambda t, i=bad: t.put(PROMPT, b"", derived_from=[i]),  # type: ignore[misc]
            "capture, parent": lambda t, i=bad: t.capture(PROMPT, derived_from=[i]),  # type: ignore[misc]
        }
        for act, call in acts.items():
            yield pytest.param(MalformedId, call, id=f"{act}, an id that is {name}")
        if bad is not None:
            writes: dict[str, Act] = {
                "put": lambda t, i=bad: t.put(PROMPT, b"", id=i),  # type: ignore[misc]
                "put_file": lambda t, i=bad: t.put_file(BytesIO(b""), id=i),  # type: ignore[misc]
                "capture": lambda t, i=bad: t.capture(PROMPT, id=i),  # type: ignore[misc]
                "list": lambda t, i=bad: t.list(after=i),  # type: ignore[misc]
            }
            for act, call in writes.items():
                yield pytest.param(MalformedId, call, id=f"{act}, an id that is {name}")
    for name, (error, call) in BAD_CALLS.items():
        yield pytest.param(error, call, id=name)


def put(t: BoundTenant, new: NewRecord) -> PutResult:
    """Call ``put`` with the parts of a record."""
    return t.put(
        new.data_class,
        new.body,
        id=new.id,
        subject=new.subject,
        group=new.group,
        metadata=new.metadata,
        derived_from=new.derived_from,
    )


def capture(t: BoundTenant, new: NewRecord) -> Capture:
    """Call ``capture`` with the parts of a record, without entering the block."""
    return t.capture(
        new.data_class,
        id=new.id,
        subject=new.subject,
        group=new.group,
        metadata=new.metadata,
        derived_from=new.derived_from,
    )


def test_bad_arguments_are_refused_and_leave_nothing(
    domicile: Domicile, subtests: pytest.Subtests
) -> None:
    """The error is a DomicileError, not retryable, shows no value, and nothing was done."""
    t = domicile.tenant()
    t.put(PROMPT, b"the day has its key")
    before = all_state(domicile)
    for case in cases():
        error, call = case.values  # type: ignore[attr-defined]
        with subtests.test(msg=case.id):  # type: ignore[attr-defined]
            with pytest.raises(DomicileError) as caught:
                call(t)

            assert caught.type is error
            assert not caught.value.retryable
            assert caught.value.outcome == "not_stored"
            assert PLANTED not in f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"
    assert all_state(domicile) == before


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_one_bad_record_of_many_fails_alone(domicile: Domicile, name: str) -> None:
    """The bad record yields a PutFailure in its place; its neighbours are stored."""
    error, make = BAD_RECORDS[name]
    t = domicile.tenant()
    good = NewRecord(PROMPT, b"good")

    before, bad, after = t.put_many([good, make(), good])

    assert isinstance(bad, PutFailure)
    assert type(bad.error) is error
    assert [isinstance(result, PutResult) for result in (before, after)] == [True, True]
