"""Decide once for many writes: what holds for the records of a tenant until a stated moment."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from regions.model import DataClass, Topology
from storage.model import PlacementReason, RecordId, TenantSpec, utc
from storage.policy.placement import Placement, decide_placement
from storage.policy.retention import (
    Term,
    accept_id,
    counts_from,
    midnight,
    retain,
    term_under,
)

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What holds for new records of a class of a tenant, from ``begins`` until before ``ends``.

    In that time ``decide_placement`` gives ``placement`` for the same terms and the same closed
    backends, and ``retain`` gives ``term``. What changes at any moment is not in it: what a fence
    covers, which backend answers, and which is closed.
    """

    topology: Topology
    tenant: TenantSpec
    placement: Placement
    term: Term
    begins: datetime
    ends: datetime

    def covers(self, moment: datetime) -> bool:
        """Whether the plan holds at that moment."""
        return self.begins <= moment < self.ends

    def accept(
        self, record_id: RecordId, now: datetime, error: timedelta, *, origin: date | None = None
    ) -> Term:
        """Return what ``accept_id`` returns, and raise what it raises."""
        if origin is not None:
            return accept_id(self.topology, self.tenant, record_id, now, error, origin=origin)
        moment, term = counts_from(record_id, now, error), self.term
        if not (self.covers(record_id.minted) and self.covers(moment)):
            return accept_id(self.topology, self.tenant, record_id, now, error)
        if record_id.day == term.expiry_day:
            return term
        return term_under(self.topology, record_id, term, term.expiry_day, moment)


def plan_writes(
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    now: datetime,
    closed: Mapping[str, PlacementReason],
    *,
    objections: Collection[str],
) -> Plan:
    """Return the plan from ``now`` on. The arguments are those of ``decide_placement``.

    It ends at midnight, since placement and agreements go by days, or at the moment of the day from
    which a record expires a day later. Raises UnknownClass.
    """
    begins, purge = utc(now), topology.bounds.purge
    placement = decide_placement(
        topology, tenant, data_class, begins.date(), closed, objections=objections
    )
    term = retain(topology, tenant, data_class, begins)
    later = midnight((begins - purge).date() + _DAY) + purge
    ends = min(midnight(begins.date() + _DAY), later)
    return Plan(topology, tenant, placement, term, begins, ends)
