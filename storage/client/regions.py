"""The regions that this process serves: each is open, or has the error of its last opening."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Self

from regions.model import Purpose, Service
from storage.errors import DomicileError, InvalidRequest, WrongRegion
from storage.ledger.fence import Sleep
from storage.model import Actor
from storage.objects.keyring import KeyRing
from storage.packs.openings import for_tenant
from storage.packs.prepare import Writer
from storage.packs.reader import Reader
from storage.region import OpenRegion
from storage.transparency.publish import Publisher


@dataclass(frozen=True, slots=True)
class ServedRegion:
    """An open region with its keys, its writer, and what puts lines into its log."""

    region: OpenRegion
    keys: KeyRing
    writer: Writer
    log: Publisher

    @classmethod
    def of(cls, region: OpenRegion, flushers: Executor, sleep: Sleep) -> Self:
        """Return the parts of ``region``. ``flushers`` runs the writer's flushes."""
        keys = KeyRing(region)
        return cls(region, keys, Writer(region, keys, flushers), Publisher(region, sleep))

    def reader(self, actor: Actor, purpose: Purpose | Service) -> Reader:
        """Return a reader of what an actor without a grant may open for a purpose."""
        return Reader(self.region, self.keys, for_tenant(self.region, actor, purpose))


Opener = Callable[[ExitStack], ServedRegion]
"""Opens one region, and leaves what closes it on the stack. Raises DomicileError."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: DomicileError
    again: float  # when the region may be opened again


class ServedRegions:
    """Opens regions, and again those that did not open. Thread-safe."""

    def __init__(
        self,
        openers: Mapping[str, Opener],
        stack: ExitStack,
        *,
        clock: Callable[[], float],
        seconds: float,
    ) -> None:
        """``seconds``: the pause by ``clock`` after an opening that failed.

        What closes the regions is left on ``stack``: call ``close`` before that is unwound.
        """
        self._openers = dict(openers)
        self._stack = stack
        self._clock = clock
        self._seconds = seconds
        self._open: dict[str, ServedRegion] = {}
        self._failed: dict[str, _Failure] = {}
        self._trying: set[str] = set()
        self._closed = False
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """All regions that this process serves, open or not."""
        return tuple(self._openers)

    @property
    def open(self) -> Mapping[str, ServedRegion]:
        """The regions that are open now, by name."""
        with self._lock:
            return {name: self._open[name] for name in self._openers if name in self._open}

    def get(self, name: str) -> ServedRegion:
        """Return a region, opened now if it is not and the pause is over.

        Raises WrongRegion if this process does not serve it, else the error of its opening. One
        caller tries; meanwhile the others get the last error.
        """
        if name not in self._openers:
            raise not_served(name, self._openers)
        with self._lock:
            if name in self._open:
                return self._open[name]
            failed = self._failed.get(name)
            if failed and (name in self._trying or self._clock() < failed.again):
                raise failed.error.with_traceback(None)
            self._trying.add(name)
        try:
            return self._opened(name)
        except DomicileError as error:
            with self._lock:
                self._failed[name] = _Failure(error, self._clock() + self._seconds)
            raise
        finally:
            with self._lock:
                self._trying.discard(name)

    def close(self) -> None:
        """Write what is queued in the open regions, and open none any more.

        Waits for ``Limits.close`` at most.
        """
        with self._lock:
            self._closed = True
        began = monotonic()
        for served in self.open.values():
            served.writer.close(began + served.region.limits.close)

    def _opened(self, name: str) -> ServedRegion:
        with ExitStack() as own:
            served = self._openers[name](own)
            with self._lock:
                if self._closed:
                    raise InvalidRequest("The store is closed.")
                self._stack.enter_context(own.pop_all())
                self._open[name] = served
        return served


def not_served(region: str, served: Mapping[str, object]) -> WrongRegion:
    """Return the error for a region that this process does not serve."""
    return WrongRegion(
        f"This process does not serve {region}.",
        home=region,
        advice=f"It serves: {', '.join(served)}.",
    )
