"""``store.admin`` for asyncio."""

from collections.abc import Sequence

from storage.client.admin import Admin, Tenants
from storage.client.aio.access import AsyncAccess
from storage.client.aio.agreements import AsyncAgreements
from storage.client.aio.api_keys import AsyncApiKeys
from storage.client.aio.exits import AsyncExits
from storage.client.aio.grants import AsyncGrants
from storage.client.aio.holds import AsyncHolds
from storage.client.aio.log import AsyncLog
from storage.client.aio.processors import AsyncProcessors
from storage.client.aio.roster import AsyncRoster
from storage.client.aio.threads import Threads
from storage.model import TenantSpec


class AsyncAdmin:
    """``Admin`` for asyncio, with the same attributes."""

    def __init__(self, admin: Admin, threads: Threads) -> None:
        """Use ``AsyncStore.admin`` instead."""
        self.tenants = AsyncTenants(admin.tenants, threads)
        self.holds = AsyncHolds(admin.holds, threads)
        self.processors = AsyncProcessors(admin.processors, threads)
        self.roster = AsyncRoster(admin.roster, threads)
        self.grants = AsyncGrants(admin.grants, threads)
        self.agreements = AsyncAgreements(admin.agreements, threads)
        self.exits = AsyncExits(admin.exits, threads)
        self.log = AsyncLog(admin.log, threads)
        self.access = AsyncAccess(admin.access, threads)
        self.api_keys = AsyncApiKeys(admin.api_keys, threads)


class AsyncTenants:
    """``Tenants`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, tenants: Tenants, threads: Threads) -> None:
        """Use ``AsyncStore.admin.tenants`` instead."""
        self._tenants = tenants
        self._threads = threads

    async def ensure(self, spec: TenantSpec) -> None:
        """See ``Tenants.ensure``."""
        await self._threads.call(self._tenants.ensure, spec)

    async def remove(self, tenant: str) -> None:
        """See ``Tenants.remove``."""
        await self._threads.call(self._tenants.remove, tenant)

    async def get(self, tenant: str) -> TenantSpec:
        """See ``Tenants.get``."""
        return await self._threads.call(self._tenants.get, tenant)

    async def list(self, region: str, *, after: str = "", limit: int = 100) -> Sequence[TenantSpec]:
        """See ``Tenants.list``."""
        return await self._threads.call(self._tenants.list, region, after=after, limit=limit)
