"""Decide whether a topology leaves the past as a catalog has seen it.

A topology may state any epochs. What a catalog saw, and when, it cannot change: so an epoch is
added, changed or taken away only before its first day. The first topology of a catalog is believed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from regions.model import Topology
from storage.errors import DOCUMENTATION, EpochBackdated

_PAGE = f"See {DOCUMENTATION}howto/change-the-terms/"


class EpochReason(StrEnum):
    """Why an epoch is refused. Its first day is not after today."""

    ADDED = "added"
    CHANGED = "changed"
    TAKEN_AWAY = "taken_away"


@dataclass(frozen=True, slots=True)
class SeenEpoch:
    """What an epoch states, as a catalog notes it."""

    begins: date
    train: str | None
    ceiling_days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EpochFault:
    """An epoch by which a topology would change the past."""

    begins: date
    reason: EpochReason

    def error(self, region: str, today: date) -> EpochBackdated:
        """Return the error for the catalog of a region."""
        what = f"The epoch from {self.begins} would be {self.reason.replace('_', ' ')}"
        why = f"only what begins after today, {today}, may still change in {region}"
        return EpochBackdated(
            f"{what}, but {why}.",
            advice="Set epochs.toml back to what it said, and let what is new begin tomorrow or "
            f"later. {_PAGE}",
        )


def stated_epochs(topology: Topology) -> tuple[SeenEpoch, ...]:
    """Return the epochs of a topology, as a catalog notes them."""
    return tuple(
        SeenEpoch(
            one.begins,
            one.train.value if one.train is not None else None,
            {name.value: days for name, days in one.ceiling_days.items()},
        )
        for one in topology.epochs
    )


def epoch_faults(
    seen: Sequence[SeenEpoch] | None, new: Sequence[SeenEpoch], today: date
) -> Iterator[EpochFault]:
    """Yield what new epochs change of the past, the oldest first. ``seen``: None if none was."""
    if seen is None:
        return
    before = {one.begins: one for one in seen}
    after = {one.begins: one for one in new}
    for begins in sorted(before.keys() | after.keys()):
        if begins > today or before.get(begins) == after.get(begins):
            continue
        if begins not in before:
            yield EpochFault(begins, EpochReason.ADDED)
        elif begins in after:
            yield EpochFault(begins, EpochReason.CHANGED)
        else:
            yield EpochFault(begins, EpochReason.TAKEN_AWAY)
