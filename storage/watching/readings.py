"""What is read of a region for its metrics: from the catalog once, and what this process knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from storage.catalog import checkpoints, watch
from storage.catalog.times import Times
from storage.catalog.watch import Watched
from storage.client.homes import REGIONAL, Homes
from storage.model import PostureState
from storage.policy import horizon_alarm
from storage.region import OpenRegion

_ASK: Final = Times(lock=1, statement=5, idle=10)


@dataclass(frozen=True, slots=True)
class Reading:
    """A region at one moment. Ages are in seconds; None: there is nothing that has an age.

    ``closed`` and ``unhealthy``: backends that take nothing new, and that did not answer lately.
    ``posture_ages``: since each posture was read; ``attestation_ages``: since the day of each
    document that vouches for what cannot be read. ``blocked``: too few backends take anything new.
    """

    watched: Watched
    overdue: float
    oldest_erasure: float
    checkpoint_age: float | None
    log_waits: float
    clock_apart: float
    days_ahead: int
    horizon_short: bool
    backends: tuple[str, ...]
    closed: frozenset[str]
    unhealthy: frozenset[str]
    blocked: bool
    posture_ages: Mapping[str, float]
    attestation_ages: Mapping[str, float]


def read_all(homes: Homes) -> dict[str, Reading | None]:
    """Return a reading of each region. None: it does not open, or does not answer."""
    return {name: _read_or_none(homes, name) for name in homes.names}


def _read_or_none(homes: Homes, name: str) -> Reading | None:
    try:
        return read(homes.served(name).region)
    except REGIONAL:
        return None


def read(region: OpenRegion) -> Reading:
    """Read a region, in one transaction. Raises CatalogUnavailable."""
    now, topology = region.clock.now(), region.topology
    states, open_now = region.posture_states(), set(region.open_backends())
    with region.catalog.within(_ASK).begin() as connection:
        watched = watch.look(connection, now, topology.bounds)
        signed = checkpoints.signed_at(connection, region.log_trust)
        waiting = checkpoints.oldest_waiting(connection, region.log_trust)
    today, horizon = now.date(), watched.horizon
    groups = region.region.groups().values()
    return Reading(
        watched,
        overdue=_age(now, watched.overdue_since),
        oldest_erasure=_age(now, watched.oldest_erasure),
        checkpoint_age=None if signed is None else _age(now, signed),
        log_waits=_age(now, waiting),
        clock_apart=region.clock.skew().total_seconds(),
        days_ahead=0 if horizon is None else max(0, (horizon - today).days),
        horizon_short=horizon_alarm(topology, today, horizon),
        backends=tuple(region.backends),
        closed=frozenset(region.lawful()) - open_now,
        unhealthy=frozenset(n for n, backend in region.backends.items() if backend.unhealthy),
        blocked=any(
            sum(spec.name in open_now for spec in group) < region.region.required
            for group in groups
        ),
        posture_ages=_posture_ages(states, now),
        attestation_ages=_attestation_ages(region, now),
    )


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max(timedelta(), now - since).total_seconds()


def _posture_ages(states: Mapping[str, PostureState], now: datetime) -> dict[str, float]:
    return {name: _age(now, state.read) for name, state in states.items() if state.read is not None}


def _attestation_ages(region: OpenRegion, now: datetime) -> dict[str, float]:
    return {
        spec.name: _age(now, datetime.combine(spec.posture_attested.on, time(), UTC))
        for spec in region.region.backends
        if spec.posture_attested is not None
    }
