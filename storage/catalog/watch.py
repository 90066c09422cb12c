"""What a monitor watches of a region, in one statement whose counts stop.

It is asked again and again, by every process that is watched: so it must stay cheap while a backlog
grows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from regions.model import Bounds
from storage.catalog import days
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind
from storage.model import CopyState, ErasureState, ReplicaState

COUNTED = 10_000
"""Nothing is counted further; it means that many or more."""
SOON = timedelta(hours=1)
"""What a worker does at once is done by then, or overdue."""

_Row = Select[str, str | None, float | None]

c, e, g, h = t.processor_copy.c, t.erasure.c, t.access_grant.c, t.hold.c
o, p, r, s, w = t.object_.c, t.grant_approval.c, t.replica.c, t.scrub.c, t.sweep.c


@dataclass(frozen=True, slots=True)
class Watched:
    """Counts up to ``COUNTED``, and the moments since when something is overdue or open.

    ``overdue_records``: rows of expiry days that ended more than a purge bound ago. ``purging``,
    ``missing``, ``unrepaired``, ``orphans``: by backend, without those of which there is none.
    """

    overdue_since: datetime | None
    overdue_records: int
    overdue_days: int
    overdue_copies: int
    open_erasures: int
    deferred_erasures: int
    oldest_erasure: datetime | None
    holds: int
    overdue_confirmations: int
    overdue_reviews: int
    grants: int
    horizon: date | None
    purging: Mapping[str, int]
    missing: Mapping[str, int]
    unrepaired: Mapping[str, int]
    orphans: Mapping[str, int]


def ask(connection: Connection) -> None:
    """Ask nothing but an answer. Raises as every query does."""
    connection.execute(select(literal(1)))


def look(connection: Connection, now: datetime, bounds: Bounds) -> Watched:
    """Ask once. ``bounds``: what the topology promises."""
    numbers: dict[str, float] = {}
    by_backend: dict[str, dict[str, int]] = {}
    for name, of, number in connection.execute(union_all(*_rows(now, bounds))):
        if number is None:
            continue
        if of is None:
            numbers[name] = number
        elif number > 0:
            by_backend.setdefault(name, {})[of] = int(number)

    def moment(name: str, after: timedelta = timedelta()) -> datetime | None:
        return (
            datetime.fromtimestamp(numbers[name], now.tzinfo) + after if name in numbers else None
        )

    since = (
        moment("oldest_purge", SOON),
        moment("oldest_day", bounds.purge),
        moment("oldest_fence", SOON),
        moment("oldest_request", bounds.compaction + bounds.purge),
        moment("oldest_copy"),
    )
    horizon = moment("horizon")
    return Watched(
        overdue_since=min((at for at in since if at is not None and at < now), default=None),
        overdue_records=int(numbers["overdue_records"]),
        overdue_days=int(numbers["overdue_days"]),
        overdue_copies=int(numbers["overdue_copies"]),
        open_erasures=int(numbers["open_erasures"]),
        deferred_erasures=int(numbers["deferred_erasures"]),
        oldest_erasure=moment("oldest_request"),
        holds=int(numbers["holds"]),
        overdue_confirmations=int(numbers["overdue_confirmations"]),
        overdue_reviews=int(numbers["overdue_reviews"]),
        grants=int(numbers["grants"]),
        horizon=None if horizon is None else horizon.date(),
        purging=by_backend.get("purging", {}),
        missing=by_backend.get("missing", {}),
        unrepaired=by_backend.get("unrepaired", {}),
        orphans=by_backend.get("orphans", {}),
    )


def _rows(now: datetime, bounds: Bounds) -> Iterator[_Row]:
    """SQL: the name of each number, the backend that it is about, and the number."""
    yield from _overdue(now, now - bounds.purge)
    yield from _erasures()
    yield from _people(now)
    yield from _backends()
    yield _row("horizon", _seconds(func.max(t.day.c.day))).where(t.day.c.state == "open")


def _overdue(now: datetime, ended: datetime) -> Iterator[_Row]:
    expired = t.record.c.expiry_day
    yield _count("overdue_records", select(expired).where(expired < ended.date()))
    late = days.overdue(ended).limit(COUNTED).subquery().c
    yield _row("overdue_days", func.count()).select_from(late.day.table)
    yield _row("oldest_day", _seconds(func.min(late.day)))
    sent = select(c.deadline).where(c.state != CopyState.CONFIRMED, c.deadline <= now)
    copies = sent.limit(COUNTED).subquery().c
    yield _row("overdue_copies", func.count()).select_from(copies.deadline.table)
    yield _row("oldest_copy", _seconds(func.min(copies.deadline)))


def _erasures() -> Iterator[_Row]:
    unfinished = select(e.state, e.requested).where(e.state != ErasureState.COMPLETE)
    some = unfinished.order_by(e.requested).limit(COUNTED).subquery().c
    yield _row("open_erasures", func.count()).select_from(some.state.table)
    deferred = some.state == ErasureState.DEFERRED
    yield _row("deferred_erasures", func.count().filter(deferred)).select_from(some.state.table)
    yield _row("oldest_request", _seconds(func.min(some.requested).filter(~deferred)))
    fenced = some.state == ErasureState.FENCED
    yield _row("oldest_fence", _seconds(func.min(some.requested).filter(fenced)))


def _people(now: datetime) -> Iterator[_Row]:
    in_force = select(h.review, h.confirmed, h.confirm_by).where(h.released.is_(None))
    held = in_force.limit(COUNTED).subquery().c
    for name, which in (
        ("holds", literal(value=True)),
        ("overdue_confirmations", and_(held.confirmed.is_(None), held.confirm_by <= now)),
        ("overdue_reviews", held.review < now.date()),
    ):
        yield _row(name, func.count().filter(which)).select_from(held.review.table)
    yield _count("grants", _grants_in_force(now))


def _grants_in_force(now: datetime) -> Select[object]:
    """SQL: grants that may be used now, if some of the records are left."""

    def approved(*, for_customer: bool) -> ColumnElement[bool]:
        return exists().where(p.grant_id == g.id, p.for_customer.is_(for_customer))

    return select(g.id).where(
        g.until > now,
        ~exists().where(t.grant_revocation.c.grant_id == g.id),
        approved(for_customer=False),
        or_(~g.customer_must_approve, approved(for_customer=True)),
    )


def _backends() -> Iterator[_Row]:
    """SQL: by backend, the first of the queue of purges and of replications, and the last scrub."""
    queue = (
        select(r.backend, r.purging_since, o.kind)
        .join(t.object_, o.id == r.object_id)
        .where(r.state == ReplicaState.PURGING)
        .order_by(r.next_attempt)
        .limit(COUNTED)
        .subquery()
        .c
    )
    wanted = queue.kind != ObjectKind.CANARY
    yield _row("purging", func.count().filter(wanted), queue.backend).group_by(queue.backend)
    yield _row("oldest_purge", _seconds(func.min(queue.purging_since)))
    waiting = select(o.id, o.backends).where(o.replicate_at.is_not(None))
    some = waiting.order_by(o.replicate_at).limit(COUNTED).subquery().c
    wants = select(some.id, func.unnest(some.backends).label("backend")).subquery().c
    there = exists().where(
        r.object_id == wants.id, r.backend == wants.backend, r.state == ReplicaState.STORED
    )
    yield _row("missing", func.count(), wants.backend).where(~there).group_by(wants.backend)
    yield _row("unrepaired", s.unrepaired, s.backend).where(s.unrepaired > 0)
    yield _row("orphans", func.sum(w.orphans), w.backend).where(w.orphans > 0).group_by(w.backend)


def _row(name: str, number: ColumnElement[Any], of: ColumnElement[str] | None = None) -> _Row:
    about = null().cast(Text) if of is None else of
    return select(literal(name), about, number.cast(DOUBLE_PRECISION))


def _count(name: str, rows: Select[object]) -> _Row:
    some = rows.limit(COUNTED).subquery()
    return _row(name, func.count()).select_from(some)


def _seconds(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQL: since 1970. That of a day is its midnight in UTC."""
    return func.extract("epoch", moment)
