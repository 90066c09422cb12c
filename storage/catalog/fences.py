"""Fences: what makes an erasure true at once. Writes ask them before and as they commit."""

from collections.abc import Sequence
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
    select,
)

from storage.catalog import tables as t
from storage.model import ErasureState, ScopeKind

e, f = t.erasure.c, t.fence.c

_FENCED = (ScopeKind.TENANT, ScopeKind.SUBJECT, ScopeKind.GROUP, ScopeKind.RECORD)


@dataclass(frozen=True, slots=True)
class FenceQuery:
    """What a write asks of the fences. ``origin`` is the oldest minting that it derives from.

    Of subject and group, every pseudonym: the fence may be older than the newest pseudonym key.
    """

    tenant: str
    uids: tuple[bytes, ...]
    subject: tuple[bytes, ...]
    group: tuple[bytes, ...]
    origin: datetime

    def values(self) -> list[tuple[ScopeKind, bytes]]:
        """What fences of each scope would have to name to cover it."""
        return [
            (ScopeKind.TENANT, b""),
            *((ScopeKind.RECORD, uid) for uid in self.uids),
            *((ScopeKind.SUBJECT, name) for name in self.subject),
            *((ScopeKind.GROUP, name) for name in self.group),
        ]


def covering(connection: Connection, probes: Sequence[FenceQuery]) -> dict[int, set[UUID]]:
    """Which of these writes an erasure covers, by position. Two statements for the whole batch."""
    active = _active(connection, probes)
    lines: list[tuple[int, str, str, bytes, datetime]] = []
    for n, probe in enumerate(probes):
        lines += [
            (n, probe.tenant, scope.value, value, probe.origin)
            for scope, value in probe.values()
            if (probe.tenant, scope.value) in active
        ]
    if not lines:
        return {}
    numbers, tenants, scopes, values, origins = (
        list(column) for column in zip(*lines, strict=True)
    )
    given = (
        func.unnest(
            literal(numbers, ARRAY(Integer)),
            literal(tenants, ARRAY(Text)),
            literal(scopes, ARRAY(Text)),
            literal(values, ARRAY(LargeBinary)),
            literal(origins, ARRAY(f.cutoff.type)),
        )
        .table_valued("n", "tenant", "scope", "value", "origin")
        .render_derived(name="given")
    )
    g = given.c
    rows = connection.execute(
        select(g.n, f.erasure_id).where(
            f.tenant == g.tenant, f.scope == g.scope, f.value == g.value, f.cutoff >= g.origin
        )
    )
    found: dict[int, set[UUID]] = {}
    for n, erasure in rows:
        found.setdefault(n, set()).add(erasure)
    return found


def _active(connection: Connection, probes: Sequence[FenceQuery]) -> set[tuple[str, str]]:
    """The tenants and scopes with a fence that could cover any of these: mostly none at all."""
    if not probes:
        return set()
    tenants = sorted({probe.tenant for probe in probes})
    pairs = [(tenant, scope.value) for tenant in tenants for scope in _FENCED]
    rows = connection.execute(
        _any_fence(),
        {
            "tenants": [tenant for tenant, _ in pairs],
            "scopes": [scope for _, scope in pairs],
            "oldest": min(probe.origin for probe in probes),
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


def fenced_by_name(connection: Connection, tenant: str, uid: bytes, minted: datetime) -> bool:
    """Whether a record that is not there was erased by its id, or with its whole tenant."""
    return bool(covering(connection, [FenceQuery(tenant, (uid,), (), (), minted)]))


def prune(connection: Connection, now: datetime, limit: int) -> int:
    """Forget fences that no write can meet any more, and whose erasures are complete.

    Until then they say which later erasure has to wait for the same bytes.
    """
    old = (
        select(f.tenant, f.scope, f.value, f.erasure_id)
        .join(t.erasure, e.id == f.erasure_id)
        .where(f.until < now, e.state == ErasureState.COMPLETE)
        .limit(limit)
        .subquery()
    )
    done = connection.execute(
        t.fence.delete().where(
            f.tenant == old.c.tenant,
            f.scope == old.c.scope,
            f.value == old.c.value,
            f.erasure_id == old.c.erasure_id,
        )
    )
    return done.rowcount
