"""What was handed out for training and fine-tuning, to which run, and what an erasure asks back.

A use is committed, and in the ledger, before the first byte of its record is handed out, under the
tenant's lock and after a look at the fences: so an erasure finds every use, as it finds every copy
at a processor. A run is a place where copies are, and a person confirms that they are gone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    LargeBinary,
    ScalarSelect,
    Select,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, insert

from regions.model import Purpose
from storage.catalog import deletions, erasures, fences, hold_predicate
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.catalog.fences import FenceQuery
from storage.catalog.records import Row, fenced, table_of
from storage.catalog.tables import Moment
from storage.events import NewUses
from storage.model import ErasureState, LineKind, RecordId, ScopeKind, Use

e, k, line, m, r, u, w, x = (
    t.erasure.c,
    t.training_confirmation.c,
    t.log_line.c,
    t.tenant_model.c,
    t.training_read.c,
    t.training_use.c,
    t.erasure_training.c,
    t.training_exclusion.c,
)


@dataclass(frozen=True, slots=True)
class Used:
    """A record that a run was given. ``erased``: an erasure covers it."""

    read: UUID
    tenant: str
    record: RecordId
    origin: date
    subject: bytes | None
    at: datetime
    erased: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """The evidence that a run has deleted what an erasure covers."""

    read: UUID
    confirmed: datetime
    digest: str


def add(connection: Connection, new: NewUses) -> bool:
    """Insert what is about to be handed out. False: all of it is there already.

    The caller shares the tenant's lock.
    """
    connection.execute(
        insert(t.training_read)
        .values(
            id=new.read,
            tenant=new.tenant,
            purpose=new.purpose,
            run=new.run,
            job=new.job,
            actor=new.actor,
            began=new.began,
        )
        .on_conflict_do_nothing()
    )
    rows = [
        {
            "read_id": new.read,
            "uid": RecordId.parse(one.record).unique,
            "record": one.record,
            "tenant": new.tenant,
            "data_class": RecordId.parse(one.record).data_class.value,
            "minted": RecordId.parse(one.record).minted,
            "origin": one.origin,
            "subject": one.subject,
            "grp": one.group,
            "ancestors": list(one.ancestors) or None,
            "consent_id": one.consent,
            "at": new.at,
        }
        for one in new.uses
    ]
    added = connection.execute(
        insert(t.training_use).on_conflict_do_nothing().returning(u.uid), rows
    ).all()
    _await_open(connection, new)
    return bool(added)


def _await_open(connection: Connection, new: NewUses) -> None:
    """Make erasures that cover it wait: a restored catalog may have planned them without it."""
    queries = [
        FenceQuery(
            new.tenant,
            (RecordId.parse(one.record).unique, *one.ancestors),
            () if one.subject is None else (one.subject,),
            () if one.group is None else (one.group,),
            one.origin,
        )
        for one in new.uses
    ]
    covering = set().union(*fences.covering(connection, queries).values())
    if not covering:
        return
    waiting = erasures.open_among(connection, covering)
    moment = func.coalesce(e.fenced, e.requested)
    linked = select(e.id, literal(new.read), moment).where(e.id.in_(waiting))
    _link(connection, linked)


def _link(connection: Connection, linked: object) -> None:
    query = insert(t.erasure_training).from_select(["erasure_id", "read_id", "noted"], linked)  # type: ignore[arg-type]
    connection.execute(query.on_conflict_do_nothing())


def await_covered(connection: Connection, erasure: OpenErasure, limit: int) -> int:
    """Exclude a batch of what an erasure covers, and make it wait for the runs that were given it.

    Return the count. Nothing that it covers is handed out later: ``add`` comes after a look at the
    fence.
    """
    covered = deletions.in_erasure(t.training_use, erasure)
    moment = (
        select(func.coalesce(e.fenced, e.requested)).where(e.id == erasure.id).scalar_subquery()
    )
    known = exists().where(x.read_id == u.read_id, x.uid == u.uid)
    fresh = select(u.read_id, u.uid, moment).where(covered, ~known).limit(limit)
    done = connection.execute(
        insert(t.training_exclusion)
        .from_select(["read_id", "uid", "at"], fresh)
        .on_conflict_do_nothing()
        .returning(x.uid)
    ).all()
    if len(done) < limit:
        kept = and_(x.read_id == u.read_id, x.uid == u.uid, ~_confirmed(x.read_id, x.at))
        left = select(u.read_id).where(covered, exists().where(kept)).distinct().subquery()
        _link(connection, select(literal(erasure.id), left.c.read_id, moment))
    return len(done)


def _confirmed(read: ColumnElement[UUID], since: ColumnElement[datetime]) -> ColumnElement[bool]:
    """SQL: whether somebody confirmed that a run has nothing of what was on its list by then."""
    return exists().where(k.read_id == read, k.listed >= since)


def is_waited_for() -> ColumnElement[bool]:
    """SQL: whether an erasure waits for a run to delete what it was given."""
    return exists().where(w.erasure_id == e.id, ~_confirmed(w.read_id, w.noted))


def outstanding(erasures: Sequence[UUID]) -> Select[UUID, str, int, str, datetime]:
    """SQL: the runs that each erasure waits for, with how many reads of each."""
    error, due = null().cast(Text), null().cast(e.requested.type)
    return (
        select(w.erasure_id, "training run " + r.run, func.count(), error, due)
        .join(t.training_read, r.id == w.read_id)
        .where(w.erasure_id.in_(erasures), ~_confirmed(w.read_id, w.noted))
        .group_by(w.erasure_id, r.run)
        .order_by(w.erasure_id, r.run)
    )


def confirmations(connection: Connection, erasure: UUID) -> list[Deleted]:
    """Return the evidence for each read whose run an erasure waited for: the first that counts."""
    rows = connection.execute(
        select(w.read_id, k.confirmed, k.digest)
        .join(t.training_confirmation, and_(k.read_id == w.read_id, k.listed >= w.noted))
        .where(w.erasure_id == erasure)
        .order_by(w.read_id, k.number)
    )
    found: dict[UUID, Deleted] = {}
    for row in rows:
        found.setdefault(row[0], Deleted(*row))
    return list(found.values())


def reads_of(
    connection: Connection, run: str, purpose: Purpose, tenant: str | None = None
) -> list[UUID]:
    """Return the reads of a run, or of a tenant's own model: not those of a former tenant."""
    query = select(r.id).where(r.run == run, r.purpose == purpose.value)
    if tenant is not None:
        query = query.where(r.tenant == tenant, _since_created(tenant))
    return list(connection.scalars(query.order_by(r.id)))


def used(connection: Connection, read: UUID, after: bytes | None, limit: int) -> list[Used]:
    """Return what a read was given, by unique part, after one of them."""
    excluded = exists().where(x.read_id == u.read_id, x.uid == u.uid)
    query = select(t.training_use, (excluded | fenced(t.training_use)).label("erased"))
    query = query.where(u.read_id == read).order_by(u.uid).limit(limit)
    if after is not None:
        query = query.where(u.uid > after)
    return [
        Used(
            row.read_id,
            row.tenant,
            RecordId.parse(row.record),
            row.origin.date(),
            row.subject,
            row.at,
            row.erased,
        )
        for row in connection.execute(query)
    ]


def uses_of(connection: Connection, tenant: str, record: RecordId) -> list[Use]:
    """Return for what a record was handed out, oldest first."""
    rows = connection.execute(
        select(r.purpose, r.run, r.job, u.at)
        .join(t.training_read, r.id == u.read_id)
        .where(u.tenant == tenant, u.uid == record.unique)
        .order_by(u.at, r.id)
    )
    return [Use(*row) for row in rows]


def is_noted(connection: Connection, read: UUID, record: RecordId) -> bool:
    """Return whether a use is there already."""
    query = select(u.uid).where(u.read_id == read, u.uid == record.unique)
    return connection.scalar(query) is not None


def find_read(
    connection: Connection, tenant: str, *, purpose: Purpose, run: str, job: str
) -> UUID | None:
    """Return the read of a tenant with that run and job."""
    query = select(r.id).where(r.tenant == tenant, r.run == run, r.job == job)
    found: UUID | None = connection.scalar(query.where(r.purpose == purpose.value).limit(1))
    return found


def confirm(
    connection: Connection,
    reads: Collection[UUID],
    *,
    listed: datetime,
    digest: str,
    actor: str,
    now: datetime,
) -> None:
    """Note that a run has nothing more of what was on its list then; forget who that was about."""
    for read in reads:
        connection.execute(
            insert(t.training_confirmation).values(
                read_id=read, listed=listed, confirmed=now, digest=digest, actor=actor
            )
        )
    gone = exists().where(x.read_id == u.read_id, x.uid == u.uid, x.at <= listed)
    connection.execute(
        update(t.training_use)
        .where(u.read_id.in_(reads), gone)
        .values(subject=None, grp=None, ancestors=None)
    )


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget a batch of what was handed out before a moment; return the count.

    No login may delete a use or a read itself.
    """
    query = old(before).add_columns(u.read_id).order_by(u.at).limit(limit)
    # mostly none is that old, and to plan the whole query takes long
    some = connection.scalar(select(exists().where(u.at < before)))
    over = connection.execute(query).all() if some else []
    forget = func.forget_training(
        literal(before, Moment),
        literal([row.read_id for row in over], ARRAY(Uuid)),
        literal([row.uid for row in over], ARRAY(LargeBinary)),
        limit,
    )
    return connection.scalar(select(forget)) or 0


def old(before: datetime) -> Select[bytes]:
    """SQL: the uses that ``prune`` forgets."""
    there = (
        exists().where(table.c.tenant == u.tenant, table.c.uid == u.uid)
        for table in (t.file, t.held, t.record)
    )
    confirmed = exists().where(k.read_id == x.read_id, k.listed >= x.at, k.confirmed < before)
    listed = exists().where(x.read_id == u.read_id, x.uid == u.uid, ~confirmed)
    open_one = exists().where(e.tenant == u.tenant, e.state != "complete")
    return select(u.uid).where(u.at < before, *(~one for one in there), ~listed, ~open_one)


def held_among(connection: Connection, rows: Sequence[Row]) -> set[bytes]:
    """Return the unique parts of those records that a hold in force covers."""
    found: set[bytes] = set()
    for table in (t.record, t.file):
        some = [row for row in rows if table_of(row.id.day) is table]
        if not some:
            continue
        c = table.c
        uids = literal([row.id.unique for row in some], ARRAY(LargeBinary))
        where = [c.tenant == some[0].tenant, c.uid == any_(uids), hold_predicate.held(table)]
        if table is t.record:
            where.append(c.expiry_day.in_(sorted({row.id.day for row in some if row.id.day})))
        found |= set(map(bytes, connection.scalars(select(c.uid).where(*where))))
    return found


def add_model(connection: Connection, name: str, tenant: str, *, by: str, now: datetime) -> None:
    """Note a model of a tenant. It stays that of who was first: see ``is_own_model``."""
    added = func.greatest(literal(now, Moment), _created(tenant))
    connection.execute(
        insert(t.tenant_model)
        .values(name=name, tenant=tenant, added=added, actor=by)
        .on_conflict_do_nothing()
    )


def is_own_model(connection: Connection, name: str, tenant: str) -> bool | None:
    """Return whether a model is a tenant's own, and no other's; None: it is noted for nobody.

    One that was noted before the tenant was created is that of a former tenant of the same id. A
    read for fine-tuning shows whose a model is, too: the ledger has it after a restore.
    """
    noted = select((m.tenant == tenant) & (m.added >= _created(tenant))).where(m.name == name)
    mine = (r.tenant == tenant) & _since_created(tenant)
    read = select(mine).where(r.run == name, r.purpose == Purpose.FINE_TUNE.value)
    claims = noted.union(read).subquery()
    own: bool | None = connection.scalar(select(func.bool_and(claims.c[0])))
    return own


def _since_created(tenant: str) -> ColumnElement[bool]:
    """SQL: whether a read is not that of a former tenant of the same id; if there is none, any.

    A tenant that was lost with the catalog is created again after its reads: so a recovery between
    them leaves a read its own, unless a tenant of that id was erased or removed since, or the id
    was another account's. The log tells that: its lines are back once every backend was read.
    """
    created = func.coalesce(_created(tenant), r.began)
    recovered = exists().where(
        line.kind == LineKind.RECOVERY.value, line.at.between(r.began, created)
    )
    whole = e.tenant == tenant, e.scope == ScopeKind.TENANT.value
    erased = exists().where(*whole, e.state == ErasureState.COMPLETE.value, e.requested >= r.began)
    unread = exists().where(func.cardinality(t.catalog_info.c.unread) > 0)
    left = erased | unread | _removed_since(tenant) | _anothers_since(tenant)
    return (r.began >= created) | (recovered & ~left)


def _removed_since(tenant: str) -> ColumnElement[bool]:
    """SQL: whether a tenant of that id was removed after a read began."""
    terms = _terms(tenant)
    return exists().where(terms.c.at >= r.began, terms.c.ended == "removed")


def _anothers_since(tenant: str) -> ColumnElement[bool]:
    """SQL: whether the id was another account's when a read began, or later."""
    terms, at_first = _terms(tenant), _terms(tenant)
    account = select(t.tenant.c.account).where(t.tenant.c.id == tenant).scalar_subquery()
    known = select(func.max(at_first.c.at)).where(
        at_first.c.at <= r.began, at_first.c.account.is_not(None)
    )
    since = func.coalesce(known.correlate(t.training_read).scalar_subquery(), r.began)
    return exists().where(terms.c.at >= since, terms.c.account != account)


def _terms(tenant: str) -> Subquery:
    """SQL: what the log says of the terms of a tenant: its account at a time, or that it ended."""
    # any login may add a line: one that PostgreSQL does not unescape says nothing
    readable = case((~line.text.regexp_match(r"\\u(0000|[dD][89a-fA-F])"), line.text))
    account, ended, whose = (
        readable.cast(JSON)[name].as_string() for name in ("account", "ended", "tenant")
    )
    return (
        select(line.at, account.label("account"), ended.label("ended"))
        .where(line.kind == LineKind.AGREEMENT.value, whose == tenant)
        .subquery()
    )


def _created(tenant: str) -> ScalarSelect[datetime]:
    return select(t.tenant.c.created).where(t.tenant.c.id == tenant).scalar_subquery()


def models(connection: Connection, tenant: str) -> list[tuple[str, datetime, str]]:
    """Return the models of a tenant, by name: each with when and by whom it was added."""
    mine = m.tenant == tenant, m.added >= _created(tenant)
    rows = connection.execute(select(m.name, m.added, m.actor).where(*mine).order_by(m.name))
    return [(row[0], row[1], row[2]) for row in rows]
