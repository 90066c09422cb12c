"""Group commit: records of one lane share a pack, one PUT per backend and two commits.

One flush of a lane is in flight at a time; records that arrive meanwhile fill its next pack. There
is no timer: an idle lane makes no request. Bulk writes wait for a pack to fill, until their caller
adds nothing more and waits. Callers that wait for each record are gathered: those who were just
answered are about to come back, so the next flush waits a few milliseconds for as many, and one
caller alone never waits. No thread waits while another lane is ready. Small packs of several
tenants, each of a tenant's own lane, share the two commits, because a thousand such lanes would
make two for every record.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from storage.errors import Abandoned, Busy, DomicileError, OutcomeUnknown
from storage.meters import Load
from storage.packs.answers import Answer
from storage.packs.sealed import LaneKey, Name, Place, SealedRecord
from storage.region import Limits

Batches = Sequence[Sequence[SealedRecord]]
Flush = Callable[[Batches], None]

_TOGETHER = 2  # flushes of tenants' own lanes to the same backends
_LATELY = 10  # times ``gather``: for so long an answered caller is expected back
_BESIDE = 2048  # bytes that a record takes in memory beside its sealed body


@dataclass(slots=True, eq=False)
class _Lane:
    key: LaneKey
    due: float = 0.0  # when what waits has waited long enough
    waiting: OrderedDict[Name, SealedRecord] = field(default_factory=OrderedDict)
    repeated: list[SealedRecord] = field(default_factory=list)  # a pack holds an id only once
    buffered: int = 0
    callers: int = 0  # of the waiting records, those that are not of bulk writes
    answered: int = 0  # callers of the flush that is in flight
    expected: int = 0  # callers to gather
    flushing: bool = False
    urged: bool = False  # somebody waits for what is in it, and adds nothing

    def add(self, record: SealedRecord, *, bulk: bool) -> None:
        self.buffered += len(record.sealed)
        if record.name in self.waiting:
            self.repeated.append(record)
        else:
            self.waiting[record.name] = record
        self.callers += not bulk

    def take(self, limits: Limits) -> list[SealedRecord]:
        """Remove and return the records of one pack."""
        batch: list[SealedRecord] = []
        size = 0
        while self.waiting and len(batch) < limits.pack_records:
            name, record = next(iter(self.waiting.items()))
            if batch and size + len(record.sealed) > limits.pack:
                break
            del self.waiting[name]
            batch.append(record)
            size += len(record.sealed)
        for record in self.repeated[:]:
            if record.name not in self.waiting:
                self.waiting[record.name] = record
                self.repeated.remove(record)
        self.buffered -= size
        self.answered = 0
        if not self.waiting:
            self.answered, self.callers, self.urged = self.callers, 0, False
        return batch

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
        # lanes with waiting records and no flush in flight, each in the order of its turn
        self._ready: OrderedDict[LaneKey, _Lane] = OrderedDict()
        # those that are not ready yet, each in the order of ``due``
        self._filling: OrderedDict[LaneKey, _Lane] = OrderedDict()
        self._gathering: OrderedDict[LaneKey, _Lane] = OrderedDict()
        self._answered: OrderedDict[LaneKey, tuple[int, float]] = OrderedDict()  # callers, and when
        self._under_way: Counter[Place] = Counter()  # flushes
        self._running: dict[int, Sequence[SealedRecord]] = {}  # batches that are being flushed
        self._buffered = 0
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # there is room, or a lane has ended
        self._turn = threading.Condition(lock)  # a lane became ready
        self._closed = False

    def submit(self, record: SealedRecord, *, bulk: bool, wait: float) -> Answer:
        """Queue a sealed record. Wait for room for at most ``wait`` seconds, then raise Busy."""
        with self._changed:
            if not self._fits(record):
                self._changed.wait_for(lambda: self._fits(record) or self._closed, timeout=wait)
            if self._closed or not self._fits(record):
                raise busy()
            lane = self._lanes.get(record.lane)
            if lane is None:
                lane = _Lane(record.lane, expected=self._coming_back(record.lane))
                self._flushers.submit(self._drain)  # may raise Busy
                self._lanes[record.lane] = lane
            self._buffered += _weight(record)
            lane.add(record, bulk=bulk)
            if not lane.flushing:
                self._queue(lane)
        return record.answer

    def urge(self, key: LaneKey, name: Name) -> None:
        """Let a record of a bulk write wait no longer than others allow, if it still waits."""
        with self._changed:
            lane = self._lanes.get(key)
            if lane is not None and name in lane.waiting:
                lane.urged = True
                if not lane.flushing:
                    self._queue(lane)

    def load(self) -> Load:
        """Return what waits now."""
        with self._changed:
            flushing = sum(lane.flushing for lane in self._lanes.values())
            return Load(self._buffered, self._limits.buffer, len(self._lanes), flushing)

    def close(self, until: float) -> None:
        """Refuse new records, and wait until all are resolved, or it is ``until`` (monotonic).

        Then what was not sent fails with Abandoned, and what was with OutcomeUnknown.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._turn.notify_all()
            self._changed.wait_for(lambda: not self._lanes, timeout=max(0.0, until - monotonic()))
            unsent = [record for lane in self._lanes.values() for record in lane.clear()]
            sent = [record for batch in self._running.values() for record in batch]
        for record in unsent:
            record.fail(Abandoned("The store was closed before the record was sent."))
        for record in sent:
            record.fail(OutcomeUnknown(str(record.id), "The store was closed during the write."))

    def _fits(self, record: SealedRecord) -> bool:
        return self._buffered == 0 or self._buffered + _weight(record) <= self._limits.buffer

    def _queue(self, lane: _Lane) -> None:
        """Let a lane wait for its turn, for its callers, or for its pack to fill."""
        limits, key = self._limits, lane.key
        if key in self._ready:
            return
        full = lane.buffered >= limits.pack or len(lane.waiting) >= limits.pack_records
        if full or lane.urged or lane.callers >= max(lane.expected, 1):
            self._filling.pop(key, None)
            self._gathering.pop(key, None)
            self._ready[key] = lane
            self._turn.notify()
        elif lane.callers and key not in self._gathering:
            self._filling.pop(key, None)
            lane.due = monotonic() + limits.gather
            self._gathering[key] = lane
            self._turn.notify()
        elif not lane.callers and key not in self._filling:
            lane.due = monotonic() + limits.linger
            self._filling[key] = lane

    def _coming_back(self, key: LaneKey) -> int:
        """Return how many callers of a lane were just answered. Forget those of long ago."""
        since = monotonic() - _LATELY * self._limits.gather
        while self._answered and next(iter(self._answered.values()))[1] < since:
            self._answered.popitem(last=False)
        return self._answered.pop(key, (0, 0.0))[0]

    def _drain(self) -> None:
        """Flush what is ready, until nothing waits. One call for each lane that begins to wait."""
        while lanes := self._next():
            batches = [batch for lane in lanes if (batch := self._take(lane))]
            if batches:
                self._run(batches)
            self._release(lanes)

    def _next(self) -> list[_Lane]:
        """Wait for lanes that are ready, and mark them as flushing. Empty: nothing is to be done.

        What must wait for a flush that is under way is done by the thread of that flush.
        """
        with self._turn:
            while True:
                self._ripen()
                chosen = self._chosen()
                for lane in chosen:
                    del self._ready[lane.key]
                    lane.flushing = True
                if chosen:
                    self._under_way[chosen[0].key.place] += 1
                if chosen or not (self._filling or self._gathering):
                    return chosen
                due = min(next(iter(some.values())).due for some in self._unripe() if some)
                self._turn.wait(max(0.0, due - monotonic()))

    def _unripe(self) -> tuple[OrderedDict[LaneKey, _Lane], ...]:
        return self._filling, self._gathering

    def _ripen(self) -> None:
        """Let the lanes that have waited long enough be ready."""
        now = monotonic()
        for some in self._unripe():
            while some and (self._closed or next(iter(some.values())).due <= now):
                key, lane = some.popitem(last=False)
                self._ready[key] = lane

    def _chosen(self) -> list[_Lane]:
        """Return the lane whose turn it is, and small ones of other tenants to go with it.

        They have the same backends, so that one that hangs delays nobody else. A tenant's own lane
        waits while two flushes to its backends are under way: the more go with it then.
        """
        first = next((lane for lane in self._ready.values() if self._may_begin(lane)), None)
        if first is None:
            return []
        limits, chosen, tenants = self._limits, [first], {first.key.tenant}
        size, number = first.buffered, len(first.waiting)
        for lane in self._ready.values():
            if None in tenants or len(chosen) == limits.packs:
                break
            key = lane.key
            fits = (
                size + lane.buffered <= limits.pack
                and number + len(lane.waiting) <= limits.pack_records
            )
            if fits and key.tenant not in {None, *tenants} and key.place == first.key.place:
                chosen.append(lane)
                tenants.add(key.tenant)
                size, number = size + lane.buffered, number + len(lane.waiting)
        return chosen

    def _may_begin(self, lane: _Lane) -> bool:
        return lane.key.tenant is None or self._under_way[lane.key.place] < _TOGETHER

    def _take(self, lane: _Lane) -> list[SealedRecord]:
        with self._changed:
            batch = lane.take(self._limits)
            if batch:
                self._running[id(batch)] = batch
            return batch

    def _release(self, lanes: Sequence[_Lane]) -> None:
        """Queue the lanes again in which records wait; forget the others."""
        with self._changed:
            self._under_way[lanes[0].key.place] -= 1
            self._under_way += Counter()  # forget the places of which none is
            for number, lane in enumerate(lanes):
                lane.flushing = False
                if not lane.waiting:
                    del self._lanes[lane.key]
                    if lane.answered > 1:
                        self._answered[lane.key] = lane.answered, monotonic()
                    continue
                lane.expected = lane.answered + lane.callers
                self._queue(lane)
                if number:  # this thread goes on with one of them
                    with suppress(DomicileError):
                        self._flushers.submit(self._drain)
            self._changed.notify_all()

    def _run(self, batches: Batches) -> None:
        try:
            self._flush(batches)
        except BaseException as error:  # noqa: BLE001 - every caller must get an answer
            for batch in batches:
                for record in batch:
                    if not record.answer.done():
                        record.fail(error if isinstance(error, DomicileError) else _bug(error))
        finally:
            with self._changed:
                for batch in batches:
                    del self._running[id(batch)]
                    self._buffered -= sum(map(_weight, batch))
                self._changed.notify_all()


def busy() -> Busy:
    """Return the error for a record that found no room in its time."""
    return Busy(advice="Try again later, or write fewer records at the same time.")


def _weight(record: SealedRecord) -> int:
    """Return the bytes that a record takes in memory, about."""
    return len(record.sealed) + len(record.sealed_metadata or b"") + _BESIDE


def _bug(error: BaseException) -> DomicileError:
    wrapped = DomicileError("The write failed with an unexpected error.")
    wrapped.__cause__ = error
    return wrapped
