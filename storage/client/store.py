"""``Store``: the entry point of the API, for the regions that this process serves."""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from regions.model import cells_of
from storage.catalog import erasure_status, erasures, tenants
from storage.client.admin import Admin
from storage.client.consents import Consents
from storage.client.health import store_health
from storage.client.homes import REGIONAL, Homes, ask_each, unknown
from storage.client.status import region_status
from storage.client.tenant import Tenant
from storage.client.training import Training, TrainingRuns, start_training
from storage.client.validate import as_uuid, check_erasure, check_limit, check_tenant_id
from storage.errors import InvalidRequest, NotFound
from storage.ledger.fence import Sleep
from storage.model import (
    AccountErasure,
    Actor,
    DataClass,
    Erasure,
    PlaceStatus,
    Reason,
    RegionStatus,
    Scope,
    ScopeKind,
    StoreHealth,
    StoreStatus,
)
from storage.policy import add_up


class Store:
    """Stores LLM API data in the home region of its tenant, and nowhere else.

    Open one per process with ``storage.open_store`` and share it: it is thread-safe. Close it, or
    use it as a context manager, to write what is still queued.

    ``admin`` has the operators' interfaces: ``admin.tenants``, ``admin.holds`` and
    ``admin.processors``. ``consents`` is what tenants say about consent,
    ``training_runs`` what was trained on and must not be used again.

    Every method may raise CatalogUnavailable, and InvalidRequest for a malformed argument.
    """

    def __init__(self, homes: Homes, *, sleep: Sleep = time.sleep) -> None:
        """Use ``open_store`` instead. ``sleep`` waits for a number of seconds."""
        self._homes = homes
        self._sleep = sleep
        self.admin = Admin(homes)
        self.consents = Consents(homes)
        self.training_runs = TrainingRuns(homes)

    def tenant(self, tenant: str) -> Tenant:
        """Return the interface to one tenant's records.

        Raises UnknownTenant, or WrongRegion, which names the tenant's home region.
        """
        check_tenant_id(tenant)
        self._homes.find(tenant)
        return Tenant(self._homes, tenant, self._sleep)

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> AccountErasure:
        """Erase all tenants of an account, in every region that this process serves.

        ``scope`` must be ``Scope.account(...)``; for all other scopes use ``Tenant.erase``.

        On return, nothing of the account can be read in the regions that were reached.
        ``not_reached`` of the result names the others: repeat the call there. Raises UnknownTenant
        if no region knows a tenant of the account.
        """
        check_erasure(scope, reason, ticket)
        if scope.kind is not ScopeKind.ACCOUNT:
            raise InvalidRequest(
                "Store.erase takes an account scope only.", advice="Use store.tenant(id).erase."
            )
        tenant_homes, not_reached = self._account_homes(scope.value)
        if not tenant_homes and not not_reached:
            raise unknown("account", scope.value)
        done: list[Erasure] = []
        for tenant, home in sorted(tenant_homes.items()):
            if home not in self._homes.names:
                not_reached.add(home)
                continue
            one = Tenant(self._homes, tenant, self._sleep)
            try:
                done.append(one.erase(Scope.tenant(), reason=reason, ticket=ticket))
            except REGIONAL:
                not_reached.add(home)
        return AccountErasure(scope.value, tuple(done), tuple(sorted(not_reached)))

    def training(
        self,
        tenants: str | Collection[str],
        *,
        run: str,
        actor: Actor,
        classes: Collection[DataClass],
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Training:
        """Return the records of one tenant or several that a run may be trained on.

        ``run``: its name, of at most 200 characters. ``actor``: a machine of the roster. ``since``
        and ``until`` (exclusive): when the record's id was minted. Nothing is read before you
        iterate. A model that was trained is not undone: see ``training_runs``.
        """
        return start_training(
            self._homes,
            tenants,
            run=run,
            actor=actor,
            classes=classes,
            since=since,
            until=until,
        )

    def erasure(self, erasure_id: UUID | str) -> Erasure:
        """Return an erasure: its state, what it still waits for, and its receipt when complete.

        Raises NotFound.
        """
        wanted = as_uuid(erasure_id, "an erasure")
        found = self._homes.first(
            lambda served, connection: erasure_status.show(connection, served.region.name, [wanted])
        )
        if not found:
            raise NotFound(
                "No such erasure in the regions of this process.", advice="Check the id."
            )
        return found[0]

    def erasures(
        self, region: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> list[Erasure]:
        """Return erasures of a region, newest first.

        At most ``limit`` (1 to 1000). To page, pass the last id as ``after``. Raises WrongRegion.
        """
        check_limit(limit)
        last = None if after is None else as_uuid(after, "an erasure")
        with self._homes.served(region).region.catalog.begin() as connection:
            ids = erasures.page(connection, last, limit)
            found = {e.id: e for e in erasure_status.show(connection, region, ids)}
        return [found[i] for i in ids]

    def status(self) -> StoreStatus:
        """Return the status of each region: counts, backlog, and deletions that are overdue.

        A region that does not open or answer is in ``failed`` with its error. Raises the first of
        these errors if no region answers.
        """
        found, failed = ask_each(
            self._homes.names, lambda name: region_status(self._homes.served(name).region)
        )
        return StoreStatus(tuple(found.values()), failed, tuple(self._places(found)))

    def health(self) -> StoreHealth:
        """Return whether each region can be served now, for a probe of the process.

        It asks the catalogs, which costs some seconds for each that does not answer, and no
        backend.
        """
        return store_health(self._homes)

    def _places(self, found: Mapping[str, RegionStatus]) -> Iterator[PlaceStatus]:
        """Yield the sums of the places that have several cells here."""
        for served in self._homes.regions.values():
            name, regions = served.region.name, served.region.topology.regions
            cells = [found[cell.name] for cell in cells_of(regions, name) if cell.name in found]
            if len(cells) > 1:
                yield add_up(name, cells)

    def close(self) -> None:
        """Write what is queued. Every later call on the store or its tenants is refused.

        It takes at most a minute. A record that is not stored by then gets an error: Abandoned, if
        nothing of it was sent, else OutcomeUnknown. A thread that hangs on a backend is left alone,
        and does not keep the process from ending.
        """
        self._homes.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def _account_homes(self, account: str) -> tuple[dict[str, str], set[str]]:
        """Return the account's tenants with their homes, and the regions that did not answer."""
        homes: dict[str, str] = {}
        silent: set[str] = set()
        for name in self._homes.names:
            try:
                with self._homes.served(name).region.catalog.begin() as connection:
                    homes |= dict(tenants.of_account(connection, account))
            except REGIONAL:
                silent.add(name)
        return homes, silent
