"""Who may stand for a hold and change it, and when what it keeps may be read."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from storage.errors import HoldRefused
from storage.model import (
    ActorKind,
    ChangeKind,
    Decision,
    HoldChange,
    RosterEntry,
)
from storage.policy import (
    HoldReason,
    confirmation_overdue,
    may_approve_change,
    may_change,
    may_confirm,
    may_read_held,
    needs_attention,
)
from tests.support.hold_values import DUE, HOLD, NOW

TODAY = NOW.date()
CHANGE = HoldChange(
    id=UUID(int=2),
    hold=HOLD.id,
    kind=ChangeKind.RELEASE,
    why="settled",
    carve_outs=(),
    document=None,
    permitted=None,
    requested=NOW,
    requested_by="ann",
    approved=None,
    approved_by=None,
)


def person(actor: str, **other: object) -> RosterEntry:
    """Return the entry of an employee who may act."""
    entry = RosterEntry(
        actor,
        ActorKind.EMPLOYEE,
        "counsel",
        "us",
        "EU",
        actor,
        None,
        date(2026, 1, 1),
        None,
        suspended=False,
        entered=NOW,
        entered_by="kim",
    )
    return replace(entry, **other)  # type: ignore[arg-type]


def decided(*, permitted: bool) -> Decision:
    """Return a decision."""
    return Decision(permitted, "0" * 64, "ann", "ben", NOW)


@pytest.mark.parametrize(
    ("released", "confirmed", "authority", "decision"),
    [
        *product(
            (None, NOW),
            (None, NOW),
            ("EU", "US", None),
            (None, decided(permitted=True), decided(permitted=False)),
        )
    ],
)
def test_what_is_held_is_read_on_the_word_of_two_people(
    released: datetime | None,
    confirmed: datetime | None,
    authority: str | None,
    decision: Decision | None,
) -> None:
    """And if the authority is foreign, or nobody knows where it is, on a decision of two more."""
    hold = replace(
        HOLD,
        released=released,
        confirmed=confirmed,
        authority_jurisdiction=authority,
        decision=decision,
    )
    follows = authority == "EU" or (decision is not None and decision.permitted)

    found = may_read_held(hold, "EU")

    assert found.allowed == (released is None and confirmed is not None and follows)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"released": NOW}, HoldReason.HOLD_RELEASED),
        ({"confirmed": None}, HoldReason.HOLD_NOT_CONFIRMED),
        ({}, HoldReason.FOREIGN_AUTHORITY_UNDECIDED),
        ({"decision": decided(permitted=False)}, HoldReason.FOREIGN_AUTHORITY_REFUSED),
    ],
)
def test_a_refusal_says_which_is_missing(changed: dict[str, object], reason: HoldReason) -> None:
    """One reason, with what to do."""
    foreign = replace(HOLD, confirmed=NOW, authority_jurisdiction="US")
    hold = replace(foreign, **changed)  # type: ignore[arg-type]

    with pytest.raises(HoldRefused) as caught:
        may_read_held(hold, "EU").demand()

    assert caught.value.reasons == (reason,)
    assert "domicile hold" in str(caught.value)


def test_article_48_is_named_where_it_is_law() -> None:
    """And only for an order of a foreign authority that nobody has decided about."""
    foreign = replace(HOLD, confirmed=NOW, authority_jurisdiction="US")
    undecided = may_read_held(foreign, "EU", gdpr=True).error()
    elsewhere = may_read_held(foreign, "EU").error()
    unconfirmed = may_read_held(HOLD, "EU", gdpr=True).error()

    assert "Article 48" in str(undecided)
    assert "Article 48" not in str(elsewhere) + str(unconfirmed)


def test_a_confirmation_is_overdue_after_72_hours_and_until_it_is_made() -> None:
    """To the moment; a released hold needs none."""
    just = DUE - timedelta(microseconds=1)

    assert not confirmation_overdue(HOLD, just)
    assert confirmation_overdue(HOLD, DUE)
    assert not confirmation_overdue(replace(HOLD, confirmed=NOW), DUE)
    assert not confirmation_overdue(replace(HOLD, released=NOW), DUE)
    assert [*needs_attention(HOLD, "EU", just)] == ["not confirmed"]
    assert [*needs_attention(HOLD, "US", DUE)] == [
        "confirmation OVERDUE",
        "foreign authority, undecided",
    ]


OUT = [
    None,
    person("ben", suspended=True),
    person("ben", until=TODAY),
    person("ben", since=TODAY + timedelta(days=1)),
    person("ben", kind=ActorKind.MACHINE),
]


@pytest.mark.parametrize("who", OUT)
def test_only_a_person_who_may_act_does_anything(who: RosterEntry | None) -> None:
    """Placing apart: that is decided nowhere, because it must not wait."""
    for found in (
        may_confirm(HOLD, who, TODAY),
        may_change(HOLD, who, TODAY),
        may_approve_change(HOLD, CHANGE, who, TODAY),
    ):
        assert found.reason is HoldReason.PERSON_NOT_IN_FORCE


def test_nobody_is_the_second_person_of_himself() -> None:
    """Who stands for a hold does not confirm it, and who requests a change does not approve it."""
    ann, ben = person("ann"), person("ben")

    assert may_confirm(HOLD, ann, TODAY).reason is HoldReason.CONFIRMER_STANDS_FOR_IT
    assert may_confirm(HOLD, ben, TODAY).allowed
    assert may_confirm(replace(HOLD, sponsor=None), ann, TODAY).allowed
    found = may_approve_change(HOLD, CHANGE, ann, TODAY)
    assert found.reason is HoldReason.APPROVER_REQUESTED_IT
    assert may_approve_change(HOLD, CHANGE, ben, TODAY).allowed


def test_a_hold_that_covers_more_than_it_says_is_not_confirmed() -> None:
    """Only raw SQL places one."""
    found = may_confirm(replace(HOLD, named=2), person("ben"), TODAY)
    assert found.reason is HoldReason.WIDER_THAN_SAID


def test_a_released_hold_is_not_changed() -> None:
    """It is over."""
    over, ben = replace(HOLD, released=NOW), person("ben")

    assert may_confirm(over, ben, TODAY).reason is HoldReason.HOLD_RELEASED
    assert may_change(over, ben, TODAY).reason is HoldReason.HOLD_RELEASED
    assert may_approve_change(over, CHANGE, ben, TODAY).reason is HoldReason.HOLD_RELEASED
