"""``store.admin.grants`` for asyncio."""

from collections.abc import Sequence
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.grants import Grants
from storage.model import Approval, Grant, GrantSpec
from storage.policy import PermitReason


class AsyncGrants:
    """``Grants`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, grants: Grants, threads: Threads) -> None:
        """Use ``AsyncStore.admin.grants`` instead."""
        self._grants = grants
        self._threads = threads

    async def request(self, spec: GrantSpec) -> Grant:
        """See ``Grants.request``."""
        return await self._threads.call(self._grants.request, spec)

    async def approve(self, grant: UUID | str, *, signature: bytes) -> Grant:
        """See ``Grants.approve``."""
        return await self._threads.call(self._grants.approve, grant, signature=signature)

    async def check_signatures(self, grant: UUID | str) -> Sequence[PermitReason]:
        """See ``Grants.check_signatures``."""
        return await self._threads.call(self._grants.check_signatures, grant)

    async def counting(self, grant: UUID | str) -> Sequence[Approval]:
        """See ``Grants.counting``."""
        return await self._threads.call(self._grants.counting, grant)

    async def revoke(self, grant: UUID | str) -> Grant:
        """See ``Grants.revoke``."""
        return await self._threads.call(self._grants.revoke, grant)

    async def show(self, grant: UUID | str) -> Grant:
        """See ``Grants.show``."""
        return await self._threads.call(self._grants.show, grant)

    async def justification(self, grant: UUID | str) -> str:
        """See ``Grants.justification``."""
        return await self._threads.call(self._grants.justification, grant)

    async def list(
        self,
        region: str,
        *,
        tenant: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Grant]:
        """See ``Grants.list``."""
        return await self._threads.call(
            self._grants.list, region, tenant=tenant, after=after, limit=limit
        )
