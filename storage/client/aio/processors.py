"""``store.admin.processors`` for asyncio."""

from collections.abc import Sequence
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.processors import Processors
from storage.model import Copy


class AsyncProcessors:
    """``Processors`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, processors: Processors, threads: Threads) -> None:
        """Use ``AsyncStore.admin.processors`` instead."""
        self._processors = processors
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
