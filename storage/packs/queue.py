"""Group commit: records of one lane share a pack, a PUT per backend and two commits.

One flush is in flight per lane; what arrives meanwhile fills the next pack. No timer runs: an
idle lane makes no request. Only bulk writes linger, for a pack to fill.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

from storage.errors import Busy, DomicileError
from storage.model import PutResult
from storage.packs.sealed import LaneKey, SealedRecord
from storage.region import Limits

Flush = Callable[[Sequence[SealedRecord]], None]


@dataclass(slots=True)
class _Lane:
    waiting: "OrderedDict[tuple[str, bytes], SealedRecord]" = field(default_factory=OrderedDict)
    again: list[SealedRecord] = field(
        default_factory=list
    )  # the same id twice: one pack holds it once
    held: int = 0
    urgent: bool = False
    flushing: bool = False


class Lanes:
    """All lanes of one region and process. ``flush`` resolves the items that it is given."""

    def __init__(self, limits: Limits, flush: Flush, flushers: ThreadPoolExecutor) -> None:
        """``flushers`` run at most as many flushes at a time as they have threads."""
        self._limits = limits
        self._flush = flush
        self._flushers = flushers
        self._lanes: dict[LaneKey, _Lane] = {}
        self._held = 0
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, item: SealedRecord, *, bulk: bool, wait: float) -> Future[PutResult]:
        """Queue a sealed record. Waits for room, at most ``wait`` seconds; raises Busy."""
        with self._changed:
            room = self._changed.wait_for(lambda: self._fits(item) or self._closed, timeout=wait)
            if not room or self._closed:
                raise Busy(advice="Try again later, or write less at the same time.")
            lane = self._lanes.setdefault(item.where, _Lane())
            self._held += len(item.sealed)
            lane.held += len(item.sealed)
            if item.name in lane.waiting:
                lane.again.append(item)
            else:
                lane.waiting[item.name] = item
            lane.urgent = lane.urgent or not bulk
            if not lane.flushing:
                lane.flushing = True
                self._flushers.submit(self._drain, item.where, lane)
            self._changed.notify_all()
        return item.future

    def close(self) -> None:
        """Refuse more, and wait until what is queued is resolved."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._lanes)

    def _fits(self, item: SealedRecord) -> bool:
        return self._held == 0 or self._held + len(item.sealed) <= self._limits.buffer

    def _drain(self, where: LaneKey, lane: _Lane) -> None:
        while True:
            with self._changed:
                self._linger(lane)
                batch = self._take(lane)
                if not batch:
                    lane.flushing = False
                    self._lanes.pop(where, None)
                    self._changed.notify_all()
                    return
            self._run(batch)

    def _linger(self, lane: _Lane) -> None:
        """Bulk only: until the pack is full, somebody is in a hurry, or the time is over."""
        until = monotonic() + self._limits.linger
        full = self._limits.pack
        while lane.waiting and not lane.urgent and not self._closed and lane.held < full:
            if len(lane.waiting) >= self._limits.pack_records:
                return
            left = until - monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _take(self, lane: _Lane) -> list[SealedRecord]:
        batch: list[SealedRecord] = []
        size = 0
        while lane.waiting and len(batch) < self._limits.pack_records:
            name, item = next(iter(lane.waiting.items()))
            if batch and size + len(item.sealed) > self._limits.pack:
                break
            del lane.waiting[name]
            batch.append(item)
            size += len(item.sealed)
        for item in lane.again[:]:
            if item.name not in lane.waiting:
                lane.waiting[item.name] = item
                lane.again.remove(item)
        lane.held -= size
        lane.urgent = lane.urgent and bool(lane.waiting)
        return batch

    def _run(self, batch: list[SealedRecord]) -> None:
        try:
            self._flush(batch)
        except BaseException as error:  # noqa: BLE001 - every caller must hear of it
            for item in batch:
                if not item.future.done():
                    item.fail(error if isinstance(error, DomicileError) else _bug(error))
        finally:
            with self._changed:
                self._held -= sum(len(item.sealed) for item in batch)
                self._changed.notify_all()


def _bug(error: BaseException) -> DomicileError:
    wrapped = DomicileError("The write failed for a reason that Domicile does not know.")
    wrapped.__cause__ = error
    return wrapped
