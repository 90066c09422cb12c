"""``store.consents`` for asyncio."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from storage.client.aio.threads import Threads
from storage.client.consents import Consents
from storage.model import Consent, DataClass, Purpose


class AsyncConsents:
    """``Consents`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, consents: Consents, threads: Threads) -> None:
        """Use ``AsyncStore.consents`` instead."""
        self._consents = consents
        self._threads = threads

    async def give(
        self,
        tenant: str,
        *,
        wording: str,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
        given: datetime | date | None = None,
        covers_from: date | None = None,
    ) -> Consent:
        """See ``Consents.give``."""
        return await self._threads.call(
            self._consents.give,
            tenant,
            wording=wording,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=subject,
            given=given,
            covers_from=covers_from,
        )

    async def withdraw(
        self,
        tenant: str,
        *,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
        given: datetime | date | None = None,
    ) -> Consent:
        """See ``Consents.withdraw``."""
        return await self._threads.call(
            self._consents.withdraw,
            tenant,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=subject,
            given=given,
        )

    async def opt_out(
        self,
        tenant: str,
        *,
        document: str,
        given: datetime | date,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
    ) -> Consent:
        """See ``Consents.opt_out``."""
        return await self._threads.call(
            self._consents.opt_out,
            tenant,
            document=document,
            given=given,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=subject,
        )

    async def list(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Consent]:
        """See ``Consents.list``."""
        return await self._threads.call(
            self._consents.list, tenant, subject=subject, after=after, limit=limit
        )

    async def export(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> dict[str, object]:
        """See ``Consents.export``."""
        return await self._threads.call(
            self._consents.export, tenant, subject=subject, after=after, limit=limit
        )
