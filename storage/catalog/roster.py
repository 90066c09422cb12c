"""The roster of a region: the people and machines that may have to do with content.

Entries are only added, by a function of the catalog, which knows by the login of the session who
asks. The newest entry of an actor counts.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    Connection,
    Date,
    Integer,
    Row,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import distinct_on

from storage.catalog import tables as t
from storage.catalog.tables import Moment
from storage.model import STAFF, ActorKind, RosterEntry, RosterSpec

r, f = t.roster.c, t.former_login.c


def own(connection: Connection) -> None:
    """Until the transaction ends, no other makes an entry."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('roster', 0))"))


def enter(
    connection: Connection, spec: RosterSpec, now: datetime, staff_max: int | None = None
) -> RosterEntry:
    """Add an entry and its line in the log, as the login of this session, and return the entry.

    What the function refuses leaves the transaction as GrantRefused.
    """
    given: tuple[str | None, ...] = (
        spec.actor,
        spec.kind,
        spec.role,
        spec.employer,
        spec.location,
        spec.login,
        spec.agreement,
    )
    connection.execute(
        select(
            func.enter_roster(
                *(literal(value, Text) for value in given),
                literal(spec.since, Date),
                literal(spec.until, Date),
                spec.suspended,
                literal(now, Moment),
                literal(staff_max, Integer),
            )
        )
    )
    return _entry(connection.execute(_newest_of(spec.actor)).one())


def entry(connection: Connection, actor: str) -> RosterEntry | None:
    """Return the entry of an actor that counts."""
    row = connection.execute(_newest_of(actor)).one_or_none()
    return None if row is None else _entry(row)


def of_session(connection: Connection) -> RosterEntry | None:
    """Return the entry of the actor whose login this session began with."""
    login = select(r.actor).where(r.login == func.session_user()).limit(1).scalar_subquery()
    query = select(t.roster, func.session_user().label("session")).where(r.actor == login)
    row = connection.execute(query.order_by(r.number.desc()).limit(1)).one_or_none()
    return None if row is None or row.login != row.session else _entry(row)


def session(connection: Connection) -> tuple[str | None, str]:
    """Return the person whose login this session began with, if it is one's, and the login."""
    person = select(r.actor).where(r.login == func.session_user(), r.kind.in_(STAFF)).limit(1)
    former = select(f.actor).where(f.login == func.session_user())
    found = func.coalesce(person.scalar_subquery(), former.scalar_subquery())
    row = connection.execute(select(found, func.session_user())).one()
    return row[0], row[1]


def page(connection: Connection, after: str, limit: int) -> list[RosterEntry]:
    """Return the entries that count, by ascending id of their actors, after one."""
    rows = connection.execute(_newest().where(r.actor > after).limit(limit))
    return [_entry(row) for row in rows]


def staff_in_force(connection: Connection, on: date) -> int:
    """Return how many people the roster allows to act on a day."""
    e = _newest().subquery().c
    query = select(func.count()).where(e.kind.in_(STAFF), ~e.suspended, e.since <= on)
    return connection.scalar(query.where(or_(e.until.is_(None), e.until > on))) or 0


def others_from(connection: Connection, actor: str, on: date) -> int:
    """Return how many people but one may act on a day or later."""
    e = _newest().subquery().c
    query = select(func.count()).where(e.kind.in_(STAFF), ~e.suspended, e.actor != actor)
    return connection.scalar(query.where(or_(e.until.is_(None), e.until > on))) or 0


def old(before: datetime) -> Select[int]:
    """SQL: entries that ended before then, as ``prune`` selects them."""
    replaced = func.lead(r.entered).over(partition_by=r.actor, order_by=r.number)
    suspended = case((r.suspended, r.entered))
    last = func.timezone("UTC", cast(r.until, TIMESTAMP))
    e = select(r.number, r.entered, func.least(replaced, suspended, last).label("end")).subquery().c
    return select(e.number).where(e.end.is_not(None), func.greatest(e.entered, e.end) < before)


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget a batch of entries that ended before then; return the count."""
    return connection.scalar(select(func.forget_roster(literal(before, Moment), limit))) or 0


def _newest_of(actor: str) -> Select[Any]:
    return select(t.roster).where(r.actor == actor).order_by(r.number.desc()).limit(1)


def _newest() -> Select[Any]:
    one_each = distinct_on(r.actor)
    return select(t.roster).ext(one_each).order_by(r.actor, r.number.desc())


def _entry(row: Row[Any]) -> RosterEntry:
    return RosterEntry(
        row.actor,
        ActorKind(row.kind),
        row.role,
        row.employer,
        row.location,
        row.login,
        row.agreement,
        row.since,
        row.until,
        row.suspended,
        row.entered,
        row.entered_by,
    )
