"""Companies that are drained from a region: what they have, what was attested, the receipts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.errors import PurgeIncomplete
from storage.model import ReplicaState
from storage.model.listing import PartKind

o, r, a, d, c = t.object_.c, t.replica.c, t.handover.c, t.drain.c, t.processor_copy.c

_COUNTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """The replicas of one kind of object on a backend."""

    kind: str
    replicas: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Handover:
    """Who attests that a company no longer runs a part of a region, by which document."""

    part: PartKind
    actor: str
    document: str
    at: datetime


def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else finishes a drain."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('drain', 0))"))


def kept(connection: Connection, backend: str) -> list[Kept]:
    """Return what is on a backend, by kind of object."""
    rows = connection.execute(
        select(o.kind, func.count(), func.coalesce(func.sum(o.size), 0))
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == backend, r.state != ReplicaState.GONE)
        .group_by(o.kind)
        .order_by(o.kind)
    )
    return [Kept(kind, number, int(size)) for kind, number, size in rows]


def refused(connection: Connection, backend: str) -> dict[str, int]:
    """Count the replicas of a backend that are to be purged and failed, by error code."""
    failed = select(r.last_error).where(
        r.backend == backend, r.state == ReplicaState.PURGING, r.last_error.is_not(None)
    )
    some = failed.limit(_COUNTED).subquery()
    rows = connection.execute(select(some.c.last_error, func.count()).group_by(some.c.last_error))
    return {str(code): number for code, number in rows}


def undeleted(connection: Connection, backend: str, limit: int) -> list[str]:
    """Return the keys of replicas of which the backend refused to delete a part, oldest first."""
    incomplete = r.state == ReplicaState.PURGING, r.last_error == PurgeIncomplete.__name__
    query = select(r.key).where(r.backend == backend, *incomplete).order_by(r.purging_since)
    return list(connection.scalars(query.limit(limit)))


def count_copies(connection: Connection, company: str) -> int:
    """Count the copies at a company that are not confirmed to be deleted, up to a million."""
    left = select(c.id).where(c.processor == company, c.state != "confirmed")
    return count_up_to(connection, left, _COUNTED)


def attest(connection: Connection, company: str, new: Handover) -> None:
    """Note who attests that a company no longer runs a part."""
    values = {"part": new.part, "actor": new.actor, "document": new.document, "at": new.at}
    connection.execute(insert(t.handover).values(company=company, **values))


def attested(connection: Connection, company: str) -> dict[PartKind, list[Handover]]:
    """Return what is attested of a company, by part, oldest first."""
    query = select(a.part, a.actor, a.document, a.at).where(a.company == company).order_by(a.at)
    found: dict[PartKind, list[Handover]] = {}
    for part, *values in connection.execute(query):
        found.setdefault(PartKind(part), []).append(Handover(PartKind(part), *values))
    return found


def latest(connection: Connection, company: str) -> tuple[str, datetime] | None:
    """Return the newest receipt of a company, and its moment."""
    query = select(d.token, d.finished).where(d.company == company)
    row = connection.execute(query.order_by(d.finished.desc()).limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def finish(connection: Connection, company: str, token: str, at: datetime) -> None:
    """Store a receipt."""
    connection.execute(insert(t.drain).values(company=company, finished=at, token=token))
