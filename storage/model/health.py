"""Whether a process can serve its regions now."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.model.placement import PlacementReason


@dataclass(frozen=True, slots=True)
class BackendHealth:
    """A backend as this process has found it in the last seconds. Nobody asked it for this.

    ``answers``: no call of the last seconds failed for want of an answer. ``closed``: why nothing
    new may go there today.
    """

    backend: str
    answers: bool
    closed: PlacementReason | None

    @property
    def usable(self) -> bool:
        """Whether something new can go there."""
        return self.answers and self.closed is None


@dataclass(frozen=True, slots=True)
class RegionHealth:
    """Whether a region can be served.

    ``error``: the code of the error with which it does not open, or its catalog does not answer.
    ``short``: fewer backends are usable than a write needs. Those that are some tenant's own do not
    count, unless the region has no others.
    """

    region: str
    error: str | None
    backends: tuple[BackendHealth, ...] = ()
    short: bool = False

    @property
    def ready(self) -> bool:
        """Whether it can be read and written."""
        return self.error is None and not self.short


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The health of all regions that a process serves, by name."""

    regions: Mapping[str, RegionHealth]

    @property
    def ready(self) -> bool:
        """Whether it can serve any of them: one that is away must not stop the others."""
        return any(region.ready for region in self.regions.values())
