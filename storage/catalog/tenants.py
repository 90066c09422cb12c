"""Tenants: in full in their home region; id, account and home in other regions."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass, Topology
from regions.words import with_article
from storage.catalog import agreements, cells, log, objections, remains, stages
from storage.catalog import tables as t
from storage.catalog.engine import own_tenant, share_tenants
from storage.catalog.row_ids import new_id
from storage.errors import TenantConflict, TermsChanged, UnknownTenant
from storage.model import (
    Agreement,
    Entropy,
    LineKind,
    RecordedAgreement,
    TenantSpec,
    Trait,
)
from storage.policy import (
    TenantEnd,
    check_epoch,
    check_takes_tenants,
    current,
    may_record,
    to_record,
)

_FIRST = cast(cast(func.pg_current_xact_id(), Text), BigInteger) % 2**30
"""The version of new terms: higher than any that a removed tenant of the same id had.

Each change of terms is a transaction, and adds 1.
"""


@dataclass(frozen=True, slots=True)
class TenantTerms:
    """The terms of a tenant, and their version, which a write compares before each commit.

    ``objections``: the companies that the tenant objects to. ``history``: of its agreements; those
    that nothing supersedes are in ``spec``.
    """

    spec: TenantSpec
    version: int
    objections: frozenset[str] = frozenset()
    history: tuple[RecordedAgreement, ...] = field(default=(), compare=False)

    @property
    def own_day_keys(self) -> bool:
        """Whether the tenant's day keys are its own: others of its shard may be elsewhere."""
        return self.spec.dedicated or bool(self.objections)


def find(connection: Connection, tenant: str) -> TenantTerms | None:
    """Return a tenant whose home is this region."""
    return find_all(connection, [tenant]).get(tenant)


def find_all(connection: Connection, ids: Collection[str]) -> dict[str, TenantTerms]:
    """Return those of the tenants whose home is this region, by id."""
    given = any_(literal(list(ids), ARRAY(Text)))
    # The version first: of what changes meanwhile, it is then the older one.
    rows = connection.execute(select(t.tenant).where(t.tenant.c.id == given)).all()
    signed = agreements.of_tenants(connection, ids)
    objected = objections.of_tenants(connection, ids)
    found = {}
    for row in rows:
        history = signed.get(row.id, [])
        spec = TenantSpec(
            row.id,
            row.account,
            row.home,
            row.residency,
            row.service,
            tuple(sorted((one.agreement for one in current(history)), key=_agreement_order)),
            {DataClass(name): days for name, days in row.retention.items()},
            row.dedicated,
            frozenset(map(Trait, row.traits)),
        )
        found[row.id] = TenantTerms(
            spec, row.version, objected.get(row.id, frozenset()), tuple(history)
        )
    return found


def retention_of(connection: Connection, tenant: str) -> dict[DataClass, int]:
    """Return the retention that a tenant of this region set, by class."""
    h = t.tenant.c
    found = connection.scalar(select(h.retention).where(h.id == tenant)) or {}
    return {DataClass(name): days for name, days in found.items()}


def created(connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
    """Return when tenants of this region were created, by id."""
    given = any_(literal(list(ids), ARRAY(Text)))
    query = select(t.tenant.c.id, t.tenant.c.created).where(t.tenant.c.id == given)
    return {row[0]: row[1] for row in connection.execute(query)}


def home_of(connection: Connection, tenant: str) -> str | None:
    """Return the home of a tenant, if this region knows it."""
    d, h = t.directory.c, t.tenant.c
    home: str | None = connection.scalar(
        union_all(select(h.home).where(h.id == tenant), select(d.home).where(d.id == tenant)).limit(
            1
        )
    )
    return home


def ensure(
    connection: Connection,
    spec: TenantSpec,
    now: datetime,
    entropy: Entropy,
    *,
    topology: Topology,
) -> bool:
    """Insert or update a tenant of this region. Return whether it is new.

    Its agreements that the catalog lacks are added; what it has stays, also what is not given.
    ``topology``: the one that says what it may set, and since when agreements are signed. A line of
    the log has its new terms.

    Raises TenantConflict if account or home would change, InvalidRequest for a retention above the
    ceiling of the epoch in force, AgreementRefused, and RegionNotRoutable for a new tenant if the
    region takes none.
    """
    own_tenant(connection, spec.id)
    known = find(connection, spec.id)
    if home_of(connection, spec.id) not in (None, spec.home):
        raise conflict(spec.id)
    if known is not None and known.spec.account != spec.account:
        raise conflict(spec.id)
    history = [] if known is None else list(known.history)
    steps = to_record(spec.agreements, history)
    if known is not None and not steps and _same_terms(known.spec, spec):
        return False
    own = {} if known is None else known.spec.retention
    check_epoch(topology, spec.retention, own, now.date())
    if known is None:
        stages.share(connection)
        check_takes_tenants(spec.home, stages.latest(connection))
    _write(connection, spec, now)
    for agreement, supersedes in ((step.agreement, step.supersedes) for step in steps):
        may_record(
            agreement,
            history,
            supersedes=supersedes,
            founded=topology.founded,
            today=now.date(),
        ).demand()
        new = new_id(now, entropy(10))
        agreements.add(connection, new, spec.id, agreement, supersedes=supersedes)
        history = agreements.of_tenant(connection, spec.id)
    facts = _terms(replace(spec, agreements=tuple(one.agreement for one in current(history))))
    log.append(connection, LineKind.AGREEMENT, facts, now, entropy)
    return known is None


def keep(
    connection: Connection,
    tenant: str,
    data_class: DataClass,
    days: int,
    *,
    was: int | None,
    now: datetime,
    entropy: Entropy,
) -> None:
    """Set how long a tenant of this region keeps a class. Its other terms stay as they are by now.

    ``was``: what the caller knows that the tenant has set, None: nothing. Raises UnknownTenant, and
    TermsChanged if the tenant has set another number of days meanwhile.
    """
    own_tenant(connection, tenant)
    known = find(connection, tenant)
    if known is None:
        raise UnknownTenant(reasons=("unknown_tenant",))
    if known.spec.retention.get(data_class) != was:
        raise TermsChanged(
            f"The retention of {with_article(data_class)} was changed meanwhile. "
            "Nothing is changed.",
            advice="Look at what is set now, and decide again: domicile tenant list",
        )
    spec = replace(known.spec, retention={**known.spec.retention, data_class: days})
    if spec != known.spec:
        _write(connection, spec, now)
        log.append(connection, LineKind.AGREEMENT, _terms(spec), now, entropy)


def _same_terms(known: TenantSpec, given: TenantSpec) -> bool:
    """Return whether two have the same terms, apart from agreements."""
    return replace(known, agreements=()) == replace(given, agreements=())


def _write(connection: Connection, spec: TenantSpec, now: datetime) -> None:
    """Insert or update a tenant, without its agreements."""
    values = {
        "account": spec.account,
        "home": spec.home,
        "residency": spec.residency,
        "service": spec.service,
        "dedicated": spec.dedicated,
        "traits": sorted(spec.traits),
        "retention": {cls.value: days for cls, days in spec.retention.items()},
    }
    connection.execute(
        insert(t.tenant)
        .values(id=spec.id, version=_FIRST, created=now, **values)
        .on_conflict_do_update(
            index_elements=["id"], set_={**values, "version": t.tenant.c.version + 1}
        )
    )


def note_elsewhere(connection: Connection, spec: TenantSpec) -> None:
    """Insert the home of a tenant of another region. Raises TenantConflict."""
    own_tenant(connection, spec.id)
    home = home_of(connection, spec.id)
    if home is not None and home != spec.home:
        raise conflict(spec.id)
    connection.execute(
        insert(t.directory)
        .values(id=spec.id, account=spec.account, home=spec.home)
        .on_conflict_do_nothing()
    )


def remove(connection: Connection, tenant: str) -> None:
    """Delete a tenant of this region. The caller owns its lock. Agreements stay until forgotten.

    Raises TenantNotEmpty if anything of it is left. What is being written for it is refused at its
    commit. A function of the catalog does it: no login may delete a tenant itself.
    """
    TenantEnd(tenant, remains.of_tenant(connection, tenant)).demand()
    connection.execute(select(func.remove_tenant(tenant)))


def forget_elsewhere(connection: Connection, tenant: str, home: str) -> None:
    """Delete what this region knows of a tenant of another region."""
    own_tenant(connection, tenant)
    d = t.directory.c
    connection.execute(t.directory.delete().where(d.id == tenant, d.home == home))
    cells.forget(connection, tenant, home)


def check_known(connection: Connection, tenant: str) -> None:
    """Raise UnknownTenant if the tenant is not there. The caller shares or owns its lock."""
    if find(connection, tenant) is None:
        raise UnknownTenant(reasons=("unknown_tenant",))


def conflict(tenant: str) -> TenantConflict:
    """Return the error for a tenant that would change its account or home."""
    return TenantConflict(
        f"Tenant {tenant} exists with another account or home.",
        reasons=("tenant_conflict",),
        advice="Both are permanent. Choose another id.",
    )


def versions(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the current versions of the terms of tenants."""
    rows = connection.execute(_versions(), {"ids": list(ids)})
    return {row[0]: row[1] for row in rows}


@cache
def _versions() -> Select[str, int]:
    h = t.tenant.c
    return select(h.id, h.version).where(h.id == func.any(bindparam("ids", type_=ARRAY(Text))))


def check_version(connection: Connection, terms: TenantTerms) -> None:
    """Raise TermsChanged if a tenant has other terms by now. They stay until the commit."""
    share_tenants(connection, [terms.spec.id])
    if versions(connection, [terms.spec.id]).get(terms.spec.id) != terms.version:
        raise TermsChanged(advice="Try again.")


def page(connection: Connection, after: str, limit: int) -> list[str]:
    """Return ids of tenants of this region, ascending, after one."""
    h = t.tenant.c
    return list(connection.scalars(select(h.id).where(h.id > after).order_by(h.id).limit(limit)))


def accounts(connection: Connection, after: str, limit: int) -> list[tuple[str, str]]:
    """Return tenants of this region with their accounts, by ascending id, after one."""
    h = t.tenant.c
    rows = connection.execute(
        select(h.id, h.account).where(h.id > after).order_by(h.id).limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def of_account(connection: Connection, account: str) -> list[tuple[str, str]]:
    """Return the tenants of an account that this region knows, each with its home."""
    h, d = t.tenant.c, t.directory.c
    rows = connection.execute(
        union_all(
            select(h.id, h.home).where(h.account == account),
            select(d.id, d.home).where(d.account == account),
        )
    )
    return sorted({(i, home) for i, home in rows})


def _terms(spec: TenantSpec) -> log.Facts:
    kept = [f"{name} {days}" for name, days in spec.retention.items()]
    return {
        "tenant": spec.id,
        "account": spec.account,
        "home": spec.home,
        "residency": spec.residency,
        "service": spec.service,
        "dedicated": int(spec.dedicated),
        "agreements": agreements.plain(spec.agreements),
        "traits": sorted(spec.traits),
        "retention": sorted(kept),
    }


def _agreement_order(agreement: Agreement) -> tuple[str, date, date]:
    return agreement.kind, agreement.signed, agreement.begins
