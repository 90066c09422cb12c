"""``AsyncTenant``: ``Tenant`` for asyncio."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from functools import partial
from threading import Event
from typing import BinaryIO
from uuid import UUID

from storage.client.aio.files import AsyncCapture, AsyncOpenFile
from storage.client.aio.puts import Puts
from storage.client.aio.sources import (
    Ahead,
    AsyncFile,
    Feed,
    Records,
    async_chunks,
    until_stopped,
)
from storage.client.aio.threads import Threads
from storage.client.aio.training import AsyncModels
from storage.client.bulk import Window
from storage.client.tenant import BoundTenant, Tenant
from storage.client.validate import Id, new_record
from storage.model import (
    Actor,
    Classifier,
    Count,
    DataClass,
    Erasure,
    Explanation,
    FineTuning,
    Flag,
    GetFailure,
    Grant,
    HandedOver,
    NewRecord,
    Objection,
    ObjectionEffect,
    Origin,
    Page,
    Purpose,
    PurposeExplanation,
    PutFailure,
    PutResult,
    Reason,
    Record,
    RecordId,
    RecordInfo,
    Scope,
    Screened,
    ScreenFailure,
)


class AsyncTenant:
    """``Tenant`` for asyncio: the same methods, arguments and errors. Use it in one event loop.

    Cancelling a write does not undo it: a write that has begun succeeds or fails on its own.
    Repeat the call with the same id to learn its result.
    """

    def __init__(self, tenant: Tenant, threads: Threads, puts: Puts) -> None:
        """Use ``AsyncStore.tenant`` instead."""
        self._tenant = tenant
        self._threads = threads
        self._puts = puts
        self.id = tenant.id

    async def new_id(
        self,
        data_class: DataClass,
        *,
        key: str | None = None,
        origin_date: date | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> RecordId:
        """See ``Tenant.new_id``."""
        return await self._threads.call(
            self._tenant.new_id,
            data_class,
            key=key,
            origin_date=origin_date,
            keep_days=keep_days,
            readable_until=readable_until,
        )

    async def put(  # noqa: PLR0913 - what a record has
        self,
        data_class: DataClass,
        body: bytes,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
        origin: Origin | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> PutResult:
        """See ``Tenant.put``. It takes no thread while it waits for its pack.

        Of many at once, small ones are submitted in the order of the calls. The puts of a tenant
        that wait for their answers may take 64 MiB, each its body and 4 KiB; less, if those of
        other tenants wait too. One that has no room raises Busy at once: ``put_many`` stores any
        number in bounded memory.
        """
        new = new_record(
            data_class,
            body,
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
            origin=origin,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        return await self._puts.put(self._tenant, new)

    async def put_many(self, records: Records) -> AsyncGenerator[PutResult | PutFailure, None]:
        """See ``Tenant.put_many``. ``records`` may be async; otherwise a thread reads it.

        A result is yielded as soon as it and all before it are known, even while ``records`` waits
        for its next record. At most 64 records are read before there is room for them.
        """
        changed = asyncio.Event()
        watch = _Watch(changed)
        window = await self._threads.call(self._tenant.window)
        ahead = Ahead(records, self._threads, changed)
        try:
            while window or not ahead.over:
                changed.clear()
                if window.ready:
                    yield window.take()
                elif ahead.arrived and window.room:
                    await self._threads.write(_add, window, ahead.take(window.room))
                else:
                    if ahead.over or not window.room:
                        window.urge()
                    window.when_ready(watch)
                    await changed.wait()
            ahead.check()
        finally:
            await ahead.close()

    async def put_file(
        self,
        stream: BinaryIO | Iterable[bytes] | AsyncIterable[bytes] | AsyncFile,
        *,
        filename: str | None = None,
        id: Id | None = None,
        subject: str | None = None,
        metadata: Mapping[str, object] | None = None,
        origin: Origin | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> PutResult:
        """See ``Tenant.put_file``. ``stream`` may be async; otherwise a thread reads it.

        If it is cancelled before the end of the stream, nothing is stored.
        """
        put = partial(
            self._tenant.put_file,
            filename=filename,
            id=id,
            subject=subject,
            metadata=metadata,
            origin=origin,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        chunks = async_chunks(stream)
        if chunks is not None:
            return await self._put_fed(put, chunks)
        stopped = Event()
        try:
            return await self._threads.stream(put, until_stopped(stream, stopped))
        finally:
            stopped.set()

    def capture(
        self,
        data_class: DataClass,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> AsyncCapture:
        """See ``Tenant.capture``. If cancelled, it stores what it has, marked incomplete."""
        begin = partial(
            self._tenant.capture,
            data_class,
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        return AsyncCapture(self._threads, begin)

    def bind(self, actor: Actor, *, grant: UUID | str | None = None) -> "AsyncBoundTenant":
        """See ``Tenant.bind``."""
        bound = self._tenant.bind(actor, grant=grant)
        return AsyncBoundTenant(bound, self._threads, self._puts)

    async def list(  # noqa: PLR0913 - each narrows it
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        newest_first: bool = False,
        after: Id | None = None,
        limit: int = 100,
    ) -> Page:
        """See ``Tenant.list``."""
        return await self._threads.call(
            self._tenant.list,
            data_class=data_class,
            subject=subject,
            group=group,
            flagged=flagged,
            minted_from=minted_from,
            minted_to=minted_to,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )

    async def count(
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        most: int = 10_000,
    ) -> Count:
        """See ``Tenant.count``."""
        return await self._threads.call(
            self._tenant.count,
            data_class=data_class,
            subject=subject,
            group=group,
            flagged=flagged,
            minted_from=minted_from,
            minted_to=minted_to,
            most=most,
        )

    async def head(self, id: Id) -> RecordInfo:
        """See ``Tenant.head``."""
        return await self._threads.call(self._tenant.head, id)

    async def exists(self, id: Id) -> bool:
        """See ``Tenant.exists``."""
        return await self._threads.call(self._tenant.exists, id)

    async def delete(
        self, id: Id, *, reason: Reason = Reason.CUSTOMER_REQUEST, ticket: str | None = None
    ) -> Erasure:
        """See ``Tenant.delete``."""
        return await self._threads.call(self._tenant.delete, id, reason=reason, ticket=ticket)

    async def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> Erasure:
        """See ``Tenant.erase``."""
        return await self._threads.call(self._tenant.erase, scope, reason=reason, ticket=ticket)

    async def explain(self, id: Id) -> Explanation:
        """See ``Tenant.explain``."""
        return await self._threads.call(self._tenant.explain, id)

    async def explain_purpose(
        self, id: Id, *, purpose: Purpose, at: date | None = None
    ) -> PurposeExplanation:
        """See ``Tenant.explain_purpose``."""
        return await self._threads.call(self._tenant.explain_purpose, id, purpose=purpose, at=at)

    async def object(self, company: str, *, by: str, ticket: str) -> ObjectionEffect:
        """See ``Tenant.object``."""
        return await self._threads.call(self._tenant.object, company, by=by, ticket=ticket)

    async def withdraw(self, company: str, *, by: str, ticket: str) -> None:
        """See ``Tenant.withdraw``."""
        await self._threads.call(self._tenant.withdraw, company, by=by, ticket=ticket)

    async def objections(self) -> Sequence[Objection]:
        """See ``Tenant.objections``."""
        return await self._threads.call(self._tenant.objections)

    @property
    def models(self) -> AsyncModels:
        """See ``Tenant.models``."""
        return AsyncModels(self._tenant.models, self._threads)

    async def approve(self, grant: UUID | str, *, by: str) -> Grant:
        """See ``Tenant.approve``."""
        return await self._threads.call(self._tenant.approve, grant, by=by)

    async def _put_fed(
        self, put: Callable[[Iterable[bytes]], PutResult], chunks: AsyncIterable[bytes]
    ) -> PutResult:
        feed = Feed()
        putting = self._threads.stream(put, feed)
        filling = asyncio.create_task(feed.fill(chunks))
        try:
            return await putting
        finally:
            feed.stop()
            filling.cancel()
            await asyncio.wait({filling})


def _add(window: Window, records: Sequence[NewRecord]) -> None:
    for record in records:
        window.add(record)


class _Watch:
    """Sets an event of the event loop from any thread."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed

    def __call__(self) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._changed.set)


class AsyncBoundTenant(AsyncTenant):
    """``BoundTenant`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, tenant: BoundTenant, threads: Threads, puts: Puts) -> None:
        """Use ``AsyncTenant.bind`` instead."""
        super().__init__(tenant, threads, puts)
        self._bound = tenant
        self.actor, self.grant = tenant.actor, tenant.grant

    async def list(  # noqa: PLR0913 - each narrows it
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        newest_first: bool = False,
        after: Id | None = None,
        limit: int = 100,
        purpose: Purpose | None = None,
    ) -> Page:
        """See ``BoundTenant.list``."""
        return await self._threads.call(
            self._bound.list,
            data_class=data_class,
            subject=subject,
            group=group,
            flagged=flagged,
            minted_from=minted_from,
            minted_to=minted_to,
            newest_first=newest_first,
            after=after,
            limit=limit,
            purpose=purpose,
        )

    async def get(self, id: Id, *, purpose: Purpose, tuning: FineTuning | None = None) -> Record:
        """See ``BoundTenant.get``."""
        return await self._threads.call(self._bound.get, id, purpose=purpose, tuning=tuning)

    async def get_many(
        self, ids: Iterable[Id], *, purpose: Purpose
    ) -> Sequence[Record | GetFailure]:
        """See ``BoundTenant.get_many``."""
        return await self._threads.call(self._bound.get_many, ids, purpose=purpose)

    async def export(self, subject: str, *, purpose: Purpose) -> AsyncGenerator[bytes, None]:
        """See ``BoundTenant.export``. A thread of the store makes each piece."""
        pieces = self._bound.export(subject, purpose=purpose)
        while (piece := await self._threads.call(next, pieces, None)) is not None:
            yield piece

    @asynccontextmanager
    async def open(
        self, id: Id, *, purpose: Purpose, tuning: FineTuning | None = None
    ) -> AsyncIterator[AsyncOpenFile]:
        """See ``BoundTenant.open``."""
        file = await self._threads.call(self._bound.open, id, purpose=purpose, tuning=tuning)
        yield AsyncOpenFile(self._threads, file)

    async def screen(
        self,
        classifier: Classifier,
        *,
        data_class: DataClass = DataClass.PROMPT,
        day: date | None = None,
        after: Id | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Screened | ScreenFailure, None]:
        """See ``BoundTenant.screen``. A thread of the store runs the classifier."""
        batches = await self._threads.call(
            self._bound.screen_batches,
            classifier,
            data_class=data_class,
            day=day,
            after=after,
            limit=limit,
        )
        while (batch := await self._threads.call(next, batches, None)) is not None:
            for one in batch:
                yield one

    async def update_metadata(self, id: Id, metadata: Mapping[str, object], *, version: int) -> int:
        """See ``BoundTenant.update_metadata``."""
        return await self._threads.call(self._bound.update_metadata, id, metadata, version=version)

    async def flags(self, id: Id, *, purpose: Purpose) -> Sequence[Flag]:
        """See ``BoundTenant.flags``."""
        return await self._threads.call(self._bound.flags, id, purpose=purpose)

    async def hand_over(self, id: Id, processor: str) -> HandedOver:
        """See ``BoundTenant.hand_over``."""
        return await self._threads.call(self._bound.hand_over, id, processor)
