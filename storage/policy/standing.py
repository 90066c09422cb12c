"""Decide which backends take bytes, which may be read, and which are to be emptied."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from regions.backends import BackendSpec
from regions.model import Region, SubProcessor
from storage.errors import RetirementRefused
from storage.model import PlacementReason
from storage.policy.placement import unavailable
from storage.policy.scrub import reassign


class Standing(StrEnum):
    """What a backend may do on a day."""

    OPEN = "open"  # takes bytes
    NOT_YET = "not_yet"  # its agreement has not begun
    LEAVING = "leaving"  # takes none; may be read while what is there is moved
    ENDED = "ended"  # may hold none: only the duty that empties it reads there

    @property
    def readable(self) -> bool:
        """Whether a read for a purpose may go there."""
        return self in (Standing.OPEN, Standing.LEAVING)

    @property
    def vacating(self) -> bool:
        """Whether what is there is to be moved elsewhere."""
        return self in (Standing.LEAVING, Standing.ENDED)


def standing(spec: BackendSpec, company: SubProcessor, on: date) -> Standing:
    """Return what a backend may do on that UTC day."""
    reason = unavailable(spec, company, on)
    return Standing.OPEN if reason is None else _STANDINGS[reason]


_STANDINGS = {
    PlacementReason.SUB_PROCESSOR_NOT_YET: Standing.NOT_YET,
    PlacementReason.SUB_PROCESSOR_ENDED: Standing.ENDED,
    PlacementReason.SUB_PROCESSOR_LEAVING: Standing.LEAVING,
    PlacementReason.BACKEND_RETIRES: Standing.LEAVING,
}


def settle(backends: Sequence[str], lawful: Sequence[str], replicas: int) -> tuple[str, ...]:
    """Return where an object belongs: on as many backends as before, if so many are lawful.

    Where fewer than ``replicas`` are lawful a former one keeps its name in the list: its replica
    counts as missing until another backend is there to take it.
    """
    home = reassign(backends, lawful)
    former = [name for name in backends if name not in lawful]
    lacking = max(min(replicas, len(backends)) - len(home), 0)
    return (*home, *former[:lacking])


def may_leave(*, home: Collection[str], intact: Collection[str], required: int) -> bool:
    """Return whether the replicas on backends that are emptied may be purged.

    ``home``: the lawful backends that the object belongs on. ``intact``: those whose replica was
    just read, and is what was written.
    """
    return len(home) >= required and set(home) <= set(intact)


class RetireReason(StrEnum):
    """Why a backend may or may not be emptied."""

    ALLOWED = "allowed"
    NOT_DECLARED = "not_declared"  # nothing in the topology says that it leaves
    TOO_FEW_LEFT = "too_few_left"  # fewer lawful backends would be left than replicas are wanted


@dataclass(frozen=True, slots=True)
class Retire:
    """Whether a backend may be emptied now, and why."""

    backend: str
    reason: RetireReason

    def demand(self) -> None:
        """Raise RetirementRefused unless it may."""
        if self.reason is RetireReason.NOT_DECLARED:
            raise RetirementRefused(
                f"Nothing in the topology says that {self.backend} leaves.",
                reasons=(self.reason,),
                advice="Set retires = true in its entry, and restart every process of the region.",
            )
        if self.reason is RetireReason.TOO_FEW_LEFT:
            raise RetirementRefused(
                f"Without {self.backend} too few lawful backends are left for every replica.",
                reasons=(self.reason,),
                advice="Add a backend to the region, or lower its replicas.",
            )


def may_retire(region: Region, backend: str, standings: dict[str, Standing]) -> Retire:
    """Decide whether a backend may be emptied. ``standings``: of all backends of the region."""
    if not standings[backend].vacating:
        return Retire(backend, RetireReason.NOT_DECLARED)
    enough = all(
        sum(standings[spec.name] is Standing.OPEN for spec in region.places_of(tenant))
        >= region.replicas
        for tenant in _users(region, backend)
    )
    return Retire(backend, RetireReason.ALLOWED if enough else RetireReason.TOO_FEW_LEFT)


def peers(region: Region, backend: str) -> list[str]:
    """Return the backends where the bytes may be that a backend takes, itself among them."""
    users = _users(region, backend)
    return [s.name for s in region.backends if any(s in region.places_of(t) for t in users)]


def _users(region: Region, backend: str) -> Collection[str | None]:
    """Return the tenants that a backend is dedicated to. None: it is shared."""
    (spec,) = (spec for spec in region.backends if spec.name == backend)
    return spec.dedicated_to or (None,)
