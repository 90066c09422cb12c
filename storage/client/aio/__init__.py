"""The store for asyncio: the same objects, called in threads of its own. No logic is repeated here.

Only the wait for a pack, which is most of a write, takes no thread: the writer's futures are
awaited.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import Self
from uuid import UUID

from storage.client.aio.handles import AsyncCapture, AsyncOpenFile
from storage.client.aio.holds import AsyncHolds
from storage.client.aio.sources import AsyncFile
from storage.client.aio.tenant import AsyncTenant
from storage.client.aio.threads import Threads
from storage.client.store import Store
from storage.model import AccountErasure, Copy, Erasure, Reason, RegionStatus, Scope, TenantSpec

__all__ = [
    "AsyncAdmin",
    "AsyncCapture",
    "AsyncFile",
    "AsyncOpenFile",
    "AsyncProcessors",
    "AsyncStore",
    "AsyncTenant",
    "AsyncTenants",
    "opened",
]


class AsyncStore:
    """``Store`` for asyncio: the same methods, arguments and errors. For one event loop.

    Made around a store that is open, which it does not close; ``open_async_store`` does both.
    """

    def __init__(self, store: Store) -> None:
        """Close it, or use it as a context, so that what has begun is finished."""
        self._store = store
        self._threads = Threads()
        self.admin = AsyncAdmin(store, self._threads)

    async def tenant(self, tenant: str) -> AsyncTenant:
        """See ``Store.tenant``."""
        return AsyncTenant(await self._threads.call(self._store.tenant, tenant), self._threads)

    async def erase(
        self, scope: Scope, *, reason: Reason, ticket: str | None = None
    ) -> AccountErasure:
        """See ``Store.erase``."""
        return await self._threads.call(self._store.erase, scope, reason=reason, ticket=ticket)

    async def erasure(self, erasure_id: UUID | str) -> Erasure:
        """See ``Store.erasure``."""
        return await self._threads.call(self._store.erasure, erasure_id)

    async def erasures(
        self, region: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> list[Erasure]:
        """See ``Store.erasures``."""
        return await self._threads.call(self._store.erasures, region, after=after, limit=limit)

    async def status(self) -> list[RegionStatus]:
        """See ``Store.status``."""
        return await self._threads.call(self._store.status)

    def shut(self) -> None:
        """Take no more calls, and wait for those that there are. Blocks: not for the event loop."""
        self._threads.close()

    async def close(self) -> None:
        """``shut``, without blocking the event loop."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.shut))

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()


class AsyncAdmin:
    """What operators do."""

    def __init__(self, store: Store, threads: Threads) -> None:
        """Of a store."""
        self.tenants = AsyncTenants(store, threads)
        self.holds = AsyncHolds(store.admin.holds, threads)
        self.processors = AsyncProcessors(store, threads)


class AsyncTenants:
    """``Tenants`` for asyncio."""

    def __init__(self, store: Store, threads: Threads) -> None:
        """Of a store."""
        self._tenants = store.admin.tenants
        self._threads = threads

    async def ensure(self, spec: TenantSpec) -> None:
        """See ``Tenants.ensure``."""
        await self._threads.call(self._tenants.ensure, spec)

    async def get(self, tenant: str) -> TenantSpec:
        """See ``Tenants.get``."""
        return await self._threads.call(self._tenants.get, tenant)

    async def list(self, region: str, *, after: str = "", limit: int = 100) -> Sequence[TenantSpec]:
        """See ``Tenants.list``."""
        return await self._threads.call(self._tenants.list, region, after=after, limit=limit)


class AsyncProcessors:
    """``Processors`` for asyncio."""

    def __init__(self, store: Store, threads: Threads) -> None:
        """Of a store."""
        self._processors = store.admin.processors
        self._threads = threads

    async def copies(
        self,
        region: str,
        *,
        processor: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Copy]:
        """See ``Processors.copies``."""
        return await self._threads.call(
            self._processors.copies, region, processor=processor, after=after, limit=limit
        )

    async def attest(self, copy: UUID | str, *, digest: bytes, actor: str) -> Copy:
        """See ``Processors.attest``."""
        return await self._threads.call(self._processors.attest, copy, digest=digest, actor=actor)


@asynccontextmanager
async def opened(opening: AbstractContextManager[Store]) -> AsyncIterator[AsyncStore]:
    """A store that is opened and closed in a thread of its own.

    The thread does one thing after the other: whatever is cancelled, a store that was opened is
    closed, and not before all that has begun is finished.
    """
    loop, keeper = asyncio.get_running_loop(), ThreadPoolExecutor(1, "domicile-keeper")
    made: list[AsyncStore] = []

    def close() -> None:
        for store in made:
            store.shut()
        opening.__exit__(None, None, None)

    try:
        made.append(
            AsyncStore(await asyncio.shield(loop.run_in_executor(keeper, opening.__enter__)))
        )
        yield made[0]
    finally:
        closing = loop.run_in_executor(keeper, close)
        keeper.shutdown(wait=False)
        await asyncio.shield(closing)
