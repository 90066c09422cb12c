"""Many concurrent writes, with results in the order of the records."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from storage.client.validate import check_record
from storage.errors import DomicileError, InvalidRequest, TermsChanged
from storage.model import NewRecord, PutFailure, PutResult, RecordId
from storage.packs.answers import InTurn, Waiter

WINDOW = 8192  # records that may be in progress: a pack on its way, and one that fills

Result = PutResult | PutFailure


class Source:
    """Iterates over the caller's records, and ends where their iterable raises.

    So the records before the failure are stored and their results returned; ``check`` then raises
    the failure.
    """

    def __init__(self, records: Iterable[NewRecord]) -> None:
        """Raises InvalidRequest if ``records`` is not iterable."""
        if not isinstance(records, Iterable):
            raise InvalidRequest("put_many takes an iterable of NewRecord.")
        self._records = iter(records)
        self._failure: Exception | None = None

    def check(self) -> None:
        """Raise what the iterable raised, if it did."""
        if self._failure is not None:
            raise self._failure

    def __iter__(self) -> Iterator[NewRecord]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> NewRecord:
        """Return the next record."""
        try:
            return next(self._records)
        except StopIteration:
            raise
        except Exception as error:
            self._failure = error
            raise StopIteration from error


class Window:
    """A bounded number of concurrent writes. Not thread-safe."""

    def __init__(
        self,
        submit: Callable[[NewRecord, RecordId, InTurn], InTurn],
        new_id: Callable[[NewRecord], RecordId],
        own_pack: int,
        changed: Callable[[], None],
        urge: Callable[[InTurn], None],
    ) -> None:
        """Write with ``submit``, which writes a body of ``own_pack`` bytes or more at once.

        ``changed`` is called when a result says that the tenant's terms changed, ``urge`` when a
        result is waited for.
        """
        self._submit = submit
        self._new_id = new_id
        self._own_pack = own_pack
        self._changed = changed
        self._urge = urge
        self._waiter = Waiter()
        self._waiting: deque[InTurn] = deque()
        self._pending: dict[bytes, InTurn] = {}  # by the unique part of the id
        self._latest: dict[int, InTurn] = {}  # of each lane: if it does not wait, none does

    def __len__(self) -> int:
        """Return how many writes are in progress."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more records may be added."""
        return WINDOW - len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether the oldest result is known."""
        return bool(self._waiting) and self._waiting[0].done()

    def when_ready(self, notify: Callable[[], object]) -> None:
        """Call ``notify`` once the oldest result is known, perhaps again, in any thread.

        If no write is in progress, never.
        """
        if self._waiting:
            self._waiting[0].when_done(notify)

    def urge(self) -> None:
        """Have what waits written now, unless the oldest result is known: nothing is added now."""
        if self._waiting and not self.ready:
            for answer in self._latest.values():
                self._urge(answer)
            self._latest.clear()

    def add(self, record: NewRecord) -> None:
        """Start to write a record. Waits for its parents if they are in another lane."""
        answer = InTurn(self._waiter)
        try:
            answer = self._begin(record, answer)
        except DomicileError as error:
            answer.set_exception(error)
        if answer.id is not None:
            self._pending[answer.id.unique] = answer
        if answer.lane is not None:
            self._latest[id(answer.lane)] = answer
        self._waiting.append(answer)

    def take(self) -> Result:
        """Wait for the oldest result and return it."""
        self.urge()
        answer = self._waiting.popleft()
        error, record_id = answer.exception(), answer.id
        if record_id is not None and self._pending.get(record_id.unique) is answer:
            del self._pending[record_id.unique]
        if error is None:
            return answer.result()
        if isinstance(error, TermsChanged):
            self._changed()
        if isinstance(error, DomicileError):
            return PutFailure(record_id, error)
        raise error

    def _begin(self, record: NewRecord, answer: InTurn) -> InTurn:
        check_record(record)
        answer.id = record.id or self._new_id(record)
        self._await_earlier(record, answer.id)
        return self._submit(record, answer.id, answer)

    def _await_earlier(self, record: NewRecord, record_id: RecordId) -> None:
        """Wait for a parent, or an earlier record of the same id, that this one might overtake.

        Small records of one expiry day share a lane, which keeps their order. Any other record
        could be written before its parents. A pack holds one record of an id, so a second one
        would be written after the records that derive from it. Two ids that were minted with the
        same idempotency key may differ in their time; their unique part is the same.
        """
        alone = len(record.body) >= self._own_pack
        for earlier in (*record.derived_from, record_id):
            pending = self._pending.get(earlier.unique)
            same = earlier.unique == record_id.unique
            overtakes = alone or earlier.day != record_id.day or same
            if pending is not None and overtakes:
                self._urge(pending)
                pending.exception()
