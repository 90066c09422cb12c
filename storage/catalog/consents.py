"""What was said about consent: recorded, replayed, shown, forgotten.

Only functions of the catalog write it. What they refuse leaves the transaction as ConsentRefused.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    Text,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from regions.model import DataClass, Purpose
from storage.catalog import tables as t
from storage.catalog.tables import Moment
from storage.events import NewConsent
from storage.model import Consent, ConsentKind
from storage.policy import Statement

c = t.consent.c


@dataclass(frozen=True, slots=True)
class Named:
    """A statement of a subject, with its sealed name."""

    id: UUID
    tenant: str
    sealed_name: bytes


def own(connection: Connection) -> None:
    """Until the transaction ends, nothing is recorded about consent in the region."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('consents', 0))"))


def share(connection: Connection) -> None:
    """Until the transaction ends, nobody owns that lock: no new pseudonym key comes into use."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('consents', 0))"))


def add(connection: Connection, new: NewConsent, *, replayed: bool) -> bool:
    """Insert what was said. The caller owns the tenant's lock.

    Who records it is known by the login of this session, unless it is ``replayed`` from the ledger.
    False: it is there already and stays as it is.
    """
    given = literal(_plain(new), JSONB)
    if not replayed:
        return bool(connection.scalar(select(func.state_consent(given))))
    who = literal(new.recorded_by, Text)
    return bool(connection.scalar(select(func.replay_consent(given, who))))


def _plain(new: NewConsent) -> dict[str, Any]:
    """Return it as the function of the catalog takes it: by the names of the columns."""
    fields = new.model_dump(mode="json", exclude={"kind", "said", "by", "match_values"})
    sealed = None if new.sealed_name is None else _hex(new.sealed_name)
    return fields | {
        "kind": new.said.value,
        "actor": new.by,
        "sought": [_hex(value) for value in new.match_values] or None,
        "sealed_name": sealed,
    }


def _hex(value: bytes) -> str:
    """Return bytes as PostgreSQL reads them."""
    return f"\\x{value.hex()}"


def said(
    connection: Connection,
    tenant: str,
    subjects: Collection[bytes] | None = None,
    *,
    ended: bool = False,
) -> list[Statement]:
    """Return what a tenant and its subjects said. ``subjects``: only these, and the tenant.

    What has ended says nothing that a later statement does not say: it is left out, unless when it
    was recorded matters.
    """
    # a tenant that was removed and made again has not consented
    made = select(t.tenant.c.created).where(t.tenant.c.id == c.tenant).scalar_subquery()
    own = or_(c.kind != ConsentKind.OPT_IN, c.recorded >= made)
    query = select(t.consent).where(c.tenant == tenant, own)
    if not ended:
        query = query.where(c.ended.is_(None))
    if subjects is not None:
        query = query.where(or_(c.match_values.is_(None), _overlap(subjects)))
    return [_statement(row) for row in connection.execute(query.order_by(c.number))]


def page(
    connection: Connection,
    tenant: str,
    *,
    subjects: Sequence[bytes],
    after: UUID | None,
    limit: int,
) -> list[tuple[Consent, tuple[bytes, ...]]]:
    """Return statements of a tenant, oldest first, after one; each with its pseudonyms.

    ``subjects``: pseudonyms of one subject, whose statements alone are returned.
    """
    query = select(t.consent).where(c.tenant == tenant).order_by(c.number).limit(limit)
    if subjects:
        query = query.where(_overlap(subjects))
    if after is not None:
        query = query.where(c.number > select(c.number).where(c.id == after).scalar_subquery())
    return [(_consent(row), _subjects(row)) for row in connection.execute(query)]


def find(connection: Connection, consent: UUID) -> Consent | None:
    """Return one statement."""
    row = connection.execute(select(t.consent).where(c.id == consent)).one_or_none()
    return None if row is None else _consent(row)


def named(connection: Connection) -> list[Named]:
    """Return the statements of subjects."""
    query = select(c.id, c.tenant, c.sealed_name).where(c.sealed_name.is_not(None))
    return [Named(row[0], row[1], bytes(row[2])) for row in connection.execute(query)]


def set_match_values(connection: Connection, consent: UUID, match_values: Sequence[bytes]) -> None:
    """Replace the pseudonyms that a statement matches. Only the owner of the catalog may."""
    connection.execute(
        update(t.consent).where(c.id == consent).values(match_values=list(match_values))
    )


def old(before: datetime) -> Select[UUID]:
    """SQL: statements that ended before then, as ``prune`` selects them."""
    return select(c.id).where(c.ended < before)


def prune(connection: Connection, before: datetime, now: datetime, limit: int) -> int:
    """Delete a batch of old statements; return the count. No login may delete one itself."""
    given = literal(before, Moment), literal(now, Moment)
    return connection.scalar(select(func.forget_consents(*given, limit))) or 0


def _overlap(subjects: Collection[bytes]) -> ColumnElement[bool]:
    """SQL: whether one of the pseudonyms is of the statement's subject."""
    return c.match_values.bool_op("&&")(literal(sorted(subjects), ARRAY(LargeBinary)))


def _subjects(row: Row[Any]) -> tuple[bytes, ...]:
    return tuple(map(bytes, row.match_values or ()))


def _statement(row: Row[Any]) -> Statement:
    return Statement(
        row.id,
        ConsentKind(row.kind),
        frozenset(_subjects(row)),
        row.wording,
        frozenset(map(DataClass, row.classes)),
        frozenset(map(Purpose, row.purposes)),
        row.given,
        row.covers_from,
        row.recorded,
    )


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        row.id,
        row.tenant,
        ConsentKind(row.kind),
        row.match_values is not None,
        row.wording,
        tuple(sorted(map(DataClass, row.classes))),
        tuple(sorted(map(Purpose, row.purposes))),
        row.actor,
        row.given,
        row.covers_from,
        row.document,
        row.recorded,
        row.recorded_by,
    )
