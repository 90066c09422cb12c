"""Purge: delete replicas from their backends, and list them until they are seen absent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import departures, hold_predicate, objects, purges, storages
from storage.catalog.kinds import ObjectKind
from storage.catalog.objects import Replica
from storage.catalog.purges import Retry
from storage.catalog.row_ids import made
from storage.errors import BackendError
from storage.model import PostureState, ReplicaState
from storage.objects import control
from storage.policy import LEASE, AbsenceReason, absent, may_destroy, retry_after
from storage.region import OpenRegion

BATCH = 64
DOUBT = timedelta(minutes=5)
"""How long after storage was said to be lost a write may still have gone there: it was announced
just before, by a process whose clock is a little ahead."""


@dataclass(frozen=True, slots=True)
class _Purge:
    """A replica to purge.

    ``controlled``: its absence is believed only if the backend lists a control. ``held``: it is the
    last stored replica of an object that a hold needs. ``locked``: its backend was asked to refuse
    deletion.
    """

    attempt: Replica
    controlled: bool
    held: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``gone``: when it was seen absent, and ``control``: the object that was listed meanwhile.

    Otherwise it is due ``again``, because of ``error``.
    """

    attempt: Replica
    gone: datetime | None = None
    control: UUID | None = None
    again: datetime | None = None
    error: str | None = None


def purge(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Purge a batch of due replicas. Return how many were tried; each is gone or due again."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        claimed = purges.claim(connection, now, now + LEASE, BATCH)
        todo = _todo(connection, claimed)
    outcomes = _purge_all(region, todo)
    if outcomes:
        postures = region.posture_states()
        region.catalog.run(lambda connection: _note(region, connection, outcomes, postures))
    for outcome in outcomes:
        if outcome.error is not None:
            log.warning(
                "purge_failed",
                region=region.name,
                backend=outcome.attempt.backend,
                error=outcome.error,
                attempts=outcome.attempt.attempts,
            )
    return len(claimed)


def _purge_all(region: OpenRegion, todo: Sequence[_Purge]) -> list[_Outcome]:
    """Purge, and believe that a replica is absent only if its backend lists a control meanwhile."""
    named = sorted({one.attempt.backend for one in todo if one.controlled} & region.backends.keys())
    planted = control.plant(region, named) if named else None
    outcomes = list(region.pool.map(lambda one: _purge_one(region, one), todo))
    if planted is None:
        return outcomes
    errors = control.check(region, planted)
    return [
        _believed(region, outcome, errors[one.attempt.backend], planted.id)
        if one.controlled and outcome.gone is not None
        else outcome
        for one, outcome in zip(todo, outcomes, strict=True)
    ]


def _believed(region: OpenRegion, outcome: _Outcome, error: str | None, by: UUID) -> _Outcome:
    """Return the outcome with the control that it rests on, or for another try."""
    if error is None:
        return replace(outcome, control=by)
    later = region.clock.now() + retry_after(outcome.attempt.attempts)
    return _Outcome(outcome.attempt, again=later, error=error)


def _todo(connection: Connection, claimed: Sequence[Replica]) -> list[_Purge]:
    """Read what the purges need to know. It stays true: no purging object becomes needed again."""
    known = objects.summaries_of(connection, {attempt.object_id for attempt in claimed})
    needed = hold_predicate.needed(connection, {i: x.day for i, x in known.items()})
    copies = objects.replicas_of(connection, needed, [ReplicaState.STORED])
    return [
        _Purge(
            a,
            controlled=known[a.object_id].kind is not ObjectKind.CANARY,
            held=a.object_id in needed and a.object_id not in copies,
            locked=known[a.object_id].kind.under_hold,
        )
        for a in claimed
    ]


def _purge_one(region: OpenRegion, one: _Purge) -> _Outcome:
    """Try one purge. It is tried again until the replica is seen absent."""
    now, attempt = region.clock.now(), one.attempt
    later = now + retry_after(attempt.attempts)
    backend = region.backends.get(attempt.backend)
    destruction = may_destroy(what="replica", state=attempt.state, held=one.held, now=now)
    if backend is None or not destruction.allowed:
        reason = destruction.reason if backend is not None else "BackendUnknown"
        return _Outcome(attempt, again=later, error=reason)
    try:
        if one.locked:
            backend.release(attempt.key)
        backend.purge(attempt.key)
        looked = region.clock.now()
        left = backend.list_key(attempt.key)
    except BackendError as error:
        return _Outcome(attempt, again=later, error=error.code)
    verdict = absent(left=len(left), now=looked, land_by=attempt.land_by)
    if verdict.done:
        return _Outcome(attempt, gone=looked)
    if verdict.reason is AbsenceReason.MAY_STILL_LAND:
        return _Outcome(attempt, again=attempt.land_by + timedelta(milliseconds=1))
    return _Outcome(attempt, again=later, error="PurgeIncomplete")


def _note(
    region: OpenRegion,
    connection: Connection,
    outcomes: Sequence[_Outcome],
    postures: Mapping[str, PostureState],
) -> None:
    """Record the outcomes in one transaction. Objects are locked in order, before replicas."""
    objects.lock(connection, [outcome.attempt.object_id for outcome in outcomes])
    losses = storages.last_losses(connection)
    for outcome in outcomes:
        if outcome.gone is not None:
            name = outcome.attempt.backend
            lost = name in losses and made(outcome.attempt.id) <= losses[name] + DOUBT
            visibility = region.visibility(name, postures.get(name), lost=lost)
            purges.mark_gone(
                connection, outcome.attempt, visibility, outcome.gone, control=outcome.control
            )
    seen_absent = [outcome.attempt.id for outcome in outcomes if outcome.gone is not None]
    departures.count_absent(connection, seen_absent)
    purges.retry_later(
        connection,
        [Retry(x.attempt.id, x.error, x.again) for x in outcomes if x.again is not None],
    )
