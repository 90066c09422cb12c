"""Receipts and statements, and which of them were exported."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Table, func, literal, select, tuple_, update

from storage.catalog import log
from storage.catalog import tables as t
from storage.model import Entropy, LineKind


@dataclass(frozen=True, slots=True)
class Evidence:
    """A receipt or a statement, and the name of its file."""

    name: str
    token: str
    table: Table
    key: tuple[object, ...]


def unexported(connection: Connection, limit: int) -> list[Evidence]:
    """Return evidence that was not exported, of one kind."""
    for table, prefix in _PREFIXES.items():
        key = list(table.primary_key.columns)
        rows = connection.execute(
            select(table.c.token, *key)
            .where(table.c.exported.is_(None))
            .order_by(*key)
            .limit(limit)
        ).all()
        if rows:
            return [_evidence(table, prefix, row) for row in rows]
    return []


def exported(connection: Connection, limit: int, after: Evidence | None = None) -> list[Evidence]:
    """Return evidence that was exported before, of one kind, that comes after other evidence."""
    tables = list(_PREFIXES)
    for table in tables if after is None else tables[tables.index(after.table) :]:
        key = list(table.primary_key.columns)
        query = select(table.c.token, *key).where(table.c.exported.is_not(None))
        if after is not None and table is after.table:
            query = query.where(tuple_(*key) > after.key)
        rows = connection.execute(query.order_by(*key).limit(limit)).all()
        if rows:
            return [_evidence(table, _PREFIXES[table], row) for row in rows]
    return []


def count_exported(connection: Connection) -> int:
    """Return how much evidence was exported before."""
    counts = (select(func.count(table.c.exported)).scalar_subquery() for table in _PREFIXES)
    return connection.scalar(select(sum(counts, start=literal(0)))) or 0


def mark(connection: Connection, done: Sequence[Evidence], entropy: Entropy) -> None:
    """Note that the files of evidence of one kind are on a disk for good; a line says so."""
    table = done[0].table
    key = tuple_(*table.primary_key.columns)
    connection.execute(
        update(table)
        .where(key.in_([one.key for one in done]), table.c.exported.is_(None))
        .values(exported=func.now())
    )
    tokens = hashlib.sha256("\n".join(one.token for one in done).encode()).hexdigest()
    facts: log.Facts = {"what": table.name, "files": len(done), "sha256": tokens}
    now = connection.execute(select(func.now())).scalar_one()
    log.append(connection, LineKind.EXPORT, facts, now, entropy)


_PREFIXES = {t.receipt: "receipt", t.statement: "backend", t.region_statement: "region"}


def _evidence(table: Table, prefix: str, row: Row[*tuple[object, ...]]) -> Evidence:
    token, *key = row
    parts = [
        f"{part:%Y%m%dT%H%M%S.%fZ}" if isinstance(part, datetime) else str(part) for part in key
    ]
    return Evidence("-".join((prefix, *parts)) + ".txt", str(token), table, tuple(key))
