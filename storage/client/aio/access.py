"""``store.admin.access`` for asyncio."""

from datetime import datetime

from storage.client.access import Access
from storage.client.aio.threads import Threads
from storage.model import AccessReport


class AsyncAccess:
    """``Access`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, access: Access, threads: Threads) -> None:
        """Use ``AsyncStore.admin.access`` instead."""
        self._access = access
        self._threads = threads

    async def report(self, region: str, *, since: datetime, until: datetime) -> AccessReport:
        """See ``Access.report``."""
        return await self._threads.call(self._access.report, region, since=since, until=until)
