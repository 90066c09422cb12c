"""How far a region is retired, and the statement at the end."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.ledger import Head

r, s = t.retirement.c, t.region_statement.c


@dataclass(frozen=True, slots=True)
class Retirement:
    """A region that retires since ``begun``; the last entry of its ledger (0, empty: none)."""

    begun: datetime
    entries: int
    head: bytes


def begin(connection: Connection, now: datetime) -> None:
    """Note when it began, unless that is noted already."""
    connection.execute(insert(t.retirement).values(id=1, begun=now).on_conflict_do_nothing())


def note_head(connection: Connection, head: Head) -> None:
    """Note the head of the ledger, which is about to be purged."""
    if head.number:
        connection.execute(
            update(t.retirement).values(
                entries=func.greatest(r.entries, head.number), head=head.digest
            )
        )


def under_way(connection: Connection) -> Retirement | None:
    """Return the retirement that is under way."""
    row = connection.execute(select(r.begun, r.entries, r.head)).one_or_none()
    return None if row is None else Retirement(row[0], row[1], bytes(row[2] or b""))


def statement(connection: Connection) -> str | None:
    """Return the newest statement that the region is empty."""
    return connection.scalar(select(s.token).order_by(s.begun.desc()).limit(1))


def last_end(connection: Connection) -> datetime | None:
    """Return when the region was last said to be empty. None: never."""
    query = select(s.signed).order_by(s.signed.desc()).limit(1)
    return connection.scalar(query)


def finish(connection: Connection, known: Retirement, token: str, now: datetime) -> None:
    """Replace the retirement by its statement."""
    connection.execute(
        insert(t.region_statement).values(begun=known.begun, token=token, signed=now)
    )
    connection.execute(t.retirement.delete())


def count_evidence(connection: Connection) -> tuple[int, int]:
    """Return how many receipts, and how many statements of emptied backends, the catalog has."""
    counts = [select(func.count()).select_from(table) for table in (t.receipt, t.statement)]
    receipts, statements = (connection.scalar(count) or 0 for count in counts)
    return receipts, statements
