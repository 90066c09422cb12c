"""``store.admin.holds`` for asyncio."""

from collections.abc import Sequence
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.holds import Holds
from storage.client.validate import Id
from storage.model import Hold, HoldSpec, PlacedHold, RecordInfo


class AsyncHolds:
    """``Holds`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, holds: Holds, threads: Threads) -> None:
        """Use ``AsyncStore.admin.holds`` instead."""
        self._holds = holds
        self._threads = threads

    async def place(self, spec: HoldSpec) -> PlacedHold:
        """See ``Holds.place``."""
        return await self._threads.call(self._holds.place, spec)

    async def release(self, hold: UUID | str, *, why: str) -> Hold:
        """See ``Holds.release``."""
        return await self._threads.call(self._holds.release, hold, why=why)

    async def show(self, hold: UUID | str) -> Hold:
        """See ``Holds.show``."""
        return await self._threads.call(self._holds.show, hold)

    async def list(
        self,
        region: str,
        *,
        tenant: str | None = None,
        released: bool = False,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Hold]:
        """See ``Holds.list``."""
        return await self._threads.call(
            self._holds.list, region, tenant=tenant, released=released, after=after, limit=limit
        )

    async def records(
        self, hold: UUID | str, *, after: Id | None = None, limit: int = 100
    ) -> Sequence[RecordInfo]:
        """See ``Holds.records``."""
        return await self._threads.call(self._holds.records, hold, after=after, limit=limit)
