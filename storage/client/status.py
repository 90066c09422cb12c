"""How a region is, in numbers. Counts stop at a million: a status must not burden its catalog."""

from datetime import timedelta

from sqlalchemy import Connection, Table, and_, any_, func, literal, select

from storage.catalog import copies, days, erasures, holds, identity
from storage.catalog import tables as t
from storage.model import BackendState, RegionStatus
from storage.policy import clocks_agree, horizon_alarm, processors_of
from storage.region import OpenRegion

COUNTED = 1_000_000
_SOON = timedelta(hours=1)  # what a worker does at once has been done

o, r = t.object_.c, t.replica.c


def region_status(region: OpenRegion) -> RegionStatus:
    """Records, bytes, backlog, overdue deletion, missing replicas, copies, partition horizon."""
    now, bounds = region.clock.now(), region.topology.bounds
    processors = [company.name for company in processors_of(region.topology, region.region)]
    with region.catalog.begin() as connection:
        horizon = days.horizon(connection)
        in_force, late_reviews = holds.count_in_force(connection, now.date())
        return RegionStatus(
            region=region.name,
            records=_count(connection, t.record),
            files=_count(connection, t.file),
            bytes=_bytes(connection),
            open_erasures=_open(connection),
            overdue_erasure=erasures.oldest_late(
                connection, now - _SOON, now - bounds.compaction - bounds.purge
            ),
            overdue_days=days.overdue(connection, now - bounds.purge),
            backends=tuple(
                _backend(region, connection, spec.name) for spec in region.region.backends
            ),
            partition_horizon=horizon,
            horizon_alarm=horizon_alarm(region.topology, now.date(), horizon),
            clocks_apart=not clocks_agree(region.clock.skew()),
            holds=in_force,
            overdue_reviews=late_reviews,
            deferred_erasures=_deferred(connection),
            processors=tuple(copies.states(connection, processors, now, COUNTED)),
            unread=tuple(identity.unread(connection)),
        )


def _count(connection: Connection, table: Table) -> int:
    some = select(table.c.uid).limit(COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _bytes(connection: Connection) -> int:
    query = select(func.coalesce(func.sum(o.size), 0)).where(o.state == "stored")
    return int(connection.scalar(query) or 0)


def _open(connection: Connection) -> int:
    query = select(func.count()).where(t.erasure.c.state != "complete")
    return connection.scalar(query) or 0


def _deferred(connection: Connection) -> int:
    query = select(func.count()).where(t.erasure.c.state == "deferred")
    return connection.scalar(query) or 0


def _backend(region: OpenRegion, connection: Connection, name: str) -> BackendState:
    """``oldest_overdue``: since when something should be gone that was tried and is not."""
    now = region.clock.now()
    stored, held = connection.execute(
        select(func.count(), func.coalesce(func.sum(o.size), 0))
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == name, r.state == "stored", o.state == "stored")
    ).one()
    missing = connection.scalar(
        select(func.count())
        .select_from(t.object_)
        .outerjoin(t.replica, and_(r.object_id == o.id, r.backend == name, r.state == "stored"))
        .where(o.replicate_at.is_not(None), literal(name) == any_(o.backends), r.id.is_(None))
    )
    purging, oldest = connection.execute(
        select(func.count(), func.min(r.purging_since)).where(
            r.backend == name, r.state == "purging"
        )
    ).one()
    late = oldest is not None and oldest < now - _SOON
    scrub = connection.execute(
        select(t.scrub.c.finished, t.scrub.c.unmended).where(t.scrub.c.backend == name)
    ).one_or_none()
    return BackendState(
        name,
        stored,
        int(held),
        missing or 0,
        purging,
        oldest if late else None,
        scrub.finished if scrub else None,
        scrub.unmended if scrub else 0,
    )
