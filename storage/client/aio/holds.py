"""``store.admin.holds`` for asyncio."""

from collections.abc import Sequence
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.holds import Holds
from storage.client.validate import Id
from storage.model import (
    CarveOut,
    Hold,
    HoldChange,
    HoldSpec,
    PlacedHold,
    RecordInfo,
)


class AsyncHolds:
    """``Holds`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, holds: Holds, threads: Threads) -> None:
        """Use ``AsyncStore.admin.holds`` instead."""
        self._holds = holds
        self._threads = threads

    async def place(self, spec: HoldSpec) -> PlacedHold:
        """See ``Holds.place``."""
        return await self._threads.call(self._holds.place, spec)

    async def confirm(self, hold: UUID | str) -> Hold:
        """See ``Holds.confirm``."""
        return await self._threads.call(self._holds.confirm, hold)

    async def release(self, hold: UUID | str, *, why: str) -> HoldChange:
        """See ``Holds.release``."""
        return await self._threads.call(self._holds.release, hold, why=why)

    async def narrow(self, hold: UUID | str, *carve_outs: CarveOut, why: str) -> HoldChange:
        """See ``Holds.narrow``."""
        return await self._threads.call(self._holds.narrow, hold, *carve_outs, why=why)

    async def decide(self, hold: UUID | str, *, document: str, permitted: bool) -> HoldChange:
        """See ``Holds.decide``."""
        return await self._threads.call(
            self._holds.decide, hold, document=document, permitted=permitted
        )

    async def approve(self, change: UUID | str) -> HoldChange:
        """See ``Holds.approve``."""
        return await self._threads.call(self._holds.approve, change)

    async def changes(self, hold: UUID | str, *, limit: int = 100) -> Sequence[HoldChange]:
        """See ``Holds.changes``."""
        return await self._threads.call(self._holds.changes, hold, limit=limit)

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
        self,
        hold: UUID | str,
        *,
        tenant: str | None = None,
        after: Id | None = None,
        limit: int = 100,
    ) -> Sequence[RecordInfo]:
        """See ``Holds.records``."""
        return await self._threads.call(
            self._holds.records, hold, tenant=tenant, after=after, limit=limit
        )
