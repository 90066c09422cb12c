"""Purge: what is given up is removed from its backend, and looked for until it is seen absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import holds, objects
from storage.catalog.objects import Attempt
from storage.errors import BackendError
from storage.model import ReplicaState
from storage.packs.transfer import KEPT
from storage.policy import absent, may_destroy
from storage.region import OpenRegion
from storage.workers.pace import FIRST_RETRY, LAST_RETRY, LEASE

BATCH = 64


@dataclass(frozen=True, slots=True)
class _Purge:
    """A replica to be purged.

    ``held``: it is the last that is left of what a hold needs. ``locked``: its backend was told to
    refuse its deletion.
    """

    attempt: Attempt
    held: bool
    locked: bool


def purge(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Try a batch of due replicas. Says how many it tried; each is gone, or due again later."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        claimed = objects.claim_purges(connection, now, now + LEASE, BATCH)
        todo = _todo(connection, claimed)
    for failed in filter(None, region.pool.map(lambda one: _purge_one(region, one), todo)):
        log.warning("purge_failed", region=region.name, **failed)
    return len(claimed)


def _todo(connection: Connection, claimed: Sequence[Attempt]) -> list[_Purge]:
    """With a row in ``purging`` nobody makes an object needed again: so it stays as it is told."""
    known = objects.known(connection, {attempt.object_id for attempt in claimed})
    needed = holds.needed(connection, {i: x.day for i, x in known.items()})
    copies = objects.attempts_of(connection, needed, [ReplicaState.STORED])
    return [
        _Purge(
            a,
            held=a.object_id in needed and a.object_id not in copies,
            locked=known[a.object_id].kind in KEPT,
        )
        for a in claimed
    ]


def _purge_one(region: OpenRegion, one: _Purge) -> dict[str, object] | None:
    """What went wrong, if anything did; it is due again then. There is no last attempt."""
    now, attempt = region.clock.now(), one.attempt
    backend = region.backends.get(attempt.backend)
    permit = may_destroy(what="replica", state=attempt.state, held=one.held, now=now)
    if backend is None or not permit.allowed:
        reason = permit.reason if backend is not None else "BackendUnknown"
        return _again(region, attempt, reason, now + _delay(attempt))
    try:
        if one.locked:
            backend.release(attempt.key)
        backend.purge(attempt.key)
        looked = region.clock.now()
        left = backend.traces(attempt.key)
    except BackendError as error:
        return _again(region, attempt, error.code, now + _delay(attempt))
    verdict = absent(left=len(left), now=looked, land_by=attempt.land_by)
    if verdict.done:
        with region.catalog.begin() as connection:
            objects.mark_gone(connection, attempt, region.look(attempt.backend), looked)
        return None
    if verdict.reason == "may_still_land":
        later = attempt.land_by + timedelta(milliseconds=1)
        _again(region, attempt, None, later)
        return None
    return _again(region, attempt, "PurgeIncomplete", now + _delay(attempt))


def _again(
    region: OpenRegion, attempt: Attempt, code: str | None, at: datetime
) -> dict[str, object]:
    with region.catalog.begin() as connection:
        objects.purge_later(connection, attempt.id, code, at)
    return {"backend": attempt.backend, "error": code, "attempts": attempt.attempts}


def _delay(attempt: Attempt) -> timedelta:
    """Longer each time, up to an hour: a backend that returns is then purged within the hour."""
    grown: timedelta = FIRST_RETRY * 2 ** min(attempt.attempts, 12)
    return min(LAST_RETRY, grown)
