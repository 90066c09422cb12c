"""Housekeeping: partitions ahead, postures, holds to confirm, stale writes, old rows."""

from structlog.typing import FilteringBoundLogger

from storage.catalog import (
    agreements,
    consents,
    copies,
    days,
    erasures,
    fences,
    holds,
    objections,
    purges,
    reaping,
    roster,
    training,
)
from storage.catalog.kinds import ObjectKind
from storage.region import OpenRegion
from storage.workers.due import cutoffs

_BATCH = 1000


def make_partitions(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Make the missing partitions up to the horizon."""
    wanted = cutoffs(region).days
    with region.catalog.begin() as connection:
        if days.missing(connection, wanted):
            days.lock_making(connection)
            made = days.make(connection, wanted)
            log.info("partitions_made", region=region.name, count=made, horizon=str(wanted[-1]))
    return 0


def read_postures(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Read what each bucket does with its objects, and log an error for each that is closed."""
    for state in region.posture_states().values():
        if state.closed is not None:
            findings = {check.value: found.value for check, found in state.findings.items()}
            log.error(
                "backend_closed",
                region=region.name,
                backend=state.backend,
                reason=state.closed.value,
                **findings,
            )
    return 0


def watch_holds(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Log an error if a second person should have confirmed a hold by now. It stays in force."""
    with region.catalog.begin() as connection:
        overdue = holds.count_in_force(connection, region.clock.now()).overdue
    if overdue:
        log.error("holds_not_confirmed", region=region.name, holds=overdue)
    return 0


def reap(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Abandon writes after their deadline, and purge keys that no row uses."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        stale = reaping.abandon_stale(connection, at.stale, _BATCH)
        unused = max(
            reaping.mark_unused_keys(connection, kind, at.unused, at.now, _BATCH)
            for kind in ObjectKind
            if kind.precedes_rows
        )
    if stale or unused:
        log.info("reaped", region=region.name, objects=stale, keys=unused)
    return int(max(stale, unused) == _BATCH)


def prune(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Delete a batch of rows that nothing needs: old fences, gone objects, old evidence."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        pruned = {
            "fences": fences.prune(connection, at.stale, _BATCH),
            "objects": purges.prune_objects(connection, at.now, _BATCH),
            "replicas": purges.prune_replicas(connection, at.now, _BATCH),
            "copies": copies.prune(connection, _BATCH),
            "erasures": erasures.prune(connection, at.erasures, _BATCH),
            "holds": holds.prune(connection, at.holds, _BATCH),
            "consents": consents.prune(connection, at.consents, at.now, _BATCH),
            "agreements": agreements.prune(connection, at.agreements.date(), _BATCH),
            "objections": objections.prune(connection, at.objections, _BATCH),
            "roster": roster.prune(connection, at.roster, _BATCH),
            "training": training.prune(connection, at.consents, _BATCH),
        }
    if any(pruned.values()):
        log.debug("pruned", region=region.name, **pruned)
    return int(max(pruned.values()) == _BATCH)
