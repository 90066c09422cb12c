"""Tenants: in full in their home region; id, account and home in other regions."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass
from storage.catalog import cells, log, objections, remains, stages
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.engine import own_tenant, share_tenants
from storage.errors import TenantConflict, TermsChanged, UnknownTenant
from storage.model import Agreement, Entropy, LineKind, TenantSpec, Trait
from storage.policy import TenantEnd, check_takes_tenants

_FIRST = cast(cast(func.pg_current_xact_id(), Text), BigInteger) % 2**30
"""The version of new terms: higher than any that a removed tenant of the same id had.

Each change of terms is a transaction, and adds 1.
"""


@dataclass(frozen=True, slots=True)
class TenantTerms:
    """The terms of a tenant, and their version, which a write compares before each commit.

    ``objections``: the companies that the tenant objects to.
    """

    spec: TenantSpec
    version: int
    objections: frozenset[str] = frozenset()

    @property
    def own_day_keys(self) -> bool:
        """Whether the tenant's day keys are its own: others of its shard may be elsewhere."""
        return self.spec.dedicated or bool(self.objections)


def find(connection: Connection, tenant: str) -> TenantTerms | None:
    """Return a tenant whose home is this region."""
    return find_all(connection, [tenant]).get(tenant)


def find_all(connection: Connection, ids: Collection[str]) -> dict[str, TenantTerms]:
    """Return those of the tenants whose home is this region, by id."""
    a, given = t.agreement.c, any_(literal(list(ids), ARRAY(Text)))
    # The version first: of what changes meanwhile, it is then the older one.
    rows = connection.execute(select(t.tenant).where(t.tenant.c.id == given)).all()
    agreements: dict[str, list[Agreement]] = {}
    signed = select(a.tenant, a.kind, a.signed, a.until).where(a.tenant == given)
    for tenant, *agreement in connection.execute(signed.order_by(a.tenant, a.kind, a.signed)):
        agreements.setdefault(tenant, []).append(Agreement(*agreement))
    objected = objections.of_tenants(connection, ids)
    found = {}
    for row in rows:
        spec = TenantSpec(
            row.id,
            row.account,
            row.home,
            row.residency,
            row.service,
            tuple(agreements.get(row.id, ())),
            {DataClass(name): days for name, days in row.retention.items()},
            row.dedicated,
            frozenset(map(Trait, row.traits)),
        )
        found[row.id] = TenantTerms(spec, row.version, objected.get(row.id, frozenset()))
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


def ensure(connection: Connection, spec: TenantSpec, now: datetime, entropy: Entropy) -> bool:
    """Insert or update a tenant of this region. Return whether it is new.

    A line of the log has its new terms.

    Raises TenantConflict if account or home would change, and RegionNotRoutable for a new tenant if
    the region takes none.
    """
    own_tenant(connection, spec.id)
    known = find(connection, spec.id)
    if home_of(connection, spec.id) not in (None, spec.home):
        raise conflict(spec.id)
    if known is not None and known.spec.account != spec.account:
        raise conflict(spec.id)
    wanted = replace(spec, agreements=tuple(sorted(spec.agreements, key=_agreement_order)))
    if known is not None and known.spec == wanted:
        return False
    if known is None:
        stages.share(connection)
        check_takes_tenants(spec.home, stages.latest(connection))
    _write(connection, wanted, now)
    log.append(connection, LineKind.AGREEMENT, _terms(spec), now, entropy)
    return known is None


def _write(connection: Connection, spec: TenantSpec, now: datetime) -> None:
    """Insert or update a tenant, and replace its agreements."""
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
    connection.execute(t.agreement.delete().where(t.agreement.c.tenant == spec.id))
    if spec.agreements:
        connection.execute(
            insert(t.agreement),
            [
                {"tenant": spec.id, "kind": a.kind, "signed": a.signed, "until": a.until}
                for a in spec.agreements
            ],
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
    """Delete a tenant of this region with its agreements. The caller owns its lock.

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
    h = t.tenant.c
    rows = connection.execute(select(h.id, h.version).where(h.id.in_(list(ids))))
    return {row[0]: row[1] for row in rows}


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


def count_ended(connection: Connection, today: date, most: int) -> int:
    """Return how many tenants had agreements of which none is in force any more, up to ``most``."""
    a = t.agreement.c
    ended = func.bool_and(and_(a.until.is_not(None), a.until <= today))
    return count_up_to(connection, select(a.tenant).group_by(a.tenant).having(ended), most)


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
    signed = [f"{a.kind} {a.signed} {a.until or ''}".rstrip() for a in spec.agreements]
    kept = [f"{name} {days}" for name, days in spec.retention.items()]
    return {
        "tenant": spec.id,
        "account": spec.account,
        "residency": spec.residency,
        "service": spec.service,
        "agreements": sorted(signed),
        "traits": sorted(spec.traits),
        "retention": sorted(kept),
    }


def _agreement_order(agreement: Agreement) -> tuple[str, str]:
    return agreement.kind, agreement.signed.isoformat()
