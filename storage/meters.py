"""What this process measures, and the protocol of what counts it. By default nothing does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from storage.errors import BackendError


@dataclass(frozen=True, slots=True)
class Flush:
    """Packs that were written together, by one or many calls.

    ``seconds``: from the announcement to the answers. ``bytes``: sealed.
    """

    seconds: float
    packs: int
    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """What waits to be written in one region, now.

    ``buffered``: bytes in memory, of at most ``room``. ``lanes``: those in use, of which
    ``flushing`` have a flush in flight.
    """

    buffered: int
    room: int
    lanes: int
    flushing: int


class Meters(Protocol):
    """Counts what a process does. No method raises, waits, or gets content or the name of a tenant.

    Records are not told one by one: of many that are written together, there is one flush.
    """

    def opened(self, region: str, backends: Iterable[str], load: Callable[[], Load]) -> None:
        """Note a region that was opened. ``load`` may be called at any time, in any thread."""

    def called(self, region: str, call: str, seconds: float, error: BaseException | None) -> None:
        """Note a call of a service: ``put``, ``get``, ``get_many``, ``range``, ``erase``."""

    def flushed(self, region: str, flush: Flush) -> None:
        """Note a flush."""

    def backend_failed(self, region: str, error: BackendError) -> None:
        """Note a call to a backend that failed."""

    def worked(self, region: str, duty: str, seconds: float, error: BaseException | None) -> None:
        """Note that a duty of a worker has done what was due, or failed."""


class NoMeters:
    """Counts nothing."""

    def opened(self, region: str, backends: Iterable[str], load: Callable[[], Load]) -> None:
        pass

    def called(self, region: str, call: str, seconds: float, error: BaseException | None) -> None:
        pass

    def flushed(self, region: str, flush: Flush) -> None:
        pass

    def backend_failed(self, region: str, error: BackendError) -> None:
        pass

    def worked(self, region: str, duty: str, seconds: float, error: BaseException | None) -> None:
        pass


class Timed:
    """A call that is under way. As a context manager, it ends with the block."""

    __slots__ = ("_began", "_call", "_meters", "_region")

    def __init__(self, meters: Meters, region: str, call: str) -> None:
        """It begins now."""
        self._meters, self._region, self._call = meters, region, call
        self._began = monotonic()

    def end(self, error: BaseException | None = None) -> None:
        """Tell how long it took, and the error that it ended with."""
        self._meters.called(self._region, self._call, monotonic() - self._began, error)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.end(error)
