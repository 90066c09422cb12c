"""``store.admin.agreements`` for asyncio."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from storage.client.agreements import Agreements
from storage.client.aio.threads import Threads
from storage.model import Agreement, RecordedAgreement


class AsyncAgreements:
    """``Agreements`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, agreements: Agreements, threads: Threads) -> None:
        """Use ``AsyncStore.admin.agreements`` instead."""
        self._agreements = agreements
        self._threads = threads

    async def add(
        self, tenant: str, agreement: Agreement, *, supersedes: UUID | str | None = None
    ) -> RecordedAgreement:
        """See ``Agreements.add``."""
        return await self._threads.call(
            self._agreements.add, tenant, agreement, supersedes=supersedes
        )

    async def end(self, agreement: UUID | str, *, until: date) -> RecordedAgreement:
        """See ``Agreements.end``."""
        return await self._threads.call(self._agreements.end, agreement, until=until)

    async def list(self, tenant: str, *, on: date | None = None) -> Sequence[RecordedAgreement]:
        """See ``Agreements.list``."""
        return await self._threads.call(self._agreements.list, tenant, on=on)
