"""Decide whether a tenant or a region may end: only when nothing is left."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from storage.errors import RegionNotEmpty, TenantNotEmpty
from storage.policy.stages import Stage

Left = Mapping[str, int]
"""How many things are left, by what they are. What is not there is not in it."""


class EndReason(StrEnum):
    """Why a tenant or a region may or may not end."""

    ALLOWED = "allowed"
    NOT_EMPTY = "not_empty"  # something is left
    NOT_RETIRING = "not_retiring"  # the region still takes tenants
    NOT_RETIRED = "not_retired"  # the region was in use, and nobody has retired it


@dataclass(frozen=True, slots=True)
class TenantEnd:
    """Whether a tenant may be removed, and why."""

    tenant: str
    left: Left

    @property
    def reason(self) -> EndReason:
        """The reason code."""
        return EndReason.NOT_EMPTY if self.left else EndReason.ALLOWED

    def demand(self) -> None:
        """Raise TenantNotEmpty unless it may."""
        if self.left:
            raise TenantNotEmpty(
                f"Tenant {self.tenant} still has {in_words(self.left)}.", reasons=(self.reason,)
            )


@dataclass(frozen=True, slots=True)
class RegionEnd:
    """Whether a region may end, and why."""

    region: str
    reason: EndReason
    left: Left

    @property
    def allowed(self) -> bool:
        """Whether it may."""
        return self.reason is EndReason.ALLOWED

    def demand(self) -> None:
        """Raise RegionNotEmpty unless it may."""
        if self.allowed:
            return
        why = f"it has {in_words(self.left)}" if self.left else "it was in use until now"
        raise RegionNotEmpty(
            f"The region {self.region} cannot be retired: {why}.",
            reasons=(self.reason,),
            advice=f"Run: domicile region retire {self.region}",
        )


def may_empty(region: str, stage: Stage | None, left: Left) -> RegionEnd:
    """Decide whether what a region needs for itself may be purged: day keys, ledger.

    ``left``: all else that is there. The caller holds the lock that keeps the stage.
    """
    if stage is not Stage.RETIRING:
        return RegionEnd(region, EndReason.NOT_RETIRING, left)
    return RegionEnd(region, EndReason.NOT_EMPTY if left else EndReason.ALLOWED, left)


def may_undeclare(region: str, stage: Stage | None, left: Left) -> RegionEnd:
    """Decide whether a revision may end a region: it is retired, or never was routable.

    ``left``: everything that is there.
    """
    if left:
        return RegionEnd(region, EndReason.NOT_EMPTY, left)
    used = stage in (None, Stage.ROUTABLE, Stage.RETIRING)
    return RegionEnd(region, EndReason.NOT_RETIRED if used else EndReason.ALLOWED, left)


def in_words(left: Left) -> str:
    """Return what is left as a list for people."""
    return ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in left.items())
