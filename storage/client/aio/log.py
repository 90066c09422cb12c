"""``store.admin.log`` for asyncio."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.log import Log
from storage.model import LineKind, LogLine


class AsyncLog:
    """``Log`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, log: Log, threads: Threads) -> None:
        """Use ``AsyncStore.admin.log`` instead."""
        self._log = log
        self._threads = threads

    async def lines(
        self,
        region: str,
        *,
        kind: LineKind | str | None = None,
        since: datetime | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[LogLine]:
        """See ``Log.lines``."""
        return await self._threads.call(
            self._log.lines, region, kind=kind, since=since, after=after, limit=limit
        )

    async def prove(self, line: UUID | str) -> bytes:
        """See ``Log.prove``."""
        return await self._threads.call(self._log.prove, line)

    async def export(self, region: str, directory: Path) -> int:
        """See ``Log.export``."""
        return await self._threads.call(self._log.export, region, directory)

    async def keys(self, region: str) -> Sequence[str]:
        """See ``Log.keys``."""
        return await self._threads.call(self._log.keys, region)
