"""Publishing: who must not act before a line is in a checkpoint waits here for one."""

import threading
from datetime import timedelta
from uuid import UUID

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.errors import Unavailable, WitnessesMissing
from storage.ledger.fence import Sleep
from storage.region import OpenRegion
from storage.transparency.cosigning import cosign, missing
from storage.transparency.sequencer import Sealed, Sequencer

_PAUSE = 0.02
"""Seconds between two looks at what another process does."""


class Publisher:
    """Puts lines into checkpoints. Thread-safe: callers that wait at once share a batch."""

    def __init__(self, region: OpenRegion, sleep: Sleep) -> None:
        """``sleep`` waits for a number of seconds."""
        self._region = region
        self._sleep = sleep
        self._sequencer = Sequencer(region)
        self._turn = threading.Lock()
        self._last: Sealed | None = None
        self._witnessed = 0

    def publish(self, line: UUID) -> SignedRoot:
        """Return a published checkpoint that holds a line, which was committed before.

        Each witness that the region requires has cosigned it. Raises Unavailable if there is none
        in time, if too few backends take it, or (WitnessesMissing) if a witness does not cosign:
        then do not do what the line is about.
        """
        seconds = self._region.limits.wait
        until = self._region.clock.now() + timedelta(seconds=seconds)
        while self._region.clock.now() <= until and self._turn.acquire(timeout=seconds):
            try:
                found = self._covering(line)
                if found is not None:
                    self._witness(found)
            finally:
                self._turn.release()
            if found is not None:
                return found
            self._sleep(_PAUSE)
        raise Unavailable(
            "The line about it could not be put into the log in time.",
            advice="Nothing was opened. Try again.",
        )

    def seal(self) -> bool:
        """Put lines that wait into a checkpoint. False: there are none, or another process does."""
        with self._turn:
            return self._seal() is not None

    def _covering(self, line: UUID) -> SignedRoot | None:
        """Return a checkpoint that holds a line, after sealing a batch if need be."""
        if self._last is not None and line in self._last.lines:
            return self._last.root
        sealed = self._seal()
        if sealed is not None and line in sealed.lines:
            return sealed.root
        with self._region.catalog.begin() as connection:
            return checkpoints.covering(connection, line)

    def _witness(self, root: SignedRoot) -> None:
        """Have it cosigned by those witnesses without whom it does not count."""
        if self._witnessed < root.size:
            wanted = missing(self._region, root, required=True)
            failed = cosign(self._region, root, wanted) if wanted else {}
            if failed:
                raise WitnessesMissing({name: error.code for name, error in failed.items()})
            self._witnessed = root.size

    def _seal(self) -> Sealed | None:
        sealed = self._sequencer.seal()
        self._last = sealed or self._last
        return sealed
