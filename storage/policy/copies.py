"""Decide what a processor may be given, for how long, and when a copy there counts as deleted."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from regions.model import DataClass, Form, Region, SubProcessor, Topology
from storage.errors import DomicileError, HandOverRefused
from storage.model import PlacementReason, TenantSpec, utc
from storage.policy.agreements import holds_phi
from storage.policy.placement import inactive, storable
from storage.policy.retention import Term

ASK_AHEAD: Final = timedelta(hours=2)
"""How long before its lead time begins a processor is asked to delete a copy. It leaves time for
worker crashes and network failures."""

HELD_AT_PROCESSORS: Final = False
"""Whether a legal hold keeps copies at processors. It keeps our own replicas, which is enough."""

_SKEW = timedelta(minutes=5)  # how far a processor's clock may be from ours


class HandOverReason(StrEnum):
    """Why a copy may or may not be handed over."""

    ALLOWED = "allowed"
    NOT_STORABLE = "not_storable"  # storing the record at all is refused
    UNKNOWN_PROCESSOR = "unknown_processor"
    NO_CONNECTOR = "no_connector"
    SERVICE_NOT_ALLOWED = "service_not_allowed"  # for the class
    FORM_NOT_AVAILABLE = "form_not_available"  # the service gets a form that nothing makes yet
    OUTSIDE_RESIDENCY = "outside_residency"  # it may hold data outside the tenant's residency
    SUB_PROCESSOR_NOT_YET = "sub_processor_not_yet"
    SUB_PROCESSOR_ENDED = "sub_processor_ended"
    OBJECTED = "objected"  # the tenant objects to the processor
    SUB_PROCESSOR_BAA_MISSING = "sub_processor_baa_missing"  # it may get no health information


@dataclass(frozen=True, slots=True)
class HandOver:
    """Whether a copy may be handed over, and why.

    ``refusal``: why storing the record at all is refused, if it is.
    """

    reason: HandOverReason
    refusal: DomicileError | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may be handed over."""
        return self.reason is HandOverReason.ALLOWED

    def demand(self) -> None:
        """Raise HandOverRefused, or the refusal of the record, unless it is allowed."""
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)
        if not self.allowed:
            raise HandOverRefused(
                reasons=(self.reason,),
                advice="Processors are listed in sub_processors.toml, "
                "and the services that each class may be handed to in classes.toml.",
            )


def may_hand_over(
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    processor: str,
    now: datetime,
    *,
    objections: Collection[str],
) -> HandOver:
    """Decide whether a copy of a tenant's record of that class may go to a processor now.

    ``objections``: the companies that the tenant objects to. Whether the record is one that the
    service gets, such as a flagged one, ``may_open`` decides.
    """
    on = utc(now).date()
    refusal = storable(topology, tenant, data_class, on, objections)
    if refusal is not None:
        return HandOver(HandOverReason.NOT_STORABLE, refusal)
    company = topology.sub_processors.get(processor)
    if company is None:
        return HandOver(HandOverReason.UNKNOWN_PROCESSOR)
    if company.connector is None:
        return HandOver(HandOverReason.NO_CONNECTOR)
    given = topology.classes[data_class].given_to(company.service)
    if given is None:
        return HandOver(HandOverReason.SERVICE_NOT_ALLOWED)
    permitted = topology.residencies[tenant.residency].jurisdictions
    if not company.jurisdictions or not company.jurisdictions <= permitted:
        return HandOver(HandOverReason.OUTSIDE_RESIDENCY)
    reason: str | None = inactive(company, on)
    if processor in objections:
        reason = PlacementReason.OBJECTED
    elif reason is None and holds_phi(topology, tenant) and not company.takes_phi(on):
        reason = HandOverReason.SUB_PROCESSOR_BAA_MISSING
    elif reason is None and given.form is not Form.RAW:
        reason = HandOverReason.FORM_NOT_AVAILABLE
    return HandOver(HandOverReason(reason or HandOverReason.ALLOWED))


def processors_of(topology: Topology, region: Region) -> tuple[SubProcessor, ...]:
    """Return the processors that tenants at home in a region could hand records over to."""
    here = [
        r.jurisdictions
        for r in topology.residencies.values()
        if region.jurisdiction in r.jurisdictions
    ]
    return tuple(
        company
        for company in topology.sub_processors.values()
        if company.connector is not None
        and company.jurisdictions
        and any(company.jurisdictions <= permitted for permitted in here)
    )


class CopyTermReason(StrEnum):
    """Why a copy may or may not be made for its term."""

    ALLOWED = "allowed"
    TOO_SHORT = "too_short"  # the processor would have to be asked to delete it at once


@dataclass(frozen=True, slots=True)
class CopyTerm:
    """How long a copy may live.

    It is gone by ``deadline``; the processor is asked to delete it from ``ask_at`` on.
    """

    deadline: datetime
    ask_at: datetime
    reason: CopyTermReason

    def demand(self) -> None:
        """Raise HandOverRefused if there is no time to use the copy."""
        if self.reason is not CopyTermReason.ALLOWED:
            raise HandOverRefused(
                "The copy would have to be deleted at once: it has no time left.",
                reasons=(self.reason,),
            )


def copy_term(company: SubProcessor, term: Term, now: datetime) -> CopyTerm:
    """Return the term of a copy that is handed over now; ``term`` is that of the record.

    The copy lives no longer than the record, than the processor may keep it, and than the agreement
    with the processor lasts. Its deletion is requested by the time that the record stops being
    readable.
    """
    assert company.connector is not None
    moment = utc(now)
    ends = [moment + company.connector.longest]
    if term.deadline is not None:
        ends.append(term.deadline)
    if company.until is not None:
        ends.append(datetime.combine(company.until, time.min, UTC))
    deadline = min(ends)
    ask_at = deadline - company.connector.lead - ASK_AHEAD
    if term.readable_until is not None:
        ask_at = min(ask_at, term.readable_until)
    reason = CopyTermReason.ALLOWED if ask_at > moment else CopyTermReason.TOO_SHORT
    return CopyTerm(deadline, ask_at, reason)


def agreement_ending(company: SubProcessor, now: datetime) -> bool:
    """Whether all copies must be asked back: the agreement has ended, or soon will."""
    lead = company.connector.lead if company.connector is not None else timedelta()
    return company.until is not None and (utc(now) + lead + ASK_AHEAD).date() >= company.until


class DeletionReason(StrEnum):
    """Why a processor's deletion of a copy counts or does not count."""

    GONE = "gone"
    MAY_STILL_LAND = "may_still_land"  # a delivery that timed out may still arrive
    BEFORE_DELIVERY = "before_delivery"  # the stated time is impossible
    IN_THE_FUTURE = "in_the_future"  # the stated time is impossible


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whether a copy counts as deleted, and why."""

    reason: DeletionReason

    @property
    def done(self) -> bool:
        """Whether the copy counts as deleted."""
        return self.reason is DeletionReason.GONE


def confirm_deletion(
    *, deleted_at: datetime, announced: datetime, land_by: datetime, asked: datetime
) -> Deletion:
    """Decide whether a processor's statement that it deleted a copy confirms the deletion.

    ``announced``: when the copy was announced in the catalog. ``land_by``: the last moment at which
    its delivery could take effect. ``asked``: when the answered request was made.
    """
    deleted = utc(deleted_at)
    if utc(asked) <= utc(land_by):
        return Deletion(DeletionReason.MAY_STILL_LAND)
    if deleted < utc(announced) - _SKEW:
        return Deletion(DeletionReason.BEFORE_DELIVERY)
    if deleted > utc(asked) + _SKEW:
        return Deletion(DeletionReason.IN_THE_FUTURE)
    return Deletion(DeletionReason.GONE)
