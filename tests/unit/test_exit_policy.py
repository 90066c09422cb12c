"""Who may choose, notify and confirm what becomes of a tenant's data, and when."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from storage.errors import ExitRefused
from storage.model import ActorKind, ExitKind, ExitState, RosterEntry, TenantExit
from storage.policy import ExitReason, may_choose, may_confirm_exit, may_notify

DAY = date(2026, 4, 1)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
ALICE = RosterEntry(
    "alice",
    ActorKind.EMPLOYEE,
    "legal",
    "domicile",
    "EU",
    "alice",
    None,
    date(2026, 1, 1),
    None,
    suspended=False,
    entered=NOW,
    entered_by="kim",
)
BOB = replace(ALICE, actor="bob", login="bob")
CHOICE = TenantExit(
    UUID(int=1),
    "acme",
    ExitKind.DELETE,
    DAY + timedelta(1),
    "d" * 64,
    "alice",
    NOW,
    ExitState.CHOSEN,
)
NOTIFIED = replace(CHOICE, state=ExitState.NOTIFIED)
CARRIED = replace(CHOICE, state=ExitState.CARRIED_OUT)
NOBODY = (
    None,
    replace(BOB, suspended=True),
    replace(BOB, until=DAY),
    replace(BOB, since=DAY + timedelta(1)),
    replace(BOB, kind=ActorKind.MACHINE),
)
LAPSED = replace(CHOICE, state=ExitState.LAPSED)
R = ExitReason


@pytest.mark.parametrize(
    ("person", "on", "reason"),
    [
        (ALICE, DAY + timedelta(1), R.ALLOWED),
        (replace(ALICE, kind=ActorKind.CONTRACTOR), DAY + timedelta(1), R.ALLOWED),
        (ALICE, DAY, R.DAY_NOT_AHEAD),
        (ALICE, DAY - timedelta(1), R.DAY_NOT_AHEAD),
        *((person, DAY + timedelta(1), R.PERSON_NOT_IN_FORCE) for person in NOBODY),
    ],
)
def test_a_choice(person: RosterEntry | None, on: date, reason: ExitReason) -> None:
    """By a person in force, for a day that lies ahead."""
    assert may_choose(person, on, DAY).reason is reason


@pytest.mark.parametrize(
    ("found", "person", "newest", "reason"),
    [
        (CHOICE, ALICE, True, R.ALLOWED),
        (CHOICE, BOB, True, R.ALLOWED),
        (NOTIFIED, BOB, True, R.ALLOWED),
        (replace(CHOICE, on=DAY), BOB, True, R.DAY_NOT_AHEAD),
        (CHOICE, BOB, False, R.REPLACED),
        (CARRIED, BOB, True, R.CARRIED_OUT),
        *((CHOICE, person, True, R.PERSON_NOT_IN_FORCE) for person in NOBODY),
    ],
)
def test_a_notice(
    found: TenantExit, person: RosterEntry | None, reason: ExitReason, *, newest: bool
) -> None:
    """Of the choice that counts, before its day."""
    assert may_notify(found, person, DAY, newest=newest).reason is reason


@pytest.mark.parametrize(
    ("found", "person", "newest", "reason"),
    [
        (NOTIFIED, BOB, True, R.ALLOWED),
        (replace(NOTIFIED, on=DAY - timedelta(9)), BOB, True, R.ALLOWED),
        (NOTIFIED, ALICE, True, R.CONFIRMER_REQUESTED_IT),
        (CHOICE, BOB, True, R.NOTICE_MISSING),
        (NOTIFIED, BOB, False, R.REPLACED),
        (CARRIED, BOB, True, R.CARRIED_OUT),
        (LAPSED, BOB, True, R.LAPSED),
        *((NOTIFIED, person, True, R.PERSON_NOT_IN_FORCE) for person in NOBODY),
    ],
)
def test_a_confirmation(
    found: TenantExit, person: RosterEntry | None, reason: ExitReason, *, newest: bool
) -> None:
    """Of a choice with its notice, by another person than the one who recorded the choice."""
    decided = may_confirm_exit(found, person, DAY, newest=newest)

    assert decided.reason is reason
    assert decided.allowed == (reason is R.ALLOWED)
    if decided.allowed:
        decided.demand()
        return
    with pytest.raises(ExitRefused) as caught:
        decided.demand()
    assert caught.value.reasons == (reason,)
    assert caught.value.advice
