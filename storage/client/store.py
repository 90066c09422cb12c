"""The facade that services use: a store of the regions that this process serves."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import copies, erasures, tenants
from storage.catalog.tenants import TenantTerms
from storage.client.holds import Holds
from storage.client.status import region_status
from storage.client.tenant import Tenant
from storage.client.validate import (
    PAGE,
    as_copy_id,
    as_erasure_id,
    check_attestation,
    check_erasure,
    check_limit,
    check_processor,
    check_spec,
)
from storage.errors import (
    CatalogRestored,
    CatalogUnavailable,
    InvalidRequest,
    NotFound,
    Unavailable,
    UnknownTenant,
    WrongRegion,
)
from storage.ledger.fence import Sleep
from storage.ledger.handover import attest
from storage.model import (
    AccountErasure,
    Copy,
    Erasure,
    Reason,
    RegionStatus,
    Scope,
    ScopeKind,
    TenantSpec,
)
from storage.objects.keyring import KeyRing
from storage.packs.prepare import Writer
from storage.packs.reader import Reader
from storage.policy import admit, well_formed
from storage.region import OpenRegion

__all__ = ["PAGE", "Admin", "Processors", "ServedRegion", "Store", "Tenants"]

T = TypeVar("T")

_REMEMBER = 5.0  # seconds for which a tenant's terms are taken as read; a commit compares them


@dataclass(frozen=True, slots=True)
class ServedRegion:
    """A region with its reader and writer."""

    open: OpenRegion
    keys: KeyRing
    writer: Writer
    reader: Reader

    @classmethod
    def of(cls, region: OpenRegion, flushers: ThreadPoolExecutor) -> Self:
        """Around an opened region."""
        keys = KeyRing(region)
        return cls(region, keys, Writer(region, keys, flushers), Reader(region, keys))


class Store:
    """Stores API data in the region where its tenant is at home, and nowhere else.

    Safe to use from many threads. Close it, or use it as a context, so that what is queued is
    written. Every method may raise CatalogUnavailable, and InvalidRequest for what is malformed.
    """

    def __init__(
        self, regions: Mapping[str, ServedRegion], *, pause: Sleep, on_close: Callable[[], None]
    ) -> None:
        """Made by ``open_store``. ``pause`` sleeps for so many seconds."""
        self._regions = dict(regions)
        self._pause = pause
        self._on_close = on_close
        self._known: dict[str, tuple[float, ServedRegion, TenantTerms]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.admin = Admin(self)

    @property
    def regions(self) -> Mapping[str, ServedRegion]:
        """The regions that this process serves."""
        return self._regions

    def tenant(self, tenant: str) -> Tenant:
        """The tenant's own store. Raises UnknownTenant, or WrongRegion, which names the home."""
        if not isinstance(tenant, str):
            raise InvalidRequest("The id of a tenant is text.")
        self.find(tenant)
        return Tenant(self, tenant, self._pause)

    def find(self, tenant: str) -> tuple[ServedRegion, TenantTerms]:
        """Where a tenant is at home, and on what terms, a few seconds old at most."""
        if self._closed:
            raise InvalidRequest("The store is closed.")
        with self._lock:
            cached = self._known.get(tenant)
        if cached is not None and monotonic() - cached[0] < _REMEMBER:
            return cached[1], cached[2]
        homes: set[str | None] = set()

        def look(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, TenantTerms] | None:
            known = tenants.find(connection, tenant)
            if known is None:
                homes.add(tenants.home_of(connection, tenant))
            return (served, known) if known is not None else None

        found = self.first(look) if well_formed(tenant) else None
        if found is None:
            for home in homes - {None} - self._regions.keys():
                raise _elsewhere(tenant, str(home))
            raise _unknown("tenant", tenant)
        with self._lock:
            self._known[tenant] = (monotonic(), *found)
        return found

    def forget(self, tenant: str) -> None:
        """Read the tenant's terms again next time."""
        with self._lock:
            self._known.pop(tenant, None)

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> AccountErasure:
        """Erase all tenants of an account, in every region that this process serves.

        Returns when all are fenced; ``not_reached`` names the regions where that is still to be
        asked for. For other scopes use ``Tenant.erase``. Raises UnknownTenant if no region has
        heard of a tenant of that account.
        """
        check_erasure(scope, reason, ticket)
        if scope.kind is not ScopeKind.ACCOUNT:
            raise InvalidRequest("A store erases accounts.", advice="Use store.tenant(id).erase.")
        homes: dict[str, str] = {}
        silent: set[str] = set()
        for name, served in self._regions.items():
            try:
                with served.open.catalog.begin() as connection:
                    homes |= dict(tenants.of_account(connection, scope.value))
            except CatalogUnavailable:
                silent.add(name)
        if not homes and not silent:
            raise _unknown("account", scope.value)
        done: list[Erasure] = []
        for tenant, home in sorted(homes.items()):
            if home not in self._regions:
                silent.add(home)
                continue
            one = Tenant(self, tenant, self._pause)
            try:
                done.append(one.erase(Scope.tenant(), reason=reason, ticket=ticket))
            except Unavailable:
                silent.add(home)
        return AccountErasure(scope.value, tuple(done), tuple(sorted(silent)))

    def erasure(self, erasure_id: UUID | str) -> Erasure:
        """How far an erasure is, and its receipt when it is complete. Raises NotFound."""
        wanted = as_erasure_id(erasure_id)
        found = self.first(lambda s, connection: erasures.show(connection, s.open.name, [wanted]))
        if not found:
            raise NotFound("No such erasure in the regions of this process.")
        return found[0]

    def erasures(
        self, region: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> list[Erasure]:
        """Erasures of a region, newest first: 1 to 1000 before one of them. Raises WrongRegion."""
        check_limit(limit)
        before = None if after is None else as_erasure_id(after)
        with self.served(region).open.catalog.begin() as connection:
            ids = erasures.page(connection, before, limit)
            found = {e.id: e for e in erasures.show(connection, region, ids)}
        return [found[i] for i in ids]

    def status(self) -> list[RegionStatus]:
        """How every region is."""
        return [region_status(served.open) for served in self._regions.values()]

    def served(self, region: str) -> ServedRegion:
        """A region by name. Raises WrongRegion if this process does not serve it."""
        try:
            return self._regions[region]
        except KeyError:
            raise WrongRegion(
                f"This process does not serve {region}.",
                home=region,
                advice=f"It serves: {', '.join(self._regions)}.",
            ) from None

    def first(self, ask: Callable[[ServedRegion, Connection], T]) -> T | None:
        """What the first region answers that knows. None: all have said that they do not.

        One whose catalog does not answer, or must not, keeps nobody from what the others have.
        """
        silent: CatalogUnavailable | CatalogRestored | None = None
        for served in self._regions.values():
            try:
                with served.open.catalog.begin() as connection:
                    found = ask(served, connection)
            except (CatalogUnavailable, CatalogRestored) as error:
                silent = error
                continue
            if found:
                return found
        if silent is not None:
            raise silent
        return None

    def close(self) -> None:
        """Write what is queued, and give everything back. Tenants refuse from here on."""
        self._closed = True
        for served in self._regions.values():
            served.writer.close()
        self._on_close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class Admin:
    """What operators do."""

    def __init__(self, store: Store) -> None:
        """Of a store."""
        self.tenants = Tenants(store)
        self.holds = Holds(store)
        self.processors = Processors(store)


class Tenants:
    """The tenants of the regions that a process serves."""

    def __init__(self, store: Store) -> None:
        """Of a store."""
        self._store = store

    def ensure(self, spec: TenantSpec) -> None:
        """Make the tenant, or bring it to these terms. The same call again changes nothing.

        Raises what ``storage.policy.admit`` raises, TenantConflict if it exists with another
        account or home, WrongRegion if this process does not serve its home.
        """
        check_spec(spec)
        spec = replace(spec, agreements=tuple(spec.agreements))
        home = self._home(spec)
        admit(home.open.topology, spec)
        for name, served in self._store.regions.items():
            if name != spec.home:  # the others first: so two homes cannot both take the name
                with served.open.catalog.begin() as connection:
                    tenants.note_elsewhere(connection, spec)
        home.open.catalog.run(
            lambda connection: tenants.ensure(connection, spec, home.open.clock.now())
        )
        self._store.forget(spec.id)

    def get(self, tenant: str) -> TenantSpec:
        """A tenant's terms. Raises UnknownTenant or WrongRegion."""
        self._store.tenant(tenant)
        return self._store.find(tenant)[1].spec

    def list(self, region: str, *, after: str = "", limit: int = 100) -> Sequence[TenantSpec]:
        """Tenants at home in a region, by id: 1 to 1000 after one of them. Raises WrongRegion."""
        check_limit(limit)
        if not isinstance(after, str):
            raise InvalidRequest("The id of a tenant is text.")
        if after and not well_formed(after):
            raise _unknown("tenant", after)
        served = self._store.served(region)
        with served.open.catalog.begin() as connection:
            ids = tenants.page(connection, after, limit)
            found = [tenants.find(connection, i) for i in ids]
        return [known.spec for known in found if known is not None]

    def _home(self, spec: TenantSpec) -> ServedRegion:
        known = next(iter(self._store.regions.values())).open.topology
        if spec.home in known.regions and spec.home not in self._store.regions:
            raise _elsewhere(spec.id, spec.home)
        # an unknown home is refused by ``admit``, with the reason
        return self._store.regions.get(spec.home) or next(iter(self._store.regions.values()))


class Processors:
    """Copies at the processors to which the tenants of a process's regions hand over."""

    def __init__(self, store: Store) -> None:
        """Of a store."""
        self._store = store

    def copies(
        self,
        region: str,
        *,
        processor: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Copy]:
        """Copies that are not known to be gone, oldest first: 1 to 1000 after one of them.

        Raises WrongRegion.
        """
        check_limit(limit)
        if processor is not None:
            check_processor(processor)
        last = None if after is None else as_copy_id(after)
        with self._store.served(region).open.catalog.begin() as connection:
            return copies.page(connection, last, limit, processor=processor)

    def attest(self, copy: UUID | str, *, digest: bytes, actor: str) -> Copy:
        """Record a processor's word, given to a person, that it has deleted a copy.

        ``digest`` is the SHA-256 of the document that says so, ``actor`` an opaque id of who
        records it; a receipt names the digest. Only where people deal with the processor (connector
        of kind manual). The first word stands. Raises NotFound and HandOverRefused.
        """
        wanted = as_copy_id(copy)
        check_attestation(digest, actor)
        for served in self._store.regions.values():
            found = attest(served.open, wanted, digest, actor)
            if found is not None:
                return found
        raise NotFound("No such copy in the regions of this process.")


def _unknown(what: str, given: str) -> UnknownTenant:
    """What is no id may be a name: it is not repeated."""
    return UnknownTenant(
        f"No {what} {given!r}." if well_formed(given) else f"No such {what}.",
        reasons=(f"unknown_{what}",),
        advice="Make it with tenant ensure.",
    )


def _elsewhere(tenant: str, home: str) -> WrongRegion:
    return WrongRegion(
        f"Tenant {tenant!r} is at home in {home}, which this process does not serve.",
        home=home,
        advice=f"Ask a process that serves {home}.",
    )
