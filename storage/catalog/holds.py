"""Legal holds: placed, resumed, pruned, shown. Who confirms and changes them: ``hold_changes``.

Placing or releasing a hold owns one lock of the region. Destroying anything shares that lock, and
asks what is held in a later statement. So a hold and the destruction of what it covers are in one
order, and the later one sees the earlier. For an expiry day this is decided when the day turns to
``expiring``: a hold with a higher number than the day noted then was placed too late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from regions.model import DataClass
from storage.catalog import hold_changes
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.hold_predicate import covered, in_account
from storage.events import NewHold
from storage.model import ErasureState, ExpiringDay, Hold, ScopeKind, count_named

COUNTED = 10_000
"""Records are counted up to this; it means that many or more."""

d, e, f, h = t.day.c, t.erasure.c, t.fence.c, t.hold.c


Passed = tuple[str, datetime, bytes, date]
"""A row of ``held``: tenant, minting, unique part and expiry day."""


@dataclass(frozen=True, slots=True)
class HoldCounts:
    """How many holds are in force; of these, how many have a review date before today.

    ``unconfirmed``: no second person has confirmed them, and ``overdue`` of them should have been.
    """

    in_force: int
    late_reviews: int
    unconfirmed: int
    overdue: int


NAMED = (ScopeKind.SUBJECT, ScopeKind.GROUP)
"""What has a name that a hold keeps sealed, if it covers what is stored later."""


@dataclass(frozen=True, slots=True)
class Named:
    """A hold in force on a subject or a group, with its sealed name."""

    id: UUID
    tenant: str
    scope: ScopeKind
    sealed_name: bytes


def own(connection: Connection) -> None:
    """Until the transaction ends, nothing is destroyed in the region, and no hold is placed."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('holds', 0))"))


def share(connection: Connection) -> None:
    """Until the transaction ends, no hold is placed or released.

    What is held, asked in a *later* statement, then stays true until the commit.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('holds', 0))"))


def add(connection: Connection, new: NewHold, *, replayed: bool) -> bool:
    """Insert the hold with the next number. The caller owns the lock.

    Who placed it is known by the login of this session, unless it is ``replayed`` from the ledger.
    False: the hold exists already and stays as it is.
    """
    excluded = literal([hold_changes.plain(part) for part in new.exclude], JSONB)
    given = literal(_plain(new), JSONB)
    if not replayed:
        return bool(connection.scalar(select(func.place_hold(given, excluded))))
    who = literal(new.sponsor, Text), literal(new.placed_login, Text)
    return bool(connection.scalar(select(func.replay_hold(given, excluded, *who))))


def _plain(new: NewHold) -> dict[str, Any]:
    """Return a hold as the function of the catalog takes it: by the names of the columns."""
    fields = new.model_dump(mode="json", by_alias=True, exclude={"kind", "exclude"})
    sealed = None if new.sealed_name is None else _hex(new.sealed_name)
    return fields | {
        "sought": [_hex(value) for value in new.match_values] or None,
        "sealed_name": sealed,
        "classes": list(new.classes) or None,
    }


def _hex(value: bytes) -> str:
    """Return bytes as PostgreSQL reads them."""
    return f"\\x{value.hex()}"


def named(connection: Connection) -> list[Named]:
    """Return the holds in force that cover what is stored later about a subject or group."""
    rows = connection.execute(
        select(h.id, h.tenant, h.scope, h.sealed_name)
        .where(h.released.is_(None), h.sealed_name.is_not(None), h.scope.in_(NAMED))
        .order_by(h.number)
    )
    return [Named(x[0], x[1], ScopeKind(x[2]), x[3]) for x in rows]


def set_match_values(connection: Connection, hold: UUID, match_values: Sequence[bytes]) -> None:
    """Replace the pseudonyms that the hold matches."""
    connection.execute(update(t.hold).where(h.id == hold).values(match_values=list(match_values)))


def to_resume() -> Select[UUID]:
    """SQL: released and narrowed holds of which not everything was resumed yet."""
    ended = or_(h.released.is_not(None), h.narrowed.is_not(None))
    return select(h.id).where(ended, h.resumed.is_(None))


@dataclass(frozen=True, slots=True)
class ToResume:
    """A hold that was released or narrowed ``since``; then workers look for what it let go.

    ``tenant`` is None if it may be several. ``passed``: the last row of ``held`` that was looked
    at, as ``held_after`` takes it.
    """

    id: UUID
    tenant: str | None
    since: datetime
    passed: Passed | None


def lock_next_to_resume(connection: Connection) -> ToResume | None:
    """Lock and return the oldest hold to resume."""
    since = func.greatest(h.released, h.narrowed)
    row = connection.execute(
        to_resume()
        .with_only_columns(
            h.id,
            h.tenant,
            since,
            *(h.passed_tenant, h.passed_minted, h.passed_uid, h.passed_day),
        )
        .order_by(since)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    passed = None if row[3] is None else (row[3], row[4], bytes(row[5]), row[6])
    return ToResume(row[0], row[1], row[2], passed)


def note_passed(connection: Connection, hold: UUID, passed: Passed) -> None:
    """Record how far workers have looked for what the hold let go."""
    tenant, minted, uid, day = passed
    connection.execute(
        update(t.hold)
        .where(h.id == hold)
        .values(passed_tenant=tenant, passed_minted=minted, passed_uid=uid, passed_day=day)
    )


def mark_resumed(connection: Connection, hold: UUID, now: datetime) -> None:
    """Record that everything the hold deferred was resumed."""
    connection.execute(update(t.hold).where(h.id == hold).values(resumed=now))


def old(before: datetime) -> Select[UUID]:
    """SQL: holds released before then, as ``prune`` selects them.

    Excluded are holds that a known erasure names, and the newest: the next number must be higher.
    """
    newest = select(func.max(h.number)).scalar_subquery()
    return select(h.id).where(
        h.released < before,
        h.resumed.is_not(None),
        h.number < newest,
        ~exists().where(t.deferral.c.hold_id == h.id),
    )


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete a batch of old holds with their audit entries, oldest first; return the count.

    A function of the catalog does it: no login may delete a hold itself.
    """
    return connection.scalar(select(func.forget_holds(before, limit))) or 0


def last_number() -> ColumnElement[int]:
    """SQL: the number of the newest hold."""
    return select(func.coalesce(func.max(h.number), 0)).scalar_subquery()


def count(connection: Connection, hold: UUID) -> int:
    """Return how many records the hold covers, up to ``COUNTED`` per table."""
    account = connection.scalar(select(h.account).where(h.id == hold))
    found = 0
    for table in (t.record, t.file, t.held):
        where = [h.id == hold]
        if account is not None:  # drives the query: otherwise it would look at every record
            own = select(t.tenant.c.id).where(t.tenant.c.account == account)
            where.append(table.c.tenant.in_(own))
        found += counted(connection, covered(table, table.c.uid, *where))
    return found


def counted(connection: Connection, rows: CompoundSelect[Any]) -> int:
    """Return how many rows a query gives, up to ``COUNTED``."""
    return count_up_to(connection, rows, COUNTED)


def days_placed_too_late_for(connection: Connection, hold: UUID) -> list[ExpiringDay]:
    """Return days that began to expire before the hold, with records that it would cover."""
    days = connection.scalars(select(d.day).where(d.state == "expiring").order_by(d.day)).all()
    found = []
    for day in days:
        where = [h.id == hold, t.record.c.expiry_day == day]
        rows = covered(t.record, t.record.c.uid, *where, placed_in_time=False)
        records = counted(connection, rows)
        if records:
            found.append(ExpiringDay(day, records))
    return found


def erasures_placed_too_late_for(connection: Connection, hold: UUID) -> list[UUID]:
    """Return open erasures that may have deleted what the hold would cover, before it was placed.

    Two subjects or two groups do not overlap. Any other two scopes may.
    """
    overlapping = or_(
        f.scope != h.scope,
        f.scope.in_((ScopeKind.TENANT, ScopeKind.RECORD)),
        f.value == any_(h.match_values),
    )
    return list(
        connection.scalars(
            select(e.id)
            .join(t.fence, f.erasure_id == e.id)
            .join(t.hold, _about(f.tenant))
            .where(h.id == hold, e.state != ErasureState.COMPLETE, e.deleted > 0, overlapping)
            .distinct()
            .order_by(e.id)
            .limit(COUNTED)
        )
    )


def _about(tenant: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: whether the hold may cover something of a tenant."""
    wide = and_(h.tenant.is_(None), or_(h.account.is_(None), in_account(tenant)))
    return or_(h.tenant == tenant, wide)


def in_force(connection: Connection, tenant: str) -> list[UUID]:
    """Return the holds in force that may cover something of a tenant, oldest first."""
    whose = _about(literal(tenant, Text))
    query = select(h.id).where(whose, h.released.is_(None)).order_by(h.number)
    return list(connection.scalars(query))


def count_in_force(connection: Connection, now: datetime) -> HoldCounts:
    """Count the holds in force."""
    unconfirmed = h.confirmed.is_(None)
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(h.review < now.date()),
            func.count().filter(unconfirmed),
            func.count().filter(unconfirmed, h.confirm_by <= now),
        ).where(h.released.is_(None))
    ).one()
    return HoldCounts(*row)


def show(connection: Connection, region: str, ids: Sequence[UUID]) -> list[Hold]:
    """Return holds, oldest first."""
    rows = connection.execute(
        select(t.hold).where(h.id == any_(literal(list(ids), ARRAY(Uuid)))).order_by(h.number)
    ).all()
    parts = hold_changes.carve_outs(connection, ids)
    decisions = hold_changes.decisions(connection, ids)
    waiting = hold_changes.count_waiting(connection, ids)
    return [
        Hold(
            id=x.id,
            region=region,
            tenant=x.tenant,
            account=x.account,
            scope=ScopeKind(x.scope),
            classes=tuple(DataClass(name) for name in x.classes or ()),
            minted_from=x.minted_from,
            minted_to=x.minted_to,
            future=x.cutoff is None,
            matter=x.matter,
            authority=x.authority,
            authority_jurisdiction=x.authority_jurisdiction,
            document=x.document,
            issuer=x.issuer,
            placed=x.placed,
            review=x.review,
            sponsor=x.sponsor,
            confirm_by=x.confirm_by,
            confirmed=x.confirmed,
            confirmed_by=x.confirmed_by,
            decision=decisions.get(x.id),
            carve_outs=tuple(parts.get(x.id, ())),
            changes_waiting=waiting.get(x.id, 0),
            released=x.released,
            released_why=x.released_why,
            named=count_named(ScopeKind(x.scope), x.match_values or ()),
        )
        for x in rows
    ]


def page(
    connection: Connection, *, tenant: str | None, released: bool, after: UUID | None, limit: int
) -> list[UUID]:
    """Return ids of holds, newest first, that come after one; ``released``: those too.

    ``tenant``: those that may cover something of it.
    """
    query = select(h.id).order_by(h.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(_about(literal(tenant, Text)))
    if not released:
        query = query.where(h.released.is_(None))
    return list(connection.scalars(query if after is None else query.where(h.id < after)))
