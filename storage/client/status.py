"""The status of a region, in numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from regions.model import PHI_AGREEMENTS
from storage.catalog import (
    agreements,
    checkpoints,
    copies,
    days,
    departures,
    erasures,
    exits,
    holds,
    identity,
    objections,
    postures,
    roster,
    status,
)
from storage.errors import DomicileError
from storage.model import LeavingState, PostureState, RegionStatus
from storage.policy import LOG_WAIT, Standing, clocks_agree, horizon_alarm, processors_of
from storage.region import OpenRegion

_SOON = timedelta(hours=1)  # a worker has done by then what it does at once


def region_status(region: OpenRegion) -> RegionStatus:
    """Return records, bytes, backlog, overdue deletions, missing replicas, partition horizon."""
    now, bounds = region.clock.now(), region.topology.bounds
    processors = [company.name for company in processors_of(region.topology, region.region)]
    backends = [spec.name for spec in region.region.backends]
    pinned = _pinned(region)
    states, open_now = region.posture_states(), region.open_backends()
    fit = [sum(s.name in open_now for s in some) for some in region.region.groups().values()]
    with region.catalog.begin() as connection:
        horizon, totals = days.horizon(connection), status.totals(connection)
        held = holds.count_in_force(connection, now)
        return RegionStatus(
            region=region.name,
            records=totals.records,
            files=totals.files,
            bytes=totals.bytes,
            open_erasures=totals.open_erasures,
            overdue_erasure=erasures.oldest_late(
                connection, now - _SOON, now - bounds.compaction - bounds.purge
            ),
            overdue_days=days.count_overdue(connection, now - bounds.purge),
            backends=tuple(status.backend(connection, name, now - _SOON) for name in backends),
            partition_horizon=horizon,
            horizon_alarm=horizon_alarm(region.topology, now.date(), horizon),
            clocks_disagree=not clocks_agree(region.clock.skew()),
            holds=held.in_force,
            overdue_reviews=held.late_reviews,
            unconfirmed_holds=held.unconfirmed,
            overdue_confirmations=held.overdue,
            deferred_erasures=totals.deferred_erasures,
            processors=tuple(copies.states(connection, processors, now, status.COUNTED)),
            unread=tuple(identity.unread(connection)),
            leaving=tuple(_leaving(region, connection)),
            postures=tuple(_postures(connection, states)),
            blocked=min(fit) < region.region.required,
            objections_moving=objections.count_moving(connection, status.COUNTED),
            objections_overdue=objections.count_overdue(connection, _late(region), status.COUNTED),
            forged_checkpoints=checkpoints.count_forged(connection, region.log_trust),
            log_waits_since=_log_waits_since(region, connection),
            unpinned=pinned == 0 and roster.staff_in_force(connection, now.date()) > 0,
            ended_agreements=agreements.count_ended(connection, now.date(), status.COUNTED),
            stored_without_agreement=agreements.count_stored_without(
                connection,
                {one.name: one.agreements for one in region.topology.residencies.values()},
                PHI_AGREEMENTS,
                now.date(),
            ),
            overdue_exits=exits.count_overdue(connection, now.date(), status.COUNTED),
        )


def _pinned(region: OpenRegion) -> int | None:
    """Return how many approvers have a pinned key. None: the key service does not say."""
    try:
        return len(region.roots.approvers())
    except DomicileError:
        return None


def _log_waits_since(region: OpenRegion, connection: Connection) -> datetime | None:
    oldest = checkpoints.oldest_waiting(connection, region.log_trust)
    late = oldest is not None and region.clock.now() - oldest > LOG_WAIT
    return oldest if late else None


def _late(region: OpenRegion) -> dict[str, datetime]:
    """Return for each company the moment before which an objection to it is overdue."""
    midnight = region.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        company.name: midnight + timedelta(days=1 - company.exit_days)
        for company in region.topology.sub_processors.values()
    }


def _postures(connection: Connection, states: Mapping[str, PostureState]) -> Iterator[PostureState]:
    accepted = postures.accepted(connection)
    for state in states.values():
        ledger = state.backend in accepted
        if state.closed or state.findings or ledger:
            yield replace(state, ledger=ledger)


def _leaving(region: OpenRegion, connection: Connection) -> Iterator[LeavingState]:
    specs = {spec.name: spec for spec in region.region.backends}
    for name, found in region.standings().items():
        if not found.vacating:
            continue
        known, left = departures.latest(connection, name), departures.count_left(connection, name)
        yield LeavingState(
            backend=name,
            left=left,
            moved=known.replicas if known else 0,
            until=region.topology.sub_processors[specs[name].sub_processor].until,
            overdue=found is Standing.ENDED and left > 0,
            statement=known.token if known else None,
        )
