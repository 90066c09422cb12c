"""Legal holds: no path destroys what is under one; after the release, deferred work resumes."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from storage.client.tenant import Tenant
from storage.errors import (
    Erased,
    Expired,
    HoldRefused,
    InvalidRequest,
    NotFound,
    PurposeRefused,
    TooFewReplicas,
)
from storage.model import (
    DataClass,
    ErasureState,
    NewRecord,
    PutResult,
    Reason,
    RecordId,
    Scope,
)
from storage.testing import Domicile
from tests.support.actions import erase, get, is_complete, packs_on, work
from tests.support.holds import (
    SOON,
    confirm,
    held_records,
    open_held,
    place_hold,
    release_holds,
    relocated,
    stored_keys,
)
from tests.support.inspect.stored import backends_with, ciphertexts, home, object_states, orphans


def put(t: Tenant, body: bytes, **more: object) -> RecordId:
    """Put a prompt, about the subject ``u`` by default."""
    return t.put(DataClass.PROMPT, body, **({"subject": "u"} | more)).id  # type: ignore[arg-type]


def together(t: Tenant, *names: str) -> list[RecordId]:
    """Put a pack of prompts, one for each subject."""
    results = t.put_many(NewRecord(DataClass.PROMPT, n.encode(), subject=n) for n in names)
    return [r.id for r in results if isinstance(r, PutResult)]


def rest(domicile: Domicile) -> None:
    """Let time pass until all pending work is done."""
    for hours in (0, 1, 73, 1, 1):
        work(domicile, hours=hours)


# --- erasure -----------------------------------------------------------------------------------


def test_what_is_held_survives_an_erasure_and_goes_when_it_is_released(domicile: Domicile) -> None:
    """It is hidden from its owner at once, deferred, and erased after the release by itself."""
    t = domicile.tenant()
    mine, other = put(t, b"mine"), put(t, b"other", subject="v")
    samples = ciphertexts(domicile, mine, other)
    placed = place_hold(domicile)
    assert placed.records == 1

    erasure = erase(t)
    with pytest.raises(Erased):
        get(t, mine)
    rest(domicile)
    known = domicile.store.erasure(erasure.id)
    assert (known.state, known.deleted, known.receipt) == (ErasureState.DEFERRED, 0, None)
    assert [(d.hold, d.records, d.until) for d in known.deferred] == [(placed.hold.id, 1, None)]
    assert backends_with(domicile, samples[0]) == {"eu-a", "eu-b"}
    assert open_held(domicile, placed, mine) == b"mine"
    assert [info.id for info in t.list()] == [other]

    release_holds(domicile, placed)
    rest(domicile)
    done = domicile.store.erasure(erasure.id)
    assert (done.state, done.deleted) == (ErasureState.COMPLETE, 1)
    assert done.deferred[0].until is not None
    assert backends_with(domicile, samples[0]) == set()
    assert get(t, other) == b"other"


def test_what_no_hold_covers_is_erased_meanwhile(domicile: Domicile) -> None:
    """The pack is compacted: the held range stays, the other bytes go."""
    t = domicile.tenant()
    first = put(t, b"first", group="one")
    both = [
        NewRecord(DataClass.PROMPT, b"held", subject="u", group="one"),
        NewRecord(DataClass.PROMPT, b"gone", subject="u", group="two"),
    ]
    held, gone = (r.id for r in t.put_many(both) if isinstance(r, PutResult))
    kept_bytes, gone_bytes = ciphertexts(domicile, held, gone)
    placed = place_hold(domicile, Scope.group("one"))

    erasure = erase(t)
    rest(domicile)

    assert domicile.store.erasure(erasure.id).deleted == 1
    assert not is_complete(domicile, erasure)
    assert backends_with(domicile, gone_bytes) == set()
    assert backends_with(domicile, kept_bytes) == {"eu-a", "eu-b"}
    assert held_records(domicile, placed) == {first, held}
    assert open_held(domicile, placed, held) == b"held"
    assert orphans(home(domicile)) == []


def test_overlapping_holds_keep_until_the_last_is_released(domicile: Domicile) -> None:
    """A release changes nothing for records that another hold covers too."""
    t = domicile.tenant()
    mine = put(t, b"mine", group="g")
    (sample,) = ciphertexts(domicile, mine)
    first, second = place_hold(domicile), place_hold(domicile, Scope.group("g"))
    erasure = erase(t)
    rest(domicile)

    release_holds(domicile, first)
    rest(domicile)
    now = domicile.store.erasure(erasure.id)
    assert now.state is ErasureState.DEFERRED
    assert {d.hold for d in now.deferred if d.until is None} == {second.hold.id}
    assert held_records(domicile, first) == set()
    assert open_held(domicile, second, mine) == b"mine"

    release_holds(domicile, second)
    rest(domicile)
    assert is_complete(domicile, erasure)
    assert backends_with(domicile, sample) == set()


def test_an_erasure_may_be_deferred_twice_in_one_moment(domicile: Domicile) -> None:
    """It is released, resumed, and deferred by the other hold at the same time of a clock."""
    tenant = domicile.tenant()
    put(tenant, b"mine")
    first, second = place_hold(domicile), place_hold(domicile, Scope.tenant())
    erasure = erase(tenant)
    work(domicile)
    release_holds(domicile, first)
    work(domicile)

    told = {d.hold: d.until for d in domicile.store.erasure(erasure.id).deferred}
    assert told[first.hold.id] is not None
    assert told[second.hold.id] is None


def test_a_tenant_leaves_and_what_is_held_stays(domicile: Domicile) -> None:
    """Files too. The tenant's erasure is complete after the release."""
    t = domicile.tenant()
    file = t.put_file(BytesIO(b"a file"), subject="u").id
    prompt = put(t, b"prompt", subject="v")
    placed = place_hold(domicile, classes=(DataClass.FINE_TUNING_FILE,))

    erasure = t.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
    rest(domicile)
    assert not is_complete(domicile, erasure)
    assert open_held(domicile, placed, file) == b"a file"
    with pytest.raises(PurposeRefused):
        open_held(domicile, placed, prompt)

    release_holds(domicile, placed)
    rest(domicile)
    assert is_complete(domicile, erasure)
    assert object_states(home(domicile), "file_key") == {}
    assert packs_on(domicile) == []


# --- expiry ------------------------------------------------------------------------------------


def test_what_is_held_outlives_its_day_and_goes_when_it_is_released(domicile: Domicile) -> None:
    """It is relocated before the day's keys are destroyed. Then counsel alone can open it."""
    t = domicile.tenant(retention=SOON)
    mine, other = together(t, "u", "v")
    mine_bytes, other_bytes = ciphertexts(domicile, mine, other)
    placed = place_hold(domicile)

    for hours in (13, 1, 1, 1):
        work(domicile, hours=hours)
    assert backends_with(domicile, other_bytes) == set()
    assert backends_with(domicile, mine_bytes) == {"eu-a", "eu-b"}
    assert relocated(domicile) == {mine.unique}
    assert object_states(home(domicile), "day_key") == {}
    assert [status.overdue_days for status in domicile.store.status().regions] == [0, 0]
    with pytest.raises((Expired, NotFound)):
        get(t, mine)
    assert not t.list()
    assert open_held(domicile, placed, mine) == b"u"
    assert held_records(domicile, placed) == {mine}

    release_holds(domicile, placed)
    rest(domicile)
    assert backends_with(domicile, mine_bytes) == set()
    assert relocated(domicile) == set()
    assert stored_keys(domicile) == set()
    assert orphans(home(domicile)) == []


def test_erased_and_expired_and_held(domicile: Domicile) -> None:
    """The erasure waits for relocated records, and its receipt follows the release."""
    t = domicile.tenant(retention=SOON)
    mine = put(t, b"mine")
    (sample,) = ciphertexts(domicile, mine)
    placed = place_hold(domicile)
    erasure = erase(t)
    for hours in (1, 13, 1, 1):
        work(domicile, hours=hours)
    assert relocated(domicile) == {mine.unique}
    assert not is_complete(domicile, erasure)
    assert open_held(domicile, placed, mine) == b"mine"

    release_holds(domicile, placed)
    rest(domicile)
    assert is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).deleted == 1
    assert backends_with(domicile, sample) == set()


def test_what_was_relocated_is_compacted_when_a_part_is_released(domicile: Domicile) -> None:
    """One of two holds on a pack is released: its ranges go, the others stay."""
    t = domicile.tenant(retention=SOON)
    a, b = together(t, "a", "b")
    a_bytes, b_bytes = ciphertexts(domicile, a, b)
    first, second = (
        place_hold(domicile, Scope.subject("a")),
        place_hold(domicile, Scope.subject("b")),
    )
    for hours in (13, 1, 1, 1):
        work(domicile, hours=hours)
    assert relocated(domicile) == {a.unique, b.unique}

    release_holds(domicile, first)
    rest(domicile)
    assert relocated(domicile) == {b.unique}
    assert backends_with(domicile, a_bytes) == set()
    assert backends_with(domicile, b_bytes) == {"eu-a", "eu-b"}
    assert open_held(domicile, second, b) == b"b"
    assert object_states(home(domicile), "hold_key") == {"stored": 1}


def test_backends_that_do_not_answer_keep_the_day_and_lose_nothing(domicile: Domicile) -> None:
    """A day that cannot be relocated is shown as overdue, and expires when the backends return."""
    t = domicile.tenant(retention=SOON)
    mine = put(t, b"mine")
    placed = place_hold(domicile)
    confirm(domicile, placed)
    domicile.pass_time(hours=13)
    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].full = True
    for hours in (1, 30, 30):
        work(domicile, hours=hours)
    assert [s.overdue_days for s in domicile.store.status().regions] == [1, 0]
    assert relocated(domicile) == set()
    assert object_states(home(domicile), "day_key") == {"stored": 1}
    with pytest.raises(TooFewReplicas):  # the log has no room either
        open_held(domicile, placed, mine)

    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].full = False
    rest(domicile)
    assert relocated(domicile) == {mine.unique}
    assert [s.overdue_days for s in domicile.store.status().regions] == [0, 0]
    assert open_held(domicile, placed, mine) == b"mine"


# --- the hold itself ---------------------------------------------------------------------------


def test_a_hold_is_shown_and_listed_and_reviewed(domicile: Domicile) -> None:
    """It is listed until its release, and afterwards on request."""
    domicile.tenant()
    first, second = place_hold(domicile), place_hold(domicile, Scope.tenant(), future=True)
    holds = domicile.store.admin.holds

    assert holds.show(first.hold.id) == first.hold
    assert [h.id for h in holds.list("eu-central-1")] == [second.hold.id, first.hold.id]
    domicile.pass_time(days=400)
    assert [(s.holds, s.overdue_reviews) for s in domicile.store.status().regions] == [
        (2, 2),
        (0, 0),
    ]
    release_holds(domicile, second)
    with pytest.raises(HoldRefused, match="released"):
        release_holds(domicile, second)

    assert [h.id for h in holds.list("eu-central-1")] == [first.hold.id]
    both = holds.list("eu-central-1", released=True)
    assert [h.id for h in both] == [second.hold.id, first.hold.id]
    assert holds.show(second.hold.id).released_why == "settled"
    with pytest.raises(InvalidRequest):
        holds.show("no hold")


def test_a_hold_of_what_is_minted_up_to_now_or_also_later(domicile: Domicile) -> None:
    """``future`` includes records minted after the placing."""
    tenant = domicile.tenant()
    before = put(tenant, b"before")
    past, always = place_hold(domicile), place_hold(domicile, future=True)
    domicile.pass_time(minutes=1)
    after = put(tenant, b"after")

    assert held_records(domicile, past) == {before}
    assert held_records(domicile, always) == {before, after}


def test_every_scope_class_and_time_span(domicile: Domicile) -> None:
    """Each hold lists the records that it covers."""
    tenant = domicile.tenant()
    a = put(tenant, b"a", group="g")
    noon = domicile.clock.now()
    domicile.pass_time(hours=1)
    b = tenant.put(DataClass.COMPLETION, b"b", subject="v", group="g").id
    domicile.pass_time(hours=1)
    c = tenant.put_file(BytesIO(b"c"), subject="u").id
    later = noon + timedelta(minutes=30)

    covers = {
        "subject": held_records(domicile, place_hold(domicile)),
        "group": held_records(domicile, place_hold(domicile, Scope.group("g"))),
        "record": held_records(domicile, place_hold(domicile, Scope.record(b))),
        "tenant": held_records(domicile, place_hold(domicile, Scope.tenant())),
        "class": held_records(
            domicile, place_hold(domicile, Scope.tenant(), classes=(DataClass.COMPLETION,))
        ),
        "from": held_records(domicile, place_hold(domicile, Scope.tenant(), minted_from=later)),
        "to": held_records(domicile, place_hold(domicile, Scope.tenant(), minted_to=later)),
        "never": held_records(
            domicile,
            place_hold(domicile, Scope.tenant(), minted_to=datetime(2020, 1, 1, tzinfo=UTC)),
        ),
    }
    assert covers == {
        "subject": {a, c},
        "group": {a, b},
        "record": {b},
        "tenant": {a, b, c},
        "class": {b},
        "from": {b, c},
        "to": {a},
        "never": set(),
    }
