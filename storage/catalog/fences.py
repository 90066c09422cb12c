"""Fences make an erasure effective at once. Writes check them before they send, and at commit."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Connection,
    Integer,
    LargeBinary,
    Select,
    Text,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)

from storage.catalog import tables as t
from storage.model import DataClass, ErasureState, RecordId, ScopeKind

e, f = t.erasure.c, t.fence.c

_FENCED = (
    ScopeKind.TENANT,
    ScopeKind.SUBJECT,
    ScopeKind.GROUP,
    ScopeKind.RECORD,
    ScopeKind.CLASS,
)


@dataclass(frozen=True, slots=True)
class FenceQuery:
    """What a write is about. ``origin``: minting of the oldest record that it derives from.

    ``subject`` and ``group``: the pseudonyms under every key, because a fence may be older than
    the newest pseudonym key. ``event``: when it was minted, if it is an event, which a fence may
    leave. ``written``: its id, if it is a record that is about to be written: by that it belongs to
    what a shortened retention ended.
    """

    tenant: str
    uids: tuple[bytes, ...]
    subject: tuple[bytes, ...]
    group: tuple[bytes, ...]
    origin: datetime
    event: datetime | None = None
    written: RecordId | None = None

    def values(self) -> list[tuple[ScopeKind, bytes, datetime]]:
        """Return scope and value of every fence that would cover it, and its age for that."""
        named = [
            (ScopeKind.TENANT, b""),
            *((ScopeKind.RECORD, uid) for uid in self.uids),
            *((ScopeKind.SUBJECT, name) for name in self.subject),
            *((ScopeKind.GROUP, name) for name in self.group),
        ]
        found = [(scope, value, self.origin) for scope, value in named]
        if self.written is not None:
            value = self.written.data_class.value.encode()
            found.append((ScopeKind.CLASS, value, self.written.minted))
        return found


def covering(connection: Connection, queries: Sequence[FenceQuery]) -> dict[int, set[UUID]]:
    """Return the erasures that cover each of one or more writes, by position; two statements."""
    oldest = min(query.origin for query in queries)
    return covering_any(connection, {query.tenant for query in queries}, oldest, lambda: queries)


def covering_any(
    connection: Connection,
    tenants: Collection[str],
    oldest: datetime,
    asked: Callable[[], Sequence[FenceQuery]],
) -> dict[int, set[UUID]]:
    """Return what ``covering`` does, and ask for the queries only if a fence may cover one.

    ``tenants``: of all of them; ``oldest``: the first ``origin``.
    """
    active = _active(connection, tenants, oldest)
    return _covering(connection, asked(), active) if active else {}


def _covering(
    connection: Connection, queries: Sequence[FenceQuery], active: Collection[tuple[str, str]]
) -> dict[int, set[UUID]]:
    lines: list[tuple[int, str, str, bytes, datetime, datetime | None]] = []
    for n, query in enumerate(queries):
        lines += [
            (n, query.tenant, scope.value, value, since, query.event)
            for scope, value, since in query.values()
            if (query.tenant, scope.value) in active
        ]
    if not lines:
        return {}
    numbers, tenants, scopes, values, origins, events = (
        list(column) for column in zip(*lines, strict=True)
    )
    given = (
        func.unnest(
            literal(numbers, ARRAY(Integer)),
            literal(tenants, ARRAY(Text)),
            literal(scopes, ARRAY(Text)),
            literal(values, ARRAY(LargeBinary)),
            literal(origins, ARRAY(f.cutoff.type)),
            literal(events, ARRAY(f.spared_from.type)),
        )
        .table_valued("n", "tenant", "scope", "value", "origin", "event")
        .render_derived(name="given")
    )
    g = given.c
    rows = connection.execute(
        select(g.n, f.erasure_id).where(
            f.tenant == g.tenant,
            f.scope == g.scope,
            f.value == g.value,
            f.cutoff >= g.origin,
            or_(g.event.is_(None), f.spared_from.is_(None), g.event <= f.spared_from),
        )
    )
    found: dict[int, set[UUID]] = {}
    for n, erasure in rows:
        found.setdefault(n, set()).add(erasure)
    return found


def _active(
    connection: Connection, tenants: Collection[str], oldest: datetime
) -> set[tuple[str, str]]:
    """Return tenants and scopes with a fence that could cover any write: usually none at all."""
    pairs = [(tenant, scope.value) for tenant in sorted(tenants) for scope in _FENCED]
    rows = connection.execute(
        _any_fence(),
        {
            "tenants": [tenant for tenant, _ in pairs],
            "scopes": [scope for _, scope in pairs],
            "oldest": oldest,
        },
    )
    return {(row[0], row[1]) for row in rows}


@cache
def _any_fence() -> Select[str, str]:
    given = (
        func.unnest(bindparam("tenants", type_=ARRAY(Text)), bindparam("scopes", type_=ARRAY(Text)))
        .table_valued("tenant", "scope")
        .render_derived(name="given")
    )
    oldest = bindparam("oldest", type_=f.cutoff.type)
    there = exists().where(f.tenant == given.c.tenant, f.scope == given.c.scope, f.cutoff >= oldest)
    return select(given.c.tenant, given.c.scope).where(there)


def fenced_by_name(connection: Connection, tenant: str, record_id: RecordId) -> bool:
    """Return whether a record without a row was erased by its id, or with its whole tenant."""
    minted = record_id.minted
    event = minted if record_id.data_class is DataClass.EVENT else None
    return bool(
        covering(connection, [FenceQuery(tenant, (record_id.unique,), (), (), minted, event)])
    )


def old(now: datetime) -> Select[str, str, bytes, UUID]:
    """SQL: fences that no write can meet any more, of erasures that are complete.

    Until an erasure is complete, its fences tell later ones to wait for the same bytes.
    """
    return (
        select(f.tenant, f.scope, f.value, f.erasure_id)
        .join(t.erasure, e.id == f.erasure_id)
        .where(f.until < now, e.state == ErasureState.COMPLETE)
    )


def prune(connection: Connection, now: datetime, limit: int) -> int:
    """Delete a batch of old fences; return the count."""
    some = old(now).limit(limit).subquery()
    done = connection.execute(
        t.fence.delete().where(
            f.tenant == some.c.tenant,
            f.scope == some.c.scope,
            f.value == some.c.value,
            f.erasure_id == some.c.erasure_id,
        )
    )
    return done.rowcount


def count(connection: Connection, erasure: UUID) -> int:
    """Return how many fences an erasure has."""
    return connection.scalars(select(func.count()).where(f.erasure_id == erasure)).one()
