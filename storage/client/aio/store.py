"""``AsyncStore``: ``Store`` for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from storage.client.aio.admin import AsyncAdmin
from storage.client.aio.consents import AsyncConsents
from storage.client.aio.puts import Puts
from storage.client.aio.tenant import AsyncTenant
from storage.client.aio.threads import Threads
from storage.client.aio.training import AsyncTraining, AsyncTrainingRuns
from storage.client.store import Store
from storage.model import (
    AccountErasure,
    Actor,
    DataClass,
    Erasure,
    Reason,
    Scope,
    StoreHealth,
    StoreStatus,
)
from storage.region import CLOSE


class AsyncStore:
    """``Store`` for asyncio: the same methods, arguments and errors. Use it in one event loop.

    ``open_async_store`` opens one. To share an open ``Store``, use ``AsyncStore(store)``: closing
    it leaves the store open.
    """

    def __init__(self, store: Store, *, seconds: float = CLOSE) -> None:
        """Wrap an open store. Close it, or use it as a context manager, to finish all calls.

        ``seconds``: how long ``close`` waits for calls at most.
        """
        self._store = store
        self._threads = Threads(seconds)
        self._puts = Puts(self._threads)
        self.admin = AsyncAdmin(store.admin, self._threads)
        self.consents = AsyncConsents(store.consents, self._threads)
        self.training_runs = AsyncTrainingRuns(store.training_runs, self._threads)

    async def tenant(self, tenant: str) -> AsyncTenant:
        """See ``Store.tenant``."""
        found = await self._threads.call(self._store.tenant, tenant)
        return AsyncTenant(found, self._threads, self._puts)

    async def erase(
        self, scope: Scope, *, reason: Reason, ticket: str | None = None
    ) -> AccountErasure:
        """See ``Store.erase``."""
        return await self._threads.call(self._store.erase, scope, reason=reason, ticket=ticket)

    async def training(
        self,
        tenants: str | Collection[str],
        *,
        run: str,
        actor: Actor,
        classes: Collection[DataClass],
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncTraining:
        """See ``Store.training``."""
        found = await self._threads.call(
            self._store.training,
            tenants,
            run=run,
            actor=actor,
            classes=classes,
            since=since,
            until=until,
        )
        return AsyncTraining(found, self._threads)

    async def erasure(self, erasure_id: UUID | str) -> Erasure:
        """See ``Store.erasure``."""
        return await self._threads.call(self._store.erasure, erasure_id)

    async def erasures(
        self, region: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> list[Erasure]:
        """See ``Store.erasures``."""
        return await self._threads.call(self._store.erasures, region, after=after, limit=limit)

    async def status(self) -> StoreStatus:
        """See ``Store.status``."""
        return await self._threads.call(self._store.status)

    async def health(self) -> StoreHealth:
        """See ``Store.health``."""
        return await self._threads.call(self._store.health)

    def shut(self) -> None:
        """As ``close``. Blocks the thread that calls it."""
        self._threads.close()

    async def close(self) -> None:
        """Refuse further calls and wait for those in progress, without blocking the event loop.

        It takes at most a minute. A call that has not ended by then raises Unavailable, and may
        still take effect.
        """
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.shut))

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.close()


@asynccontextmanager
async def open_in_thread(opening: AbstractContextManager[Store]) -> AsyncIterator[AsyncStore]:
    """Open and close a store in a thread of its own.

    The thread runs one step after the other. So, whatever is cancelled, a store that was opened is
    closed, and only after every call in progress is finished.
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
