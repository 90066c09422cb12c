"""Group commit: records of one lane share a pack, one PUT per backend and two commits.

One flush is in flight per lane; records that arrive meanwhile fill the next pack. There is no
timer: an idle lane makes no request. Only bulk writes wait for a pack to fill.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from time import monotonic

from storage.errors import Abandoned, Busy, DomicileError, OutcomeUnknown
from storage.model import PutResult
from storage.packs.sealed import LaneKey, Name, SealedRecord
from storage.region import Limits

Flush = Callable[[Sequence[SealedRecord]], None]


@dataclass(slots=True)
class _Lane:
    waiting: OrderedDict[Name, SealedRecord] = field(default_factory=OrderedDict)
    repeated: list[SealedRecord] = field(default_factory=list)  # a pack holds an id only once
    buffered: int = 0
    urgent: bool = False
    flushing: bool = False

    def clear(self) -> list[SealedRecord]:
        """Remove and return what waits."""
        records = [*self.waiting.values(), *self.repeated]
        self.waiting.clear()
        self.repeated.clear()
        return records


class Lanes:
    """All lanes of one region and process. ``flush`` resolves the records that it is given."""

    def __init__(self, limits: Limits, flush: Flush, flushers: Executor) -> None:
        """``flushers`` run at most as many flushes at a time as they have threads."""
        self._limits = limits
        self._flush = flush
        self._flushers = flushers
        self._lanes: dict[LaneKey, _Lane] = {}
        self._running: list[Sequence[SealedRecord]] = []  # batches that are being flushed
        self._buffered = 0
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, record: SealedRecord, *, bulk: bool, wait: float) -> Future[PutResult]:
        """Queue a sealed record. Wait for room for at most ``wait`` seconds, then raise Busy."""
        with self._changed:
            room = self._changed.wait_for(lambda: self._fits(record) or self._closed, timeout=wait)
            if not room or self._closed:
                raise Busy(advice="Try again later, or write fewer records at the same time.")
            lane = self._lanes.get(record.lane, _Lane())
            if not lane.flushing:
                self._flushers.submit(self._drain, record.lane, lane)  # may raise Busy
                lane.flushing = True
                self._lanes[record.lane] = lane
            self._buffered += len(record.sealed)
            lane.buffered += len(record.sealed)
            if record.name in lane.waiting:
                lane.repeated.append(record)
            else:
                lane.waiting[record.name] = record
            lane.urgent = lane.urgent or not bulk
            self._changed.notify_all()
        return record.future

    def close(self, until: float) -> None:
        """Refuse new records, and wait until all are resolved, or it is ``until`` (monotonic).

        Then what was not sent fails with Abandoned, and what was with OutcomeUnknown.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._lanes, timeout=max(0.0, until - monotonic()))
            unsent = [record for lane in self._lanes.values() for record in lane.clear()]
            sent = [record for batch in self._running for record in batch]
        for record in unsent:
            record.fail(Abandoned("The store was closed before the record was sent."))
        for record in sent:
            record.fail(OutcomeUnknown(str(record.id), "The store was closed during the write."))

    def _fits(self, record: SealedRecord) -> bool:
        return self._buffered == 0 or self._buffered + len(record.sealed) <= self._limits.buffer

    def _drain(self, key: LaneKey, lane: _Lane) -> None:
        while True:
            with self._changed:
                self._linger(lane)
                batch = self._take(lane)
                if not batch:
                    lane.flushing = False
                    self._lanes.pop(key, None)
                    self._changed.notify_all()
                    return
                self._running.append(batch)
            self._run(batch)

    def _linger(self, lane: _Lane) -> None:
        """Bulk writes only: wait until the pack is full, a record is urgent, or time is up."""
        until = monotonic() + self._limits.linger
        full = self._limits.pack
        while lane.waiting and not lane.urgent and not self._closed and lane.buffered < full:
            if len(lane.waiting) >= self._limits.pack_records:
                return
            left = until - monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _take(self, lane: _Lane) -> list[SealedRecord]:
        batch: list[SealedRecord] = []
        size = 0
        while lane.waiting and len(batch) < self._limits.pack_records:
            name, record = next(iter(lane.waiting.items()))
            if batch and size + len(record.sealed) > self._limits.pack:
                break
            del lane.waiting[name]
            batch.append(record)
            size += len(record.sealed)
        for record in lane.repeated[:]:
            if record.name not in lane.waiting:
                lane.waiting[record.name] = record
                lane.repeated.remove(record)
        lane.buffered -= size
        lane.urgent = lane.urgent and bool(lane.waiting)
        return batch

    def _run(self, batch: list[SealedRecord]) -> None:
        try:
            self._flush(batch)
        except BaseException as error:  # noqa: BLE001 - every caller must get an answer
            for record in batch:
                if not record.future.done():
                    record.fail(error if isinstance(error, DomicileError) else _bug(error))
        finally:
            with self._changed:
                self._running.remove(batch)
                self._buffered -= sum(len(record.sealed) for record in batch)
                self._changed.notify_all()


def _bug(error: BaseException) -> DomicileError:
    wrapped = DomicileError("The write failed with an unexpected error.")
    wrapped.__cause__ = error
    return wrapped
