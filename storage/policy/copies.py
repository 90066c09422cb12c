"""What may be handed over to a processor, for how long, and when it is known to be gone there."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from regions.model import DataClass, Region, SubProcessor, Topology
from storage.errors import DomicileError, HandOverRefused
from storage.model import TenantSpec, utc
from storage.policy.placement import inactive, storable
from storage.policy.retention import Term

ASKING: Final = timedelta(hours=2)
"""So long before a processor's lead time begins it is asked: workers die, and networks fail."""

HELD_AT_PROCESSORS: Final = False
"""Whether a legal hold keeps copies at processors: it keeps what we have, and that is enough."""

_SKEW = timedelta(minutes=5)  # how far a processor's clock may be from ours


@dataclass(frozen=True, slots=True)
class HandOver:
    """Whether a copy may be handed over.

    Reason codes: ``allowed``; ``unknown_processor``; ``no_connector``; ``service_not_allowed`` (for
    the class); ``outside_residency`` (it may hold data where the tenant's may not be);
    ``sub_processor_not_yet`` and ``sub_processor_ended``; or that of ``refusal``, which stands
    against storing the record at all.
    """

    allowed: bool
    reason: str
    refusal: DomicileError | None = None

    def lawful(self) -> None:
        """Raises HandOverRefused, or what ``place`` refuses the record with."""
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)
        if not self.allowed:
            raise HandOverRefused(
                reasons=(self.reason,),
                advice="sub_processors.toml says who may be given a copy, classes.toml of what.",
            )


def may_hand_over(
    topology: Topology, tenant: TenantSpec, data_class: DataClass, processor: str, now: datetime
) -> HandOver:
    """Whether a copy of a tenant's record of that class may go to a processor now."""
    on = utc(now).date()
    refusal = storable(topology, tenant, data_class, on)
    if refusal is not None:
        return HandOver(allowed=False, reason="not_storable", refusal=refusal)
    company = topology.sub_processors.get(processor)
    if company is None:
        return HandOver(allowed=False, reason="unknown_processor")
    permitted = topology.residencies[tenant.residency].jurisdictions
    reason = inactive(company, on)
    if not company.jurisdictions or not company.jurisdictions <= permitted:
        reason = "outside_residency"
    if company.service not in topology.classes[data_class].handed_to:
        reason = "service_not_allowed"
    if company.connector is None:
        reason = "no_connector"
    return HandOver(reason is None, reason or "allowed")


def processors_of(topology: Topology, region: Region) -> tuple[SubProcessor, ...]:
    """The processors to which records of tenants at home in a region could be handed over."""
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


@dataclass(frozen=True, slots=True)
class CopyTerm:
    """How long a copy may live: by ``deadline`` it is gone, from ``ask_at`` on that is asked for.

    Reason codes: ``allowed``; ``too_short`` (its deletion would have to be asked for at once).
    """

    deadline: datetime
    ask_at: datetime
    reason: str

    def demand(self) -> None:
        """Raises HandOverRefused if there is no time to use the copy."""
        if self.reason != "allowed":
            raise HandOverRefused(
                "The copy would have to be deleted at once: it has no time left.",
                reasons=(self.reason,),
            )


def copy_term(company: SubProcessor, term: Term, now: datetime) -> CopyTerm:
    """The term of a copy that is handed over now; ``term`` is that of the record.

    It lives no longer than the record, than its processor may keep it, and than the agreement with
    the processor lasts. It is asked for when the record cannot be read any more, or earlier.
    """
    assert company.connector is not None
    moment = utc(now)
    ends = [moment + company.connector.longest]
    if term.deadline is not None:
        ends.append(term.deadline)
    if company.until is not None:
        ends.append(datetime.combine(company.until, time.min, UTC))
    deadline = min(ends)
    ask_at = deadline - company.connector.lead - ASKING
    if term.readable_until is not None:
        ask_at = min(ask_at, term.readable_until)
    return CopyTerm(deadline, ask_at, "allowed" if ask_at > moment else "too_short")


def has_to_end(company: SubProcessor, now: datetime) -> bool:
    """Whether its agreement ends so soon that all copies have to be asked back, or has ended."""
    lead = company.connector.lead if company.connector is not None else timedelta()
    return company.until is not None and (utc(now) + lead + ASKING).date() >= company.until


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether a copy counts as gone.

    Reason codes: ``gone``; ``may_still_land`` (a delivery that nobody waits for may still
    arrive); ``before_delivery`` and ``in_the_future`` (it cannot have been then).
    """

    done: bool
    reason: str


def settled(
    *, deleted_at: datetime, announced: datetime, land_by: datetime, asked: datetime
) -> Settled:
    """Whether a processor's word that it deleted a copy settles the matter.

    ``asked``: when the deletion was asked for, in the request that the answer follows.
    """
    deleted = utc(deleted_at)
    if utc(asked) <= utc(land_by):
        return Settled(done=False, reason="may_still_land")
    if deleted < utc(announced) - _SKEW:
        return Settled(done=False, reason="before_delivery")
    if deleted > utc(asked) + _SKEW:
        return Settled(done=False, reason="in_the_future")
    return Settled(done=True, reason="gone")
