"""Decide what happens to a tenant's data when the agreement to process it has ended.

The customer chooses (GDPR, article 28(3)(g)): delete it, or return and then delete it. Somebody
records that, and that the customer had notice; another person confirms both. The catalog repeats
all of it in SQL, and refuses with the same reasons.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from storage.errors import ExitRefused
from storage.model import STAFF, Agreement, ExitState, RosterEntry, TenantExit
from storage.policy.agreements import DPA


class ExitReason(StrEnum):
    """Why an exit is not recorded, or not carried out."""

    ALLOWED = "allowed"
    PERSON_NOT_IN_FORCE = "person_not_in_force"
    UNKNOWN_TENANT = "unknown_tenant"
    DAY_NOT_AHEAD = "day_not_ahead"
    REPLACED = "replaced"
    CARRIED_OUT = "carried_out"
    LAPSED = "lapsed"
    NOTICE_MISSING = "notice_missing"
    CONFIRMER_REQUESTED_IT = "confirmer_requested_it"
    # in the worker
    DAY_AHEAD = "day_ahead"
    NOT_CONFIRMED = "not_confirmed"
    AGREEMENT_IN_FORCE = "agreement_in_force"
    RECOVERING = "recovering"


_TEXTS: Final[Mapping[ExitReason, tuple[str, str]]] = {  # what happened and why; what to do
    ExitReason.PERSON_NOT_IN_FORCE: (
        "The login to the catalog is not that of a person who is in the roster and may act today.",
        "Connect with your own login (catalog_url), which a roster keeper enters for you.",
    ),
    ExitReason.UNKNOWN_TENANT: (
        "The tenant is not at home in this region.",
        "Check the tenant id.",
    ),
    ExitReason.DAY_NOT_AHEAD: (
        "The day of the exit must lie ahead: the customer is told of it before.",
        "Record a choice with a later day: domicile tenant exit choose",
    ),
    ExitReason.REPLACED: (
        "The tenant has a newer choice.",
        "See: domicile tenant exit list",
    ),
    ExitReason.CARRIED_OUT: (
        "The choice is carried out: the erasure is requested.",
        "See: domicile erasure list",
    ),
    ExitReason.LAPSED: (
        "A data processing agreement was in force on the day of the exit, or has been since.",
        "Record what the customer chooses now: domicile tenant exit choose",
    ),
    ExitReason.NOTICE_MISSING: (
        "Nobody has recorded that the customer had notice.",
        "Record it first: domicile tenant exit notice",
    ),
    ExitReason.CONFIRMER_REQUESTED_IT: (
        "You recorded this choice, so you cannot confirm it.",
        "Ask somebody else of the roster.",
    ),
    ExitReason.DAY_AHEAD: ("The day of the exit has not come.", "Wait for it."),
    ExitReason.NOT_CONFIRMED: (
        "No second person has confirmed the choice since the catalog was recovered last.",
        "Ask somebody who did not record it: domicile tenant exit confirm",
    ),
    ExitReason.AGREEMENT_IN_FORCE: (
        "A data processing agreement is in force, or will be: nothing is erased.",
        "See: domicile tenant agreement list",
    ),
    ExitReason.RECOVERING: (
        "The catalog is being recovered, and may lack an agreement.",
        "See: domicile recover",
    ),
}


@dataclass(frozen=True, slots=True)
class Exiting:
    """Whether something about an exit is allowed: it is if there is no reason not to."""

    reason: ExitReason

    @property
    def allowed(self) -> bool:
        """Whether it is allowed."""
        return self.reason is ExitReason.ALLOWED

    def demand(self) -> None:
        """Raise ExitRefused unless it is allowed."""
        if not self.allowed:
            raise self.error()

    def error(self) -> ExitRefused:
        """Return the error."""
        said, advice = _TEXTS[self.reason]
        return ExitRefused(said, reasons=(self.reason,), advice=advice)


def may_choose(person: RosterEntry | None, on: date, today: date) -> Exiting:
    """Decide whether the person of the session may record a choice for that day."""
    if person is None or not _may_act(person, today):
        return Exiting(ExitReason.PERSON_NOT_IN_FORCE)
    return Exiting(ExitReason.ALLOWED if on > today else ExitReason.DAY_NOT_AHEAD)


def may_notify(
    found: TenantExit, person: RosterEntry | None, today: date, *, newest: bool
) -> Exiting:
    """Decide whether the person of the session may record that the customer had notice."""
    against = _against_step(found, person, today, newest=newest)
    if against is not None:
        return Exiting(against)
    return Exiting(ExitReason.ALLOWED if found.on > today else ExitReason.DAY_NOT_AHEAD)


def may_confirm_exit(
    found: TenantExit, person: RosterEntry | None, today: date, *, newest: bool
) -> Exiting:
    """Decide whether the person of the session may confirm a choice and its notice."""
    against = _against_step(found, person, today, newest=newest)
    if against is not None:
        return Exiting(against)
    if found.state is ExitState.LAPSED:
        return Exiting(ExitReason.LAPSED)
    if found.state is ExitState.CHOSEN:
        return Exiting(ExitReason.NOTICE_MISSING)
    if person is not None and person.actor == found.requested_by:
        return Exiting(ExitReason.CONFIRMER_REQUESTED_IT)
    return Exiting(ExitReason.ALLOWED)


def may_carry_out(
    found: TenantExit,
    agreements: Collection[Agreement],
    today: date,
    *,
    newest: bool,
    recovering: bool,
) -> Exiting:
    """Decide whether the erasure of a choice may be requested.

    A worker lets the catalog decide it, in the transaction of the erasure. ``agreements``: those of
    the tenant that nothing supersedes. ``recovering``: the catalog may lack some.
    """
    over = _over(found, newest=newest)
    if over is not None:
        return Exiting(over)
    if found.on > today:
        return Exiting(ExitReason.DAY_AHEAD)
    if found.state is ExitState.LAPSED or has_lapsed(found.on, agreements, today):
        return Exiting(ExitReason.LAPSED)
    if found.state is not ExitState.CONFIRMED:
        return Exiting(ExitReason.NOT_CONFIRMED)
    if any(one.kind == DPA and not one.over(today) for one in agreements):
        return Exiting(ExitReason.AGREEMENT_IN_FORCE)
    return Exiting(ExitReason.RECOVERING if recovering else ExitReason.ALLOWED)


def has_lapsed(on: date, agreements: Iterable[Agreement], today: date) -> bool:
    """Return whether an agreement to process data was in force on a day from an exit's until today.

    The customer chose, and had notice, for the end of the contract before.
    """
    return any(one.kind == DPA and _in_force_between(one, on, today) for one in agreements)


def _in_force_between(one: Agreement, first: date, last: date) -> bool:
    first = max(first, one.begins)
    return first <= last and not one.over(first)


def _against_step(
    found: TenantExit, person: RosterEntry | None, today: date, *, newest: bool
) -> ExitReason | None:
    if person is None or not _may_act(person, today):
        return ExitReason.PERSON_NOT_IN_FORCE
    return _over(found, newest=newest)


def _over(found: TenantExit, *, newest: bool) -> ExitReason | None:
    if not newest:
        return ExitReason.REPLACED
    return ExitReason.CARRIED_OUT if found.state is ExitState.CARRIED_OUT else None


def _may_act(person: RosterEntry, today: date) -> bool:
    return person.kind in STAFF and person.in_force(today)
