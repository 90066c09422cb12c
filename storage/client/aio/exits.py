"""``store.admin.exits`` for asyncio."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.exits import Exits
from storage.model import ExitKind, TenantExit


class AsyncExits:
    """``Exits`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, exits: Exits, threads: Threads) -> None:
        """Use ``AsyncStore.admin.exits`` instead."""
        self._exits = exits
        self._threads = threads

    async def choose(self, tenant: str, kind: ExitKind, *, on: date, document: str) -> TenantExit:
        """See ``Exits.choose``."""
        return await self._threads.call(self._exits.choose, tenant, kind, on=on, document=document)

    async def notify(self, choice: UUID | str, *, document: str) -> TenantExit:
        """See ``Exits.notify``."""
        return await self._threads.call(self._exits.notify, choice, document=document)

    async def confirm(self, choice: UUID | str) -> TenantExit:
        """See ``Exits.confirm``."""
        return await self._threads.call(self._exits.confirm, choice)

    async def list(self, tenant: str, *, limit: int = 100) -> Sequence[TenantExit]:
        """See ``Exits.list``."""
        return await self._threads.call(self._exits.list, tenant, limit=limit)
