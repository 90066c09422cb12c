"""What customers chose for the end of their data, and what was done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Date,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
)

from storage.catalog import agreements, api_keys
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.tables import Moment
from storage.model import Agreement, ExitKind, ExitState, TenantExit
from storage.policy import ExitReason, current, has_lapsed

c, s, gone = t.exit_choice.c, t.exit_step.c, t.tenant_removal.c


@dataclass(frozen=True, slots=True)
class DueExit:
    """A choice whose day has come, and the erasure that carries it out."""

    id: UUID
    tenant: str
    erasure: UUID


def choose(connection: Connection, new: TenantExit, erasure: UUID, now: datetime) -> None:
    """Record a choice, as the person of this session. It replaces an earlier one."""
    connection.execute(
        select(
            func.choose_exit(
                literal(new.id, Uuid),
                literal(new.tenant, Text),
                literal(new.kind, Text),
                literal(new.on, Date),
                literal(new.document, Text),
                literal(erasure, Uuid),
                literal(now, Moment),
            )
        )
    )


def notify(connection: Connection, choice: UUID, document: str, now: datetime) -> None:
    """Record that the customer had notice, as the person of this session."""
    given = literal(choice, Uuid), literal(document, Text), literal(now, Moment)
    connection.execute(select(func.note_exit_notice(*given)))


def confirm(connection: Connection, choice: UUID, now: datetime) -> None:
    """Confirm a choice and its notice, as the person of this session."""
    connection.execute(select(func.confirm_exit(literal(choice, Uuid), literal(now, Moment))))


def begin(connection: Connection, choice: UUID, now: datetime) -> ExitReason:
    """Note that a choice is being carried out, unless something stands against it. Return what.

    Then the API keys of the tenant are gone. The caller owns the lock of the tenant, and requests
    the erasure in this transaction.
    """
    given = literal(choice, Uuid), literal(now, Moment)
    reason = ExitReason(connection.scalar(select(func.begin_exit(*given))) or ExitReason.ALLOWED)
    if reason is ExitReason.ALLOWED:
        api_keys.forget(connection, select(c.tenant).where(c.id == choice))
    return reason


def of_erasure(connection: Connection, erasure: UUID) -> UUID | None:
    """Return the choice that an erasure carries out, if it does."""
    found: UUID | None = connection.scalar(select(c.id).where(c.erasure == erasure))
    return found


def due(today: date) -> Select[UUID]:
    """SQL: choices to carry out.

    The day has come, and no agreement has been in force since, nor is or will be.
    """
    over = ~agreements.in_force_or_ahead(c.tenant, today)
    return select(c.id).where(c.exit_on <= today, *_confirmed(), over, ~_lapsed(today))


def next_due(connection: Connection, today: date) -> DueExit | None:
    """Return the first choice to carry out."""
    query = due(today).with_only_columns(c.id, c.tenant, c.erasure).order_by(c.exit_on, c.id)
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else DueExit(*row)


def count_overdue(connection: Connection, today: date, most: int) -> int:
    """Count tenants that still have records after the end of the agreement, and no exit to come.

    Their customers chose nothing, had no notice, or no second person has confirmed it. What was
    chosen, or carried out, for a contract before the one that has ended does not count. A tenant
    that never had an agreement is among them once the day that its customer chose is over.
    """
    h = t.tenant.c
    stored = or_(*(exists().where(x.c.tenant == h.id) for x in (t.record, t.file, t.held)))
    coming = exists().where(c.tenant == h.id, *_confirmed(), c.exit_on >= today)
    carried = exists().where(c.tenant == h.id, _newest(), _has("erasure"), ~_lapsed(today))
    passed = exists().where(c.tenant == h.id, _newest(), c.exit_on < today)
    chosen = and_(passed, ~agreements.in_force_or_ahead(h.id, today))
    over = or_(h.id.in_(agreements.ended(today)), chosen)
    query = select(h.id).where(over, ~coming, ~carried, stored)
    return count_up_to(connection, query, most)


def find(connection: Connection, choice: UUID, today: date) -> tuple[TenantExit, bool] | None:
    """Return a choice as it is today, and whether it is the newest of its tenant."""
    row = connection.execute(
        select(t.exit_choice, _newest().label("newest")).where(c.id == choice)
    ).one_or_none()
    if row is None:
        return None
    made = _agreements(connection, row.tenant)
    return _exit(connection, row, made, today), row.newest


def of_tenant(connection: Connection, tenant: str, today: date, limit: int) -> list[TenantExit]:
    """Return the choices of a tenant as they are today, newest first."""
    made = _agreements(connection, tenant)
    query = select(t.exit_choice).where(c.tenant == tenant, _alive())
    rows = connection.execute(query.order_by(c.number.desc()).limit(limit)).all()
    return [_exit(connection, row, made, today) for row in rows]


def _agreements(connection: Connection, tenant: str) -> list[Agreement]:
    return [entry.agreement for entry in current(agreements.of_tenant(connection, tenant))]


def _confirmed() -> tuple[Any, ...]:
    """SQL: the newest choice of its tenant, confirmed since the last recovery, and not begun."""
    counts = s.number > func.coalesce(_last_before_recovery(), 0)
    confirmed = exists().where(s.choice_id == c.id, s.step == "confirmation", counts)
    return _newest(), confirmed, ~_has("erasure")


def _lapsed(today: date) -> Any:  # noqa: ANN401 - a condition
    """SQL: whether an agreement to process data was in force on a day from the exit's until today.

    As ``storage.policy.has_lapsed``; or was by what was recorded before an entry replaced it.
    """
    now = and_(c.exit_on <= today, agreements.in_force_between(c.tenant, c.exit_on, today))
    return or_(c.lapsed.is_not(None), now)


def _last_before_recovery() -> Any:  # noqa: ANN401 - a scalar subquery
    """SQL: the number of the last step when the last recovery of the catalog began."""
    return select(t.catalog_info.c.last_exit_step).scalar_subquery()


def _newest() -> Any:  # noqa: ANN401 - a condition
    later = t.exit_choice.alias().c
    return and_(~exists().where(later.tenant == c.tenant, later.number > c.number), _alive())


def _alive() -> Any:  # noqa: ANN401 - a condition
    return ~exists().where(gone.tenant == c.tenant, gone.last_choice >= c.number)


def _has(step: str) -> Any:  # noqa: ANN401 - a condition
    return exists().where(s.choice_id == c.id, s.step == step)


def _exit(
    connection: Connection, row: Row[Any], made: Sequence[Agreement], today: date
) -> TenantExit:
    steps = connection.execute(
        select(t.exit_step).where(s.choice_id == row.id).order_by(s.number)
    ).all()
    newest = {step.step: step for step in steps}
    notice, confirmed = newest.get("notice"), newest.get("confirmation")
    last_before = connection.scalar(select(_last_before_recovery())) or 0
    if confirmed is not None and confirmed.number <= last_before:
        confirmed = None
    state = ExitState.CHOSEN if notice is None else ExitState.NOTIFIED
    if confirmed is not None:
        state = ExitState.CONFIRMED
    if row.lapsed is not None or has_lapsed(row.exit_on, made, today):
        state = ExitState.LAPSED
    carried = "erasure" in newest
    return TenantExit(
        row.id,
        row.tenant,
        ExitKind(row.kind),
        row.exit_on,
        row.document,
        row.actor,
        row.at,
        ExitState.CARRIED_OUT if carried else state,
        notice=None if notice is None else notice.document,
        notified=None if notice is None else notice.at,
        confirmed_by=None if confirmed is None else confirmed.actor,
        confirmed=None if confirmed is None else confirmed.at,
        erasure=row.erasure if carried else None,
    )
