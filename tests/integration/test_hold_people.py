"""Who stands for a hold, who changes it, and that a hold needs nobody to preserve."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from storage.catalog import holds as stored_holds
from storage.catalog import kept
from storage.client.holds import Holds
from storage.errors import HoldRefused, InvalidRequest, LedgerUnwritten, NotFound
from storage.events import (
    Approved,
    Event,
    HoldConfirmation,
    HoldDecision,
    HoldNarrowing,
    HoldRelease,
)
from storage.ledger.journal import _announce
from storage.model import CarveOut, DataClass, Scope
from storage.testing import Domicile
from storage.testing.people import grant
from tests.support.actions import duty, put_prompt, work
from tests.support.catalogs.databases import HOME
from tests.support.holds import (
    ORDER,
    PEOPLE,
    approve,
    confirm,
    held_grant,
    hold_spec,
    one_of_two,
    open_held,
    place_hold,
)
from tests.support.inspect.stored import home

ANN, BEN = PEOPLE
PROMPTS = CarveOut(classes=(DataClass.PROMPT,))


@pytest.fixture
def acme(domicile: Domicile) -> Domicile:
    """A Domicile with the tenant of all holds."""
    domicile.tenant()
    return domicile


def by(domicile: Domicile, number: int, call: Callable[[Holds], object]) -> object:
    """Call as one of the two people."""
    with one_of_two(domicile.settings, domicile.store, number):
        return call(domicile.store.admin.holds)


def refusal(domicile: Domicile, number: int, call: Callable[[Holds], object]) -> str:
    """Return why one of the two people is refused."""
    with pytest.raises(HoldRefused) as caught:
        by(domicile, number, call)
    (reason,) = caught.value.reasons
    return reason


# --- confirmations -----------------------------------------------------------------------------


def test_a_hold_preserves_before_anybody_has_confirmed_it(acme: Domicile) -> None:
    """And after 72 hours too: then the status and the log of the worker say that it is overdue."""
    put_prompt(acme, "u")
    placed = place_hold(acme)
    found = {}
    for hours in (0, 71.99, 0.02):
        acme.pass_time(hours=hours)
        with capture_logs() as logs:
            duty(acme, "holds")
        region = acme.store.status().regions[0]
        said = [line["event"] for line in logs]
        found[hours] = (region.unconfirmed_holds, region.overdue_confirmations, said)

    assert placed.records == 1
    assert (placed.hold.sponsor, placed.hold.confirmed, placed.hold.document) == (None, None, ORDER)
    assert found == {0: (1, 0, []), 71.99: (1, 0, []), 0.02: (1, 1, ["holds_not_confirmed"])}
    assert acme.store.admin.holds.show(placed.hold.id).released is None
    confirm(acme, placed)
    assert acme.store.status().regions[0].overdue_confirmations == 0


def test_who_placed_it_is_known_by_the_login_and_does_not_confirm_it(acme: Domicile) -> None:
    """A second person does, once."""
    spec = hold_spec(Scope.subject("u"))
    with one_of_two(acme.settings, acme.store, 0):
        hold = acme.store.admin.holds.place(spec).hold
    again = refusal(acme, 0, lambda holds: holds.confirm(hold.id))
    by(acme, 1, lambda holds: holds.confirm(hold.id))
    found = acme.store.admin.holds.show(hold.id)
    acme.pass_time(hours=1)
    by(acme, 1, lambda holds: holds.confirm(hold.id))

    assert (hold.sponsor, again) == (ANN, "confirmer_stands_for_it")
    assert (found.sponsor, found.confirmed_by) == (ANN, BEN)
    assert acme.store.admin.holds.show(hold.id) == found


def test_what_a_process_placed_needs_two_people(acme: Domicile) -> None:
    """The first one stands for it; nothing may be read before the second."""
    placed = place_hold(acme)
    by(acme, 0, lambda holds: holds.confirm(placed.hold.id))
    first = acme.store.admin.holds.show(placed.hold.id)
    again = refusal(acme, 0, lambda holds: holds.confirm(placed.hold.id))
    by(acme, 1, lambda holds: holds.confirm(placed.hold.id))

    assert (first.sponsor, first.confirmed) == (ANN, None)
    assert again == "confirmer_stands_for_it"
    assert acme.store.admin.holds.show(placed.hold.id).confirmed_by == BEN


def test_a_process_confirms_and_changes_nothing(acme: Domicile) -> None:
    """Not even that of the owner of the catalog."""
    placed, holds = place_hold(acme), acme.store.admin.holds
    calls: list[Callable[[], object]] = [
        lambda: holds.confirm(placed.hold.id),
        lambda: holds.release(placed.hold.id, why="settled"),
        lambda: holds.narrow(placed.hold.id, PROMPTS, why="less"),
        lambda: holds.decide(placed.hold.id, document=ORDER, permitted=True),
    ]
    for call in calls:
        with pytest.raises(HoldRefused, match="roster"):
            call()


# --- changes -----------------------------------------------------------------------------------


def test_a_change_is_in_force_when_another_person_approves_it(acme: Domicile) -> None:
    """Not before, and not by who requested it. The hold shows what waits."""
    placed, store = place_hold(acme), acme.store
    with one_of_two(acme.settings, store, 0):
        narrowing = store.admin.holds.narrow(placed.hold.id, PROMPTS, why="less")
        release = store.admin.holds.release(placed.hold.id, why="settled")
    waiting = store.admin.holds.show(placed.hold.id)
    own = refusal(acme, 0, lambda holds: holds.approve(release.id))
    approve(acme, narrowing)
    narrowed = store.admin.holds.show(placed.hold.id)
    done = approve(acme, release)
    released = store.admin.holds.show(placed.hold.id)

    assert (waiting.changes_waiting, waiting.carve_outs, waiting.released) == (2, (), None)
    assert own == "approver_requested_it"
    assert (narrowed.changes_waiting, narrowed.carve_outs) == (1, (PROMPTS,))
    assert narrowed.released is None
    assert (done.requested_by, done.approved_by) == (ANN, BEN)
    assert (released.released, released.released_why) == (done.approved, "settled")
    assert [one.id for one in store.admin.holds.changes(placed.hold.id)] == [
        release.id,
        narrowing.id,
    ]
    assert approve(acme, release) == done


def test_a_change_that_the_ledger_does_not_have_is_not_in_force(acme: Domicile) -> None:
    """It waits for approval still."""
    placed = place_hold(acme)
    with one_of_two(acme.settings, acme.store, 0):
        change = acme.store.admin.holds.release(placed.hold.id, why="settled")
    acme.take_down("eu-a", "eu-b")
    with pytest.raises(LedgerUnwritten, match="The hold was not released"):
        approve(acme, change)
    acme.bring_back("eu-a", "eu-b")
    before = acme.store.admin.holds.show(placed.hold.id)

    assert (before.released, before.changes_waiting) == (None, 1)
    assert approve(acme, change).approved is not None


def test_what_is_unknown_or_malformed_is_refused(acme: Domicile) -> None:
    """A change of nothing, no carve-out, an empty one, no digest."""
    placed, holds = place_hold(acme), acme.store.admin.holds
    with pytest.raises(NotFound, match="No such change"):
        holds.approve(placed.hold.id)
    with pytest.raises(NotFound, match="No such hold"):
        holds.confirm("0199c9d3-0000-7000-8000-000000000000")
    malformed: list[Callable[[], object]] = [
        lambda: holds.narrow(placed.hold.id, why="less"),
        lambda: holds.narrow(placed.hold.id, CarveOut(), why="less"),
        lambda: holds.narrow(placed.hold.id, CarveOut(tenants=("t",) * 1001), why="less"),
        lambda: holds.decide(placed.hold.id, document="the order", permitted=True),
        lambda: place_hold(acme, document="the order"),
        lambda: place_hold(acme, authority_jurisdiction="Germany"),
        lambda: place_hold(acme, Scope.region()),
        lambda: place_hold(acme, Scope.account("acme"), region="eu-central-1"),
        lambda: place_hold(acme, region="eu-central-1"),
        lambda: place_hold(acme, exclude=(CarveOut(),)),
    ]
    for call in malformed:
        with pytest.raises(InvalidRequest):
            call()


# --- foreign authorities -----------------------------------------------------------------------


def test_nothing_is_read_for_a_foreign_authority_before_it_is_decided(acme: Domicile) -> None:
    """It is preserved, though; the newest decision counts, and an open record is shut by it."""
    record = put_prompt(acme, "u")
    placed = place_hold(acme, authority_jurisdiction="US")
    confirm(acme, placed)
    with pytest.raises(HoldRefused, match="Article 48") as undecided:
        open_held(acme, placed, record)
    answers: list[object] = []
    for permitted in (True, False, True):
        with one_of_two(acme.settings, acme.store, 0):
            change = acme.store.admin.holds.decide(
                placed.hold.id, document=ORDER, permitted=permitted
            )
        acme.pass_time(minutes=1)
        approve(acme, change)
        try:
            answers.append(open_held(acme, placed, record))
        except HoldRefused as refused:
            answers += refused.reasons

    assert undecided.value.reasons == ("foreign_authority_undecided",)
    assert answers == [b"mine", "foreign_authority_refused", b"mine"]
    decision = acme.store.admin.holds.show(placed.hold.id).decision
    assert decision is not None
    assert (decision.permitted, decision.requested_by, decision.approved_by) == (True, ANN, BEN)


def test_a_grant_is_made_under_a_confirmed_hold_alone(acme: Domicile) -> None:
    """The catalog itself refuses to make one."""
    placed = place_hold(acme)
    own, wanted = acme.settings.regions["eu-central-1"], held_grant(placed.hold)
    with pytest.raises(HoldRefused) as caught:
        grant(home(acme), own, wanted)
    confirm(acme, placed)

    assert caught.value.reasons == ("hold_not_confirmed",)
    assert grant(home(acme), own, wanted).hold == placed.hold.id


def test_nobody_approves_for_a_person_whose_process_died(acme: Domicile) -> None:
    """What the ledger says of people is true when they commit it; a worker vouches for nobody.

    The hold of a process that died becomes true, though: that preserves.
    """
    placed, region = place_hold(acme), home(acme)
    with one_of_two(acme.settings, acme.store, 0):
        change = acme.store.admin.holds.release(placed.hold.id, why="settled")
    forged = Approved(id=change.id, requested=change.requested, requested_by=ANN, approved_by=BEN)
    now = acme.clock.now()
    where: dict[str, Any] = {"id": placed.hold.id, "tenant": "acme-eu", "at": now}
    events: list[Event] = [
        HoldRelease(**where, why="settled", change=forged),
        HoldRelease(**where, why="settled"),  # as older versions wrote it
        HoldNarrowing(**where, why="less", carve_outs=(), change=forged),
        HoldDecision(**where, permitted=True, document=ORDER, change=forged),
        HoldConfirmation(**where, by=BEN),
    ]
    for event in events:
        pending = _announce(region, event)
        pending.write.send(pending.sealed)
    work(acme, hours=1)
    work(acme, hours=1)
    found = acme.store.admin.holds.show(placed.hold.id)

    assert (found.released, found.sponsor, found.confirmed) == (None, None, None)
    assert (found.carve_outs, found.decision, found.changes_waiting) == ((), None, 1)
    entries = [trace.key for trace in acme.backends["eu-a"].scan("ledger/")]
    assert len(entries) == 1  # of the hold


def test_the_key_service_sees_what_a_hold_covers_and_who_stands_behind_it(acme: Domicile) -> None:
    """With the rights of its role alone."""
    record, placed = put_prompt(acme, "u"), place_hold(acme)
    found = []
    for _ in range(2):
        with home(acme).catalog.begin() as connection:
            connection.execute(text("SET LOCAL ROLE domicile_keys"))
            one = kept.find(connection, "acme-eu", record, placed.hold.id)
            (hold,) = stored_holds.show(connection, HOME, [placed.hold.id])
        assert one is not None
        found.append((one.covered, hold.confirmed is not None))
        confirm(acme, placed)

    assert found == [(True, False), (True, True)]
