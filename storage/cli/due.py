"""What a worker would do now, by duty. Counts stop early: looking must not burden a catalog."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select

from storage.catalog import days
from storage.catalog import tables as t
from storage.policy import horizon_wanted
from storage.region import OpenRegion

COUNTED = 10_000

_Query = tuple[Table, ColumnElement[bool]]


def due(region: OpenRegion) -> dict[str, int]:
    """How many things each duty finds due; ``COUNTED`` dependencies that many or more."""
    now = region.clock.now()
    wanted = horizon_wanted(region.topology, now.date())
    with region.catalog.begin() as connection:
        horizon = days.horizon(connection)
        ahead = max((wanted - (horizon or now.date())).days, 0)
        counts = {name: _count(connection, *query) for name, query in _queries(now).items()}
    return {"partitions": ahead, **counts}


def _queries(now: datetime) -> dict[str, _Query]:
    o, r, e, c = t.object_.c, t.replica.c, t.erasure.c, t.processor_copy.c
    stale = (o.state == "writing") & (o.deadline < now)
    return {
        "reap": (t.object_, stale & (o.kind != "ledger")),
        "resolve": (t.object_, stale & (o.kind == "ledger")),
        "release": (t.hold, t.hold.c.released.is_not(None) & t.hold.c.resumed.is_(None)),
        "plan": (t.erasure, e.state == "fenced"),
        "expire": (t.day, t.day.c.day <= now.date()),
        "replicate": (t.object_, (o.replicate_at <= now) & (o.state == "stored")),
        "compact": (t.object_, (o.compact_at <= now) & (o.state == "stored")),
        "purge": (t.replica, (r.state == "purging") & (r.next_attempt <= now)),
        "request_deletion": (t.processor_copy, (c.state != "confirmed") & (c.next_attempt <= now)),
        "scrub": (t.scrub, t.scrub.c.due <= now),
    }


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    some = select(literal(1)).select_from(table).where(where).limit(COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0
