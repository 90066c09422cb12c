"""Decide what the posture of a backend permits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from regions.backends import PostureAttested
from regions.fields import PostureCheck
from storage.model import PlacementReason, Posture, PostureFinding

POSTURE_AGE = timedelta(minutes=5)
"""How old a posture may be when something new is sent to the backend."""

POSTURE_REFRESH = POSTURE_AGE / 2
"""The age from which it is read again, while it is still believed."""

POSTURE_SKEW = timedelta(seconds=1)
"""How far a posture may be in the future: clocks of processes differ by less. Later than that, the
clock was set back, and nobody knows how old it is."""


@dataclass(frozen=True, slots=True)
class KnownPosture:
    """A posture, and when it was read by the database's clock."""

    findings: Posture
    read: datetime


def weigh(
    findings: Posture, attested: PostureAttested | None, on: date
) -> dict[PostureCheck, PostureFinding]:
    """Return the findings that are not ``ok``. A document attests only what cannot be read."""
    vouched = attested.checks if attested is not None and attested.on <= on else frozenset()
    return {
        check: PostureFinding.ATTESTED
        if found is PostureFinding.UNREADABLE and check in vouched
        else found
        for check, found in findings.items()
        if found is not PostureFinding.OK
    }


def attested_from(findings: Posture, attested: PostureAttested | None, on: date) -> date | None:
    """Return from when a document attests what cannot be read today. None: none will."""
    if attested is None or attested.on <= on:
        return None
    unreadable = {x for x, found in findings.items() if found is PostureFinding.UNREADABLE}
    return attested.on if unreadable & attested.checks else None


def closed(
    known: KnownPosture | None, attested: PostureAttested | None, now: datetime
) -> PlacementReason | None:
    """Return why nothing new may go to a backend that has a posture, or None if it may."""
    if known is None or not -POSTURE_SKEW <= now - known.read <= POSTURE_AGE:
        return PlacementReason.POSTURE_UNKNOWN
    against = set(weigh(known.findings, attested, now.date()).values())
    if PostureFinding.BAD in against:
        return PlacementReason.POSTURE_BAD
    if PostureFinding.UNREADABLE in against:
        return PlacementReason.POSTURE_UNREADABLE
    return None


def needs_reading(known: KnownPosture | None, now: datetime) -> bool:
    """Return whether a posture is to be read again."""
    return known is None or not -POSTURE_SKEW <= now - known.read < POSTURE_REFRESH


def closed_until(known: KnownPosture, now: datetime) -> datetime:
    """Return until when ``closed`` and ``needs_reading`` say what they say now, if nothing is read.

    That is ``now`` itself if the posture is to be read again.
    """
    if needs_reading(known, now):
        return now
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    return min(known.read + POSTURE_REFRESH, tomorrow)


def ledger_backends(
    open_now: Mapping[str, bool], accepted: frozenset[str], required: int
) -> tuple[str, ...]:
    """Return where ledger entries go: the open backends, or the accepted too if those are too few.

    ``open_now``: the lawful backends, the primary first, and whether each is open.
    """
    found = tuple(name for name, is_open in open_now.items() if is_open)
    if len(found) >= required:
        return found
    return tuple(name for name, is_open in open_now.items() if is_open or name in accepted)
