"""Decide who may stand for a hold, who may change it, and whether what it keeps may be read.

A hold preserves as soon as it is placed, whoever places it: waiting would destroy evidence. All
else needs two people of the roster. The catalog repeats in SQL what must hold against a person with
a login and raw SQL, and refuses with the same reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from storage.errors import HoldRefused
from storage.model import STAFF, Hold, HoldChange, RosterEntry


class HoldReason(StrEnum):
    """Why something about a hold is refused."""

    ALLOWED = "allowed"
    HOLD_RELEASED = "hold_released"
    # reads
    HOLD_NOT_CONFIRMED = "hold_not_confirmed"
    FOREIGN_AUTHORITY_UNDECIDED = "foreign_authority_undecided"
    FOREIGN_AUTHORITY_REFUSED = "foreign_authority_refused"
    # confirmations and changes
    PERSON_NOT_IN_FORCE = "person_not_in_force"
    CONFIRMER_STANDS_FOR_IT = "confirmer_stands_for_it"
    APPROVER_REQUESTED_IT = "approver_requested_it"
    WIDER_THAN_SAID = "wider_than_said"
    NOT_A_PROCESS = "not_a_process"
    NOT_RECOVERING = "not_recovering"


_UNDECIDED = (
    "The authority is outside the jurisdiction of the region, and nobody has decided whether its "
    "order may be followed. So what is held is preserved, and not read."
)
_TEXTS: Final[Mapping[HoldReason, tuple[str, str]]] = {  # what happened and why; what to do
    HoldReason.HOLD_RELEASED: (
        "The hold is released.",
        "Place another one: domicile hold place",
    ),
    HoldReason.HOLD_NOT_CONFIRMED: (
        "No second person has confirmed the hold, so nothing under it may be read.",
        "Ask somebody who did not place it: domicile hold confirm",
    ),
    HoldReason.FOREIGN_AUTHORITY_UNDECIDED: (
        _UNDECIDED,
        "Record the decision, with the legal opinion: domicile hold decide",
    ),
    HoldReason.FOREIGN_AUTHORITY_REFUSED: (
        "It was decided that the order of the foreign authority may not be followed.",
        "What is held stays preserved until the hold is released. See: domicile hold show",
    ),
    HoldReason.PERSON_NOT_IN_FORCE: (
        "The login to the catalog is not that of a person who is in the roster and may act today.",
        "Connect with your own login (catalog_url), which a roster keeper enters for you.",
    ),
    HoldReason.CONFIRMER_STANDS_FOR_IT: (
        "You stand for this hold, so you cannot confirm it.",
        "Ask somebody else of the roster.",
    ),
    HoldReason.APPROVER_REQUESTED_IT: (
        "You requested this change, so you cannot approve it.",
        "Ask somebody else of the roster.",
    ),
    HoldReason.WIDER_THAN_SAID: (
        "The hold covers more than the one record, subject or group that it says.",
        "Place one for each, and release this one: domicile hold release",
    ),
    HoldReason.NOT_A_PROCESS: (
        "The login of a person replays nothing from the ledger.",
        "Recover with the login of a worker.",
    ),
    HoldReason.NOT_RECOVERING: (
        "The catalog is not being recovered. What people did about holds is replayed only then.",
        "Ask people to do it themselves: domicile hold confirm, domicile hold approve",
    ),
}
_ARTICLE_48 = (
    "Under Article 48 of the GDPR such an order is followed only on the ground of an international "
    "agreement, or of another ground for the transfer."
)


@dataclass(frozen=True, slots=True)
class Holding:
    """Whether something about a hold is allowed: it is if there is no reason not to.

    ``gdpr``: the region is under the GDPR, which the error then names where it matters.
    """

    reason: HoldReason
    gdpr: bool = False

    @property
    def allowed(self) -> bool:
        """Whether it is allowed."""
        return self.reason is HoldReason.ALLOWED

    def demand(self) -> None:
        """Raise HoldRefused unless it is allowed."""
        if not self.allowed:
            raise self.error()

    def error(self) -> HoldRefused:
        """Return the error."""
        said, advice = _TEXTS[self.reason]
        if self.gdpr and self.reason is HoldReason.FOREIGN_AUTHORITY_UNDECIDED:
            said = f"{said} {_ARTICLE_48}"
        return HoldRefused(said, reasons=(self.reason,), advice=advice)


def is_foreign(hold: Hold, jurisdiction: str) -> bool:
    """Return whether the authority is outside the jurisdiction of the region.

    Nobody knows of a hold that was placed before authorities were asked for: it counts as foreign.
    """
    return hold.authority_jurisdiction != jurisdiction


def confirmation_overdue(hold: Hold, now: datetime) -> bool:
    """Return whether a second person should have confirmed the hold by now."""
    return hold.released is None and hold.confirmed is None and now >= hold.confirm_by


def may_read_held(hold: Hold, jurisdiction: str, *, gdpr: bool = False) -> Holding:
    """Decide whether anything under a hold may be read in a region of that jurisdiction."""
    return Holding(_against_reading(hold, jurisdiction), gdpr)


def _against_reading(hold: Hold, jurisdiction: str) -> HoldReason:
    if hold.released is not None:
        return HoldReason.HOLD_RELEASED
    if hold.confirmed is None:
        return HoldReason.HOLD_NOT_CONFIRMED
    if not is_foreign(hold, jurisdiction):
        return HoldReason.ALLOWED
    if hold.decision is None:
        return HoldReason.FOREIGN_AUTHORITY_UNDECIDED
    return HoldReason.ALLOWED if hold.decision.permitted else HoldReason.FOREIGN_AUTHORITY_REFUSED


def may_confirm(hold: Hold, person: RosterEntry | None, today: date) -> Holding:
    """Decide whether the person of the session may confirm a hold, or be the first to do so."""
    if person is None or not _may_act(person, today):
        return Holding(HoldReason.PERSON_NOT_IN_FORCE)
    if hold.released is not None:
        return Holding(HoldReason.HOLD_RELEASED)
    if person.actor == hold.sponsor:
        return Holding(HoldReason.CONFIRMER_STANDS_FOR_IT)
    if hold.named > 1:
        return Holding(HoldReason.WIDER_THAN_SAID)
    return Holding(HoldReason.ALLOWED)


def may_change(hold: Hold, person: RosterEntry | None, today: date) -> Holding:
    """Decide whether the person of the session may request a change of a hold."""
    if person is None or not _may_act(person, today):
        return Holding(HoldReason.PERSON_NOT_IN_FORCE)
    return Holding(HoldReason.ALLOWED if hold.released is None else HoldReason.HOLD_RELEASED)


def may_approve_change(
    hold: Hold, change: HoldChange, person: RosterEntry | None, today: date
) -> Holding:
    """Decide whether the person of the session may approve a change of a hold."""
    asked = may_change(hold, person, today)
    if person is None or not asked.allowed:
        return asked
    if person.actor == change.requested_by:
        return Holding(HoldReason.APPROVER_REQUESTED_IT)
    return Holding(HoldReason.ALLOWED)


def needs_attention(hold: Hold, jurisdiction: str, now: datetime) -> Iterator[str]:
    """Yield what is still to be done about a hold, as words."""
    if hold.released is not None:
        return
    if confirmation_overdue(hold, now):
        yield "confirmation OVERDUE"
    elif hold.confirmed is None:
        yield "not confirmed"
    if is_foreign(hold, jurisdiction) and hold.decision is None:
        yield "foreign authority, undecided"
    if hold.changes_waiting:
        yield f"{hold.changes_waiting} to approve"


def _may_act(person: RosterEntry, today: date) -> bool:
    return person.kind in STAFF and person.in_force(today)
