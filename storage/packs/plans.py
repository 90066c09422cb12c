"""The plans by which a process writes: see ``storage.policy.plans``."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, NamedTuple

from storage.catalog.daykeys import Slot
from storage.catalog.tenants import TenantTerms
from storage.model import DataClass, PlacementReason
from storage.packs.sealed import LaneKey
from storage.policy import Plan, plan_writes
from storage.region import OpenRegion

_KEPT: Final = 16_384  # about 1 KiB each


class Lane(NamedTuple):
    """The lane of some records, and which day key wraps their keys. None: each has its own."""

    key: LaneKey
    slot: Slot | None


class Kept(NamedTuple):
    """A plan, what it was made from, and the lanes of its records by day and ``own_pack``."""

    terms: TenantTerms
    closed: Mapping[str, PlacementReason]
    plan: Plan
    lanes: dict[tuple[date | None, bool], Lane]


class Plans:
    """The plan of each tenant and class. Safe for many threads: the last one that is made stays."""

    def __init__(self, region: OpenRegion) -> None:
        self._region = region
        self._kept: dict[tuple[str, DataClass], Kept] = {}

    def find(self, terms: TenantTerms, data_class: DataClass, now: datetime) -> Kept:
        """Return the plan that holds now, for the backends that are closed now.

        Call it outside of a transaction. Raises UnknownClass.
        """
        name, closed = (terms.spec.id, data_class), self._region.postures.unfit()
        kept = self._kept.get(name)
        if kept is None or kept.closed != closed or not _holds(kept, terms, now):
            plan = plan_writes(
                self._region.topology,
                terms.spec,
                data_class,
                now,
                closed,
                objections=terms.objections,
            )
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = self._kept[name] = Kept(terms, closed, plan, {})
        return kept

    def known(self, terms: TenantTerms, data_class: DataClass, now: datetime) -> Plan | None:
        """Return a plan whose term holds now, if there is one. Its placement may be another now."""
        kept = self._kept.get((terms.spec.id, data_class))
        return kept.plan if kept is not None and _holds(kept, terms, now) else None


def _holds(kept: Kept, terms: TenantTerms, now: datetime) -> bool:
    """Whether a plan was made on these terms and holds now."""
    same = kept.terms is terms or kept.terms == terms  # the same ones are read again all the time
    return same and kept.plan.covers(now)
