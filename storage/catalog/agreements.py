"""The history of a tenant's agreements: added to by a function of the catalog, and never changed.

An entry supersedes another one from the moment on at which it is recorded. A tenant that was
removed takes its history along: a later tenant of the same id begins without one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Date,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    values,
)

from regions.model import AgreementKind
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind
from storage.catalog.objects import StoredObject
from storage.model import Agreement, RecordedAgreement, Trait

COUNTED = 10_000
"""Records without an agreement are counted up to this; it means that many or more."""

a, gone = t.agreement_entry.c, t.tenant_removal.c


def add(
    connection: Connection,
    new: UUID,
    tenant: str,
    agreement: Agreement,
    *,
    supersedes: UUID | None,
) -> None:
    """Add an agreement, as the login of this session. The tenant has new terms then.

    What the function refuses leaves the transaction as AgreementRefused.
    """
    connection.execute(
        select(
            func.add_agreement(
                literal(new, Uuid),
                *(literal(text, Text) for text in (tenant, agreement.kind, agreement.document)),
                literal(agreement.signatory, Text),
                *(literal(day, Date) for day in (agreement.signed, agreement.begins)),
                literal(agreement.until, Date),
                literal(supersedes, Uuid),
            )
        )
    )


def of_tenants(connection: Connection, ids: Collection[str]) -> dict[str, list[RecordedAgreement]]:
    """Return the histories of tenants, oldest entry first, of those that have any."""
    given = any_(literal(list(ids), ARRAY(Text)))
    rows = connection.execute(
        select(t.agreement_entry).where(a.tenant == given, _alive(a)).order_by(a.number)
    )
    found: dict[str, list[RecordedAgreement]] = {}
    for row in rows:
        found.setdefault(row.tenant, []).append(_entry(row))
    return found


def of_tenant(connection: Connection, tenant: str) -> list[RecordedAgreement]:
    """Return the history of a tenant, oldest entry first."""
    return of_tenants(connection, [tenant]).get(tenant, [])


def find(connection: Connection, entry: UUID) -> RecordedAgreement | None:
    """Return an entry, unless its tenant was removed."""
    query = select(t.agreement_entry).where(a.id == entry, _alive(a))
    row = connection.execute(query).one_or_none()
    return None if row is None else _entry(row)


def prune(connection: Connection, before: date, limit: int) -> int:
    """Forget a batch of agreements that ended before a day; return the count."""
    return connection.scalar(select(func.forget_agreements(before, limit))) or 0


def old(before: date) -> Select[UUID]:
    """SQL: agreements that ended before a day, as ``prune`` selects most of them."""
    newer = t.agreement_entry.alias().c
    later = exists().where(
        newer.tenant == a.tenant, newer.kind == a.kind, newer.number > a.number, _standing(newer)
    )
    left = (
        select(func.min(gone.at))
        .where(gone.tenant == a.tenant, gone.last_agreement >= a.number)
        .scalar_subquery()
    )
    ended = func.least(a.until, func.date(func.timezone("UTC", left)))
    return select(a.id).where(
        ~_replaced(a), ended < before, or_(left.is_not(None), and_(later, _alive(a)))
    )


def has_phi(connection: Connection, known: StoredObject, residencies: Collection[str]) -> bool:
    """Return whether a tenant with protected health information has bytes in an object.

    ``residencies``: those under which everything is. Keys are none.
    """
    if known.tenant is not None:
        return is_for_phi(connection, known.tenant, residencies)
    if known.kind is not ObjectKind.PACK:
        return False
    own = exists().where(
        t.record.c.expiry_day == known.day,
        t.record.c.object_id == known.id,
        t.record.c.tenant == t.tenant.c.id,
    )
    return bool(connection.scalar(select(exists().where(_phi(residencies), own))))


def is_for_phi(connection: Connection, tenant: str, residencies: Collection[str]) -> bool:
    """Return whether what a tenant stores is protected health information."""
    mine = exists().where(t.tenant.c.id == tenant, _phi(residencies))
    return bool(connection.scalar(select(mine)))


def _phi(residencies: Collection[str]) -> ColumnElement[bool]:
    h = t.tenant.c
    asked = literal(Trait.PHI.value, Text) == any_(h.traits)
    return or_(asked, h.residency.in_(residencies))


def ended(today: date) -> Select[str]:
    """SQL: tenants that had agreements to process data, of which none is or will be in force."""
    over = func.bool_and(and_(a.until.is_not(None), a.until <= today))
    return select(a.tenant).where(a.kind == "dpa", _standing(a)).group_by(a.tenant).having(over)


def in_force_or_ahead(tenant: ColumnElement[str], today: date) -> ColumnElement[bool]:
    """SQL: whether a tenant has an agreement to process data that is or will be in force."""
    lasts = or_(a.until.is_(None), a.until > today)
    return exists().where(a.tenant == tenant, a.kind == "dpa", lasts, _standing(a))


def in_force_between(
    tenant: ColumnElement[str], first: ColumnElement[date], last: date
) -> ColumnElement[bool]:
    """SQL: whether a tenant had an agreement to process data in force on one of those days."""
    begins = func.greatest(first, a.since)
    mine = (a.tenant == tenant, a.kind == "dpa", begins <= last)
    return exists().where(*mine, or_(a.until.is_(None), a.until > begins), _standing(a))


def count_ended(connection: Connection, today: date, most: int) -> int:
    """Return how many tenants had agreements of which none is in force any more, up to ``most``."""
    over = func.bool_and(and_(a.until.is_not(None), a.until <= today))
    query = select(a.tenant).where(_standing(a)).group_by(a.tenant).having(over)
    return count_up_to(connection, query, most)


def count_stored_without(
    connection: Connection,
    required: Mapping[str, Collection[AgreementKind]],
    phi: Collection[AgreementKind],
    today: date,
) -> int:
    """Count the records of tenants that lack an agreement today, up to ``COUNTED``.

    ``required``: what each residency requires. ``phi``: what that trait does.
    """
    h = t.tenant.c
    pairs = [(name, kind) for name, kinds in required.items() for kind in kinds]
    lacking: list[ColumnElement[bool]] = []
    if pairs:
        asked = values(Column("residency", Text), Column("kind", Text), name="asked").data(pairs)
        lacking.append(
            exists(
                select(1)
                .select_from(asked)
                .where(asked.c.residency == h.residency, ~_in_force(asked.c.kind, today))
            )
        )
    if phi:
        for_phi = values(column("kind", Text), name="for_phi").data([(kind,) for kind in phi])
        lacks = exists(select(1).select_from(for_phi).where(~_in_force(for_phi.c.kind, today)))
        lacking.append(and_(literal(Trait.PHI.value, Text) == any_(h.traits), lacks))
    if not lacking:
        return 0
    without = select(h.id).where(or_(*lacking))
    stored = union_all(
        *(
            select(table.c.uid).where(table.c.tenant.in_(without)).limit(COUNTED)
            for table in (t.record, t.file, t.held)
        )
    )
    return count_up_to(connection, stored, COUNTED)


def _in_force(kind: ColumnElement[str], today: date) -> ColumnElement[bool]:
    """SQL: whether the tenant of the query has an agreement of a kind in force today."""
    until = or_(a.until.is_(None), a.until > today)
    mine = (a.tenant == t.tenant.c.id, a.kind == kind, a.since <= today, until)
    return exists(
        select(1).select_from(t.agreement_entry).where(*mine, _standing(a))
    ).correlate_except(t.agreement_entry)


def _standing(e: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns, also of an alias
    """SQL: an entry that nothing supersedes, of a tenant that was not removed."""
    return and_(~_replaced(e), _alive(e))


def _replaced(e: Any) -> ColumnElement[bool]:  # noqa: ANN401
    newer = t.agreement_entry.alias().c
    return exists().where(newer.supersedes == e.id)


def _alive(e: Any) -> ColumnElement[bool]:  # noqa: ANN401
    return ~exists().where(gone.tenant == e.tenant, gone.last_agreement >= e.number)


def plain(given: Sequence[Agreement]) -> list[str]:
    """Return agreements as lines of the log name them: without who signed."""
    return sorted(map(_text, given))


def _text(agreement: Agreement) -> str:
    begins = f" from {agreement.begins}" if agreement.begins != agreement.signed else ""
    return f"{agreement.kind} {agreement.signed}{begins} {agreement.until or ''}".rstrip()


def _entry(row: Row[Any]) -> RecordedAgreement:
    since = None if row.since == row.signed else row.since
    agreement = Agreement(row.kind, row.signed, row.until, since, row.document, row.signatory)
    return RecordedAgreement(
        row.id, row.tenant, agreement, row.supersedes, row.recorded, row.recorded_by
    )
