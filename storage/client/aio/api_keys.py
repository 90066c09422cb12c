"""``store.admin.api_keys`` for asyncio."""

from collections.abc import Sequence
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.api_keys import ApiKeys
from storage.model import ApiKey, KeyScope, NewApiKey


class AsyncApiKeys:
    """``ApiKeys`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, keys: ApiKeys, threads: Threads) -> None:
        """Use ``AsyncStore.admin.api_keys`` instead."""
        self._keys = keys
        self._threads = threads

    async def create(self, tenant: str, scope: KeyScope) -> NewApiKey:
        """See ``ApiKeys.create``."""
        return await self._threads.call(self._keys.create, tenant, scope)

    async def list(
        self, tenant: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> Sequence[ApiKey]:
        """See ``ApiKeys.list``."""
        return await self._threads.call(self._keys.list, tenant, after=after, limit=limit)

    async def revoke(self, key: UUID | str) -> ApiKey:
        """See ``ApiKeys.revoke``."""
        return await self._threads.call(self._keys.revoke, key)

    async def identify(self, secret: str) -> ApiKey:
        """See ``ApiKeys.identify``."""
        return await self._threads.call(self._keys.identify, secret)
