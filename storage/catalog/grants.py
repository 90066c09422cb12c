"""Grants: requested, approved, used, revoked. Only functions of the catalog write them.

They add a line to the log for each, but for uses: who opens a record adds that.

They know by the login of the session who asks, lock the grant, and then look. What they refuse
leaves the transaction as GrantRefused, with the reason.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    Row,
    Select,
    Text,
    Uuid,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from regions.model import Purpose
from storage.catalog import tables as t
from storage.catalog.tables import Moment
from storage.model import Approval, Grant, GrantSpec, ScopeKind

a, g, v, u = t.grant_approval.c, t.access_grant.c, t.grant_revocation.c, t.grant_use.c
_UNREAD = (g.sealed_justification.name, g.login.name)  # a key service may not


def request(
    connection: Connection,
    grant: UUID,
    spec: GrantSpec,
    *,
    sought: Sequence[bytes],
    digest: str,
    sealed: bytes,
    now: datetime,
) -> None:
    """Insert a grant, as the login of this session. With a hold its scope is that of the hold."""
    scope = None if spec.scope is None else spec.scope.kind
    connection.execute(
        select(
            func.request_grant(
                literal(grant, Uuid),
                *(literal(x, Text) for x in (spec.tenant, spec.purpose, spec.actor, scope)),
                literal(list(sought), ARRAY(LargeBinary)),
                literal(spec.hold, Uuid),
                literal(spec.case, Text),
                literal(spec.records_max, Integer),
                literal(digest, Text),
                literal(sealed, LargeBinary),
                literal(spec.hours, Integer),
                literal(now, Moment),
            )
        )
    )


def approve(connection: Connection, grant: UUID, signature: bytes, now: datetime) -> None:
    """Note the approval of the person of this session. The same again changes nothing."""
    signed = literal(signature, LargeBinary)
    connection.execute(
        select(func.approve_grant(literal(grant, Uuid), signed, literal(now, Moment)))
    )


def approve_for_customer(
    connection: Connection, grant: UUID, tenant: str, by: str, now: datetime
) -> None:
    """Note the approval of the tenant's own actor. The same again changes nothing."""
    given = (literal(tenant, Text), literal(by, Text), literal(now, Moment))
    connection.execute(select(func.approve_grant_for_customer(literal(grant, Uuid), *given)))


def revoke(connection: Connection, grant: UUID, now: datetime) -> None:
    """Revoke a grant, as the person of this session. Once more changes nothing."""
    connection.execute(select(func.revoke_grant(literal(grant, Uuid), literal(now, Moment))))


def revoke_of_before(connection: Connection, now: datetime) -> int:
    """Revoke every grant that is not over, as a restored catalog must; return how many."""
    return connection.scalar(select(func.revoke_grants_of_before(literal(now, Moment)))) or 0


def use(connection: Connection, grant: UUID, uid: bytes, actor: str, now: datetime) -> bool:
    """Count a record that the actor is about to open; until the commit nobody revokes the grant.

    False: it was counted before. Commit it before the plaintext is returned. A record that was
    counted may be opened again while the grant is in force, and each range of it is a use.
    """
    given = (literal(uid, LargeBinary), literal(actor, Text), literal(now, Moment))
    return bool(connection.scalar(select(func.use_grant(literal(grant, Uuid), *given))))


def used(connection: Connection, grant: UUID, uid: bytes) -> bool:
    """Return whether a record was counted against a grant."""
    query = select(u.grant_id).where(u.grant_id == grant, u.uid == uid)
    return connection.scalar(query) is not None


def find(connection: Connection, region: str, grant: UUID) -> Grant | None:
    """Return a grant with its approvals, its uses and its end, as of one moment."""
    row = connection.execute(_grants().where(g.id == grant)).one_or_none()
    return None if row is None else _grant(region, row)


def page(
    connection: Connection, region: str, *, tenant: str | None, after: UUID | None, limit: int
) -> list[Grant]:
    """Return grants, newest first, that come after one."""
    query = _grants().order_by(g.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(g.tenant == tenant)
    rows = connection.execute(query if after is None else query.where(g.id < after))
    return [_grant(region, row) for row in rows]


def sealed_justification(connection: Connection, grant: UUID) -> bytes:
    """Return the sealed text of why a grant was requested. The grant exists."""
    return bytes(connection.scalar(select(g.sealed_justification).where(g.id == grant)) or b"")


def _grants() -> Select[Any]:
    approvals = (
        select(
            *(
                func.array_agg(aggregate_order_by(column, a.number), type_=ARRAY(kind)).label(name)
                for name, column, kind in (
                    ("approvers", a.actor, Text()),
                    ("approved", a.at, Moment()),
                    ("signatures", a.signature, LargeBinary()),
                    ("for_customer", a.for_customer, Boolean()),
                )
            )
        )
        .where(a.grant_id == g.id)
        .lateral()
    )
    used = select(func.count()).where(u.grant_id == g.id).scalar_subquery().label("used")
    return (
        select(
            *(column for column in g if column.name not in _UNREAD),
            approvals,
            used,
            v.at.label("revoked"),
            v.actor.label("revoked_by"),
        )
        .select_from(t.access_grant)
        .join(approvals, true())
        .outerjoin(t.grant_revocation, v.grant_id == g.id)
    )


def _grant(region: str, row: Row[Any]) -> Grant:
    approvals = zip(
        *(list(x or ()) for x in (row.approvers, row.approved, row.signatures, row.for_customer)),
        strict=True,
    )
    return Grant(
        row.id,
        region,
        row.tenant,
        Purpose(row.purpose),
        row.actor,
        row.requester,
        ScopeKind(row.scope),
        tuple(row.sought),
        row.hold_id,
        row.case,
        row.records_max,
        row.justification_digest,
        row.requested,
        row.until,
        tuple(Approval(*approval) for approval in approvals),
        row.customer_must_approve,
        row.used,
        row.revoked,
        row.revoked_by,
    )
