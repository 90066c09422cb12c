"""A bucket that does more with its objects than keep them gets nothing new."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from io import BytesIO

import pytest
from sqlalchemy import select

from regions.fields import PostureCheck
from storage.catalog import postures, tables
from storage.errors import (
    BackendUnavailable,
    LedgerUnwritten,
    NoOpenBackend,
    PlacementUnsatisfied,
    TooFewReplicas,
)
from storage.evidence.receipts import verify
from storage.ledger.places import may_preserve
from storage.model import (
    DataClass,
    HoldSpec,
    PlacementReason,
    Posture,
    PostureFinding,
    ReplicaState,
    Scope,
)
from storage.policy import Standing
from storage.postures import source_of
from storage.region import OpenRegion
from storage.testing import SERVICE, Call, Domicile
from tests.support.actions import erase, get, is_complete, put_prompt, work
from tests.support.inspect.stored import home, home_of

BAD: Posture = {PostureCheck.REPLICATION: PostureFinding.BAD}
GOOD: Posture = dict.fromkeys(PostureCheck, PostureFinding.OK)


def answer(posture: Posture, _: Call) -> Posture:
    """Return a posture instead of asking the backend."""
    return posture


def stand(domicile: Domicile, **found: Posture) -> None:
    """Give backends a posture, as a new process reads it: ``eu_a=BAD``."""
    for name, posture in found.items():
        domicile.backends[name.replace("_", "-")].inject(partial(answer, posture), "posture")
    domicile.open()


def reasons(domicile: Domicile) -> dict[str, PlacementReason]:
    """Return why each backend of the region takes nothing new."""
    return dict(home(domicile).postures.closed())


def source(domicile: Domicile) -> str:
    """Return what eu-a is known by."""
    return source_of(home(domicile).region.backends[0])


def writes(domicile: Domicile, backend: str) -> list[str]:
    """Return the keys of the objects that were sent to a backend, without controls."""
    calls = domicile.backends[backend].calls
    keys = [key for name, key in calls if name in {"put", "upload", "upload.write"}]
    return [key for key in keys if not key.startswith("canary/")]


def test_nothing_new_goes_to_a_bad_bucket(domicile: Domicile) -> None:
    """No body, no key and no ledger event: they go to the other one, and no copy is forgotten."""
    stand(domicile, eu_a=BAD, eu_b=GOOD)
    t = domicile.tenant()
    record = put_prompt(domicile, "u")
    with home(domicile).catalog.begin() as connection:
        r = tables.replica.c
        query = select(r.last_error).where(r.backend == "eu-a", r.last_error.is_not(None))
        errors = connection.scalars(query)
        assert set(errors) == {"BackendClosed"}  # of the day key, which belongs there too
    t.put_file(BytesIO(os.urandom(3 << 20)), subject="v")
    erase(t, Scope.subject("v"))
    work(domicile, minutes=10)

    assert reasons(domicile) == {"eu-a": PlacementReason.POSTURE_BAD}
    assert writes(domicile, "eu-a") == []
    assert get(t, record) == b"mine"
    explained = {v.backend: v.reason for v in t.explain(record).verdicts}
    assert explained["eu-a"] is PlacementReason.POSTURE_BAD

    stand(domicile, eu_a=GOOD)
    work(domicile, minutes=10)
    stored = {r.backend for r in domicile.store.tenant("acme-eu").explain(record).replicas}
    assert stored == {"eu-a", "eu-b"}  # it gets its replica when it is good again
    assert writes(domicile, "eu-a")


def test_reads_and_deletions_go_on(domicile: Domicile) -> None:
    """A bucket that turns bad keeps nothing longer, and the receipt says what it did."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    t = domicile.tenant()
    put_prompt(domicile, "u")
    kept = put_prompt(domicile, "v")
    erasure = erase(t)
    stand(domicile, eu_a=BAD, eu_b=GOOD)
    domicile.take_down("eu-b")
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), kept) == b"mine"
    domicile.bring_back("eu-b")
    for _ in range(4):
        work(domicile, hours=25)

    assert is_complete(domicile, erasure)
    token = domicile.store.erasure(erasure.id).receipt or ""
    receipt = verify(token, home(domicile).signing.public_key())
    postures = {leaf.backend: leaf.posture for leaf in receipt.leaves}
    assert {name: seen.findings for name, seen in postures.items() if seen} == {
        "eu-a": {PostureCheck.REPLICATION: "bad"},
        "eu-b": {},
    }
    assert all(seen and seen.read <= receipt.absent_since for seen in postures.values())


def test_replication_that_is_switched_on_later(domicile: Domicile) -> None:
    """It is seen before the age of what is known is over. Nothing is sent there after that."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    domicile.tenant()
    put_prompt(domicile, "u")
    domicile.backends["eu-a"].inject(lambda _: BAD, "posture")
    domicile.pass_time(minutes=5, seconds=1)
    before = len(writes(domicile, "eu-a"))
    put_prompt(domicile, "u")

    assert len(writes(domicile, "eu-a")) == before
    assert len(writes(domicile, "eu-b")) > 0


def test_a_stream_stops_at_a_bucket_that_turns_bad(domicile: Domicile) -> None:
    """A long upload looks again before each piece, and ends at the other backend alone."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    t = domicile.tenant()
    sent: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(6):
            if number == 2:
                domicile.backends["eu-a"].inject(lambda _: BAD, "posture")
                domicile.pass_time(minutes=6)
                sent.append(domicile.backends["eu-a"].count("upload.write"))
            yield os.urandom(2 << 20)

    record = t.put_file(chunks(), subject="u").id
    work(domicile, seconds=1)

    assert domicile.backends["eu-a"].count("upload.write") == sent[0]
    stored = [r.backend for r in t.explain(record).replicas if r.state is ReplicaState.STORED]
    assert stored == ["eu-b"]


def hold_on(subject: str) -> HoldSpec:
    """Return a hold on what is about a subject."""
    return HoldSpec(
        "acme-eu",
        Scope.subject(subject),
        matter="m",
        authority="a",
        authority_jurisdiction="EU",
        document="0" * 64,
        issuer="i",
        review=date(2027, 1, 1),
        future=False,
    )


class TestNoOpenBackend:
    def test_writes_erasures_and_holds_refuse_by_name(self, domicile: Domicile) -> None:
        """Nothing has happened, and the error says which buckets, why and what to do."""
        t = domicile.tenant()
        record = put_prompt(domicile, "u")
        before = writes(domicile, "eu-b")
        stand(domicile, eu_a=BAD, eu_b={PostureCheck.INVENTORY: PostureFinding.UNREADABLE})
        t = domicile.store.tenant("acme-eu").bind(SERVICE)

        with pytest.raises(PlacementUnsatisfied, match="eu-b: posture_unreadable"):
            t.put(DataClass.PROMPT, b"x")
        with pytest.raises(NoOpenBackend, match="Nothing was erased") as refused:
            erase(t)
        assert refused.value.closed == {"eu-a": "posture_bad", "eu-b": "posture_unreadable"}
        with pytest.raises(NoOpenBackend, match="The hold was not placed"):
            domicile.store.admin.holds.place(hold_on("u"))
        assert "domicile backend accept" in str(refused.value)
        assert get(t, record) == b"mine"
        assert writes(domicile, "eu-b") == before

    def test_no_key_dies_meanwhile(self, domicile: Domicile) -> None:
        """A hold that is refused now may be about a record that expires now."""
        domicile.tenant()
        put_prompt(domicile, "u")
        stand(domicile, eu_a=BAD, eu_b=BAD)
        for _ in range(3):
            work(domicile, days=20)
        left = {trace.key.split("/")[0] for trace in domicile.backends["eu-a"].inner.scan()}
        assert {"pack", "day_key"} <= left
        status = domicile.store.status().regions
        mine = next(region for region in status if region.region == "eu-central-1")
        assert mine.blocked
        assert mine.overdue_days == 1

        stand(domicile, eu_a=GOOD)
        for _ in range(4):
            work(domicile, days=1)
        left = {trace.key.split("/")[0] for trace in domicile.backends["eu-a"].inner.scan()}
        assert not {"pack", "day_key"} & left

    def test_an_accepted_place_takes_ledger_entries_alone(self, domicile: Domicile) -> None:
        """Erasing goes on to its receipt; what is not a ledger entry is still refused."""
        t = domicile.tenant()
        put_prompt(domicile, "u")
        for _ in range(2):
            work(domicile, hours=25)
        stand(domicile, eu_a=BAD, eu_b=BAD)
        t = domicile.store.tenant("acme-eu").bind(SERVICE)
        accept(domicile, "eu-b")
        before = set(writes(domicile, "eu-b"))
        erasure = erase(t)
        for _ in range(3):
            work(domicile, hours=25)

        assert is_complete(domicile, erasure)
        new = set(writes(domicile, "eu-b")) - before
        assert {key.split("/")[0] for key in new} == {"ledger"}
        with pytest.raises(PlacementUnsatisfied):
            t.put(DataClass.PROMPT, b"x")
        accept(domicile, "eu-b", end=True)
        with pytest.raises(NoOpenBackend):
            erase(t)


def accept(domicile: Domicile, name: str, *, end: bool = False) -> None:
    """Accept a backend for ledger entries, or end that, as an operator does."""
    region = home(domicile)
    with region.catalog.begin() as connection:
        now = region.clock.now()
        if end:
            assert postures.end_acceptance(connection, name, now, actor="ops-2")
        else:
            assert postures.accept(connection, name, now, actor="ops-1", reason="to erase")


def test_processes_share_what_was_read(domicile: Domicile) -> None:
    """One asks the bucket, and the others take its answer; one of fewer questions is not enough."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    asked = domicile.backends["eu-a"]
    with domicile.open_another() as other:
        assert home_of(other).postures.closed() == reasons(domicile) == {}
        begun = asked.count("posture")
        domicile.pass_time(minutes=6)
        for _ in range(2):
            assert home_of(other).postures.closed() == reasons(domicile) == {}
        assert asked.count("posture") == begun + 1

        domicile.pass_time(minutes=6)
        fewer = {PostureCheck.LIFECYCLE: PostureFinding.OK}
        with home(domicile).catalog.begin() as connection:
            postures.note(connection, "eu-a", fewer, domicile.clock.now(), source=source(domicile))
        assert reasons(domicile) == {}
        assert asked.count("posture") == begun + 2


def test_a_clock_that_is_set_back(domicile: Domicile) -> None:
    """A row from after that says nothing about now. It is replaced, so others read it no more."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    region = home(domicile)
    assert reasons(domicile) == {}
    later = domicile.clock.now() + timedelta(hours=3)
    with region.catalog.begin() as connection:
        postures.note(connection, "eu-a", GOOD, later, source=source(domicile))
    domicile.backends["eu-a"].inject(lambda _: BAD, "posture")
    domicile.pass_time(minutes=6)

    assert reasons(domicile) == {"eu-a": PlacementReason.POSTURE_BAD}
    with region.catalog.begin() as connection:
        kept = postures.latest(connection, "eu-a", source(domicile))
    assert kept is not None
    assert kept.findings == BAD
    assert kept.read <= domicile.clock.now()


def test_what_was_read_of_another_bucket(domicile: Domicile) -> None:
    """During a deployment, a name may be two buckets, and older code may judge otherwise."""
    stand(domicile, eu_a=BAD, eu_b=GOOD)
    assert reasons(domicile) == {"eu-a": PlacementReason.POSTURE_BAD}
    domicile.pass_time(minutes=6)
    with home(domicile).catalog.begin() as connection:
        postures.note(connection, "eu-a", GOOD, domicile.clock.now(), source="another")

    assert reasons(domicile) == {"eu-a": PlacementReason.POSTURE_BAD}
    (spec, *_) = home(domicile).region.backends
    moved = spec.model_copy(update={"path": "elsewhere", "posture_attested": None})
    assert source_of(moved) != source_of(spec) == source_of(spec.model_copy())


def test_a_receipt_names_the_posture_that_was_read_last(domicile: Domicile) -> None:
    """By any process: a bucket that does not tell now is not one that has no posture."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    domicile.tenant()
    put_prompt(domicile, "u")
    read = domicile.clock.now()
    domicile.backends["eu-a"].fail_before["posture"] = lambda _: BackendUnavailable("eu-a")
    domicile.open()
    erasure = erase(domicile.store.tenant("acme-eu").bind(SERVICE))
    for _ in range(2):
        work(domicile, hours=25)

    assert is_complete(domicile, erasure)
    token = domicile.store.erasure(erasure.id).receipt or ""
    receipt = verify(token, home(domicile).signing.public_key())
    (seen,) = [leaf.posture for leaf in receipt.leaves if leaf.backend == "eu-a"]
    assert seen is not None
    assert seen.read < read
    assert reasons(domicile) == {"eu-a": PlacementReason.POSTURE_UNKNOWN}


def test_what_another_process_may_not_read(domicile: Domicile) -> None:
    """It has fewer rights. This one reads the bucket itself before it believes that."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    assert reasons(domicile) == {}
    domicile.pass_time(minutes=6)
    refused = dict.fromkeys(PostureCheck, PostureFinding.UNREADABLE)
    with home(domicile).catalog.begin() as connection:
        now = domicile.clock.now()
        postures.note(connection, "eu-a", refused, now, source=source(domicile))

    assert reasons(domicile) == {}


def test_no_key_dies_when_all_agreements_have_ended(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No hold could be placed: it is refused by name, with the reasons of the contracts."""
    domicile.tenant()
    put_prompt(domicile, "u")
    ended = dict.fromkeys(home(domicile).standings(), Standing.ENDED)
    monkeypatch.setattr(OpenRegion, "standings", lambda _: ended)
    for _ in range(3):
        work(domicile, days=20)

    left = {trace.key.split("/")[0] for trace in domicile.backends["eu-a"].inner.scan()}
    assert {"pack", "day_key"} <= left
    with pytest.raises(NoOpenBackend, match="The hold was not placed") as refused:
        domicile.store.admin.holds.place(hold_on("u"))
    assert refused.value.closed == dict.fromkeys(ended, "ended")


def test_an_outage_at_the_start_of_a_process_is_an_outage(domicile: Domicile) -> None:
    """No answer is not a bad answer: what it refuses may be tried again, and then succeeds."""
    stand(domicile, eu_a=GOOD, eu_b=GOOD)
    domicile.tenant()
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].fail_before["posture"] = lambda _: BackendUnavailable("eu")
    domicile.pass_time(minutes=6)
    with domicile.open_another() as other:
        t = other.tenant("acme-eu")
        with pytest.raises(TooFewReplicas, match="eu-a: BackendUnavailable") as refused:
            t.put(DataClass.PROMPT, b"x")
        assert refused.value.retryable
        with pytest.raises(LedgerUnwritten) as unwritten:
            erase(t)
        assert unwritten.value.retryable
        assert not may_preserve(home_of(other))
        for name in ("eu-a", "eu-b"):
            domicile.backends[name].fail_before.clear()
        assert t.put(DataClass.PROMPT, b"x").stored
        erase(t)
