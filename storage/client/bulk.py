"""Many writes under way, and their results in the order of their records."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace

from storage.client.validate import check_record
from storage.errors import DomicileError, InvalidRequest
from storage.model import DataClass, NewRecord, PutFailure, PutResult, RecordId

WINDOW = 4096  # records that may be under way

Result = PutResult | PutFailure


class Source:
    """The records of an iterable, one when it is asked for one. Ends where the iterable fails.

    So what was taken before is stored, and its results are given, before ``check`` raises that.
    """

    def __init__(self, records: Iterable[NewRecord]) -> None:
        """Raises InvalidRequest if that gives no records."""
        if not isinstance(records, Iterable):
            raise InvalidRequest("put_many takes an iterable of NewRecord.")
        self._records = iter(records)
        self._failure: Exception | None = None

    def check(self) -> None:
        """Raises what the iterable raised."""
        if self._failure is not None:
            raise self._failure

    def __iter__(self) -> Iterator[NewRecord]:
        """Itself."""
        return self

    def __next__(self) -> NewRecord:
        """The next record."""
        try:
            return next(self._records)
        except StopIteration:
            raise
        except Exception as error:
            self._failure = error
            raise StopIteration from error


class Window:
    """Writes that are under way, so many and no more. Whoever uses it does one thing at a time."""

    def __init__(
        self,
        submit: Callable[[NewRecord], Future[PutResult]],
        new_id: Callable[[DataClass], RecordId],
        own_pack: int,
    ) -> None:
        """``submit`` queues a checked record; from ``own_pack`` bytes on it is written at once."""
        self._submit = submit
        self._new_id = new_id
        self._own_pack = own_pack
        self._waiting: deque[tuple[RecordId | None, Future[PutResult]]] = deque()
        self._pending: dict[bytes, Future[PutResult]] = {}  # by what is unique about an id

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more may be added."""
        return WINDOW - len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether the oldest result is known."""
        return bool(self._waiting) and self._waiting[0][1].done()

    @property
    def oldest(self) -> Future[PutResult]:
        """What the next result comes from."""
        return self._waiting[0][1]

    def add(self, record: NewRecord) -> None:
        """Begin to write a record. Waits for what it derives from, if that is in another lane."""
        record_id, future = self._begin(record)
        if record_id is not None:
            self._pending[record_id.unique] = future
        self._waiting.append((record_id, future))

    def take(self) -> Result:
        """The oldest result. Waits for it."""
        record_id, future = self._waiting.popleft()
        error = future.exception()
        if record_id is not None and self._pending.get(record_id.unique) is future:
            del self._pending[record_id.unique]
        if error is None:
            return future.result()
        if isinstance(error, DomicileError):
            return PutFailure(record_id, error)
        raise error

    def _begin(self, record: NewRecord) -> tuple[RecordId | None, Future[PutResult]]:
        """What is refused at once is a failed future."""
        record_id: RecordId | None = None
        try:
            check_record(record)
            record_id = record.id or self._new_id(record.data_class)
            record = replace(record, id=record_id) if record.id is None else record
            self._await_earlier(record, record_id)
            return record_id, self._submit(record)
        except DomicileError as error:
            refused: Future[PutResult] = Future()
            refused.set_exception(error)
            return record_id, refused

    def _await_earlier(self, record: NewRecord, record_id: RecordId) -> None:
        """Of one day, small records go through one lane, in this order; others would overtake.

        Neither its parents may come after a record, nor what has its id and came before it. Of one
        id a pack has one record: the second would come after what derives from it. Two ids that
        were minted with one idempotency key differ in their time, and are one.
        """
        apart = len(record.body) >= self._own_pack
        for earlier in (*record.derived_from, record_id):
            under_way = self._pending.get(earlier.unique)
            same = earlier.unique == record_id.unique
            overtakes = apart or earlier.day != record_id.day or same
            if under_way is not None and overtakes:
                under_way.exception()
