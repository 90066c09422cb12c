"""``store.training``, ``store.training_runs`` and ``Tenant.models`` for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from storage.client.aio.threads import Threads
from storage.client.training import Models, Training, TrainingRuns
from storage.model import (
    TRAINING_CHUNK,
    Exclusion,
    ExclusionList,
    Record,
    RecordInfo,
    TenantModel,
    TrainingRecord,
)


class AsyncTrainingRecord:
    """``TrainingRecord`` for asyncio: the same attributes."""

    def __init__(self, one: TrainingRecord, threads: Threads) -> None:
        """Iterate over ``AsyncTraining`` instead."""
        self._one = one
        self._threads = threads
        self.info: RecordInfo = one.info
        self.metadata: Mapping[str, object] = one.metadata
        self.entry: str = one.entry

    @property
    def record(self) -> Record:
        """See ``TrainingRecord.record``."""
        return self._one.record

    async def chunks(self, size: int = TRAINING_CHUNK) -> AsyncGenerator[bytes, None]:
        """See ``TrainingRecord.chunks``."""
        chunks = self._one.chunks(size)
        while (chunk := await self._threads.call(next, chunks, None)) is not None:
            yield chunk


class AsyncTraining:
    """``Training`` for asyncio: the same attributes and errors.

    What was being read when its caller was cancelled comes next if you iterate again. If you do
    not, it is not in the manifest: ``close`` waits until it is read.
    """

    def __init__(self, training: Training, threads: Threads) -> None:
        """Use ``AsyncStore.training`` instead."""
        self._training = training
        self._threads = threads
        self._next: asyncio.Future[TrainingRecord | None] | None = None  # that nobody received
        self._lock = asyncio.Lock()

    async def __aiter__(self) -> AsyncIterator[AsyncTrainingRecord]:
        """Yield the records, of one tenant after the other."""
        while (record := await self._received()) is not None:
            yield AsyncTrainingRecord(record, self._threads)

    async def _received(self) -> TrainingRecord | None:
        """Return the next record. It is received unless this is cancelled."""
        async with self._lock:
            if self._next is None:
                self._next = self._threads.call(next, iter(self._training), None)
            try:
                record = await asyncio.shield(self._next)
            except Exception:
                self._next = None
                raise
            self._next = None
            return record

    @property
    def manifests(self) -> Sequence[str]:
        """See ``Training.manifests``."""
        return self._training.manifests

    @property
    def skipped(self) -> Mapping[str, int]:
        """See ``Training.skipped``."""
        return self._training.skipped

    async def close(self) -> None:
        """See ``Training.close``. It waits for what is being read, and for who is to receive it."""
        async with self._lock:
            if self._next is not None:
                await asyncio.wait([self._next])
                self._training._drop_last()  # noqa: SLF001 - callers have no use for it
                self._next = None
            await self._threads.call(self._training.close)

    async def __aenter__(self) -> Self:
        """Return the read."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the read."""
        await self.close()


class AsyncExclusionList:
    """``ExclusionList`` for asyncio. Iterate over it once."""

    def __init__(self, found: ExclusionList, threads: Threads) -> None:
        """Use ``AsyncTrainingRuns.exclusions`` instead."""
        self.run = found.run
        self.listed = found.listed
        self._records = iter(found.records)
        self._threads = threads

    async def __aiter__(self) -> AsyncIterator[Exclusion]:
        """Yield what must not be used any more."""
        while some := await self._threads.call(_some, self._records):
            for one in some:
                yield one


class AsyncTrainingRuns:
    """``TrainingRuns`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, runs: TrainingRuns, threads: Threads) -> None:
        """Use ``AsyncStore.training_runs`` instead."""
        self._runs = runs
        self._threads = threads

    async def exclusions(self, run: str) -> AsyncExclusionList:
        """See ``TrainingRuns.exclusions``."""
        found = await self._threads.call(self._runs.exclusions, run)
        return AsyncExclusionList(found, self._threads)

    async def confirm(self, run: str, *, listed: datetime, document: str, by: str) -> None:
        """See ``TrainingRuns.confirm``."""
        await self._threads.call(self._runs.confirm, run, listed=listed, document=document, by=by)


class AsyncModels:
    """``Models`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, models: Models, threads: Threads) -> None:
        """Use ``AsyncTenant.models`` instead."""
        self._models = models
        self._threads = threads

    async def add(self, model: str, *, by: str) -> None:
        """See ``Models.add``."""
        await self._threads.call(self._models.add, model, by=by)

    async def list(self) -> Sequence[TenantModel]:
        """See ``Models.list``."""
        return await self._threads.call(self._models.list)

    async def exclusions(self, model: str) -> AsyncExclusionList:
        """See ``Models.exclusions``."""
        found = await self._threads.call(self._models.exclusions, model)
        return AsyncExclusionList(found, self._threads)

    async def confirm(self, model: str, *, listed: datetime, document: str, by: str) -> None:
        """See ``Models.confirm``."""
        await self._threads.call(
            self._models.confirm, model, listed=listed, document=document, by=by
        )


def _some(records: Iterator[Exclusion]) -> Sequence[Exclusion]:
    return [one for one, _ in zip(records, range(100), strict=False)]
