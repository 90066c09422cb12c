"""Publishing: who must not act before a line is in a checkpoint waits here for one."""

import threading
from concurrent.futures import Future
from datetime import timedelta
from uuid import UUID

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.errors import Unavailable, WitnessesMissing
from storage.ledger.fence import Sleep
from storage.region import OpenRegion
from storage.transparency.cosigning import cosign, missing
from storage.transparency.sequencer import Sequencer

_PAUSES = (0.02, 0.5)
"""Seconds between two looks at what another process does: at first, and at most."""


class Publisher:
    """Puts lines into checkpoints. Thread-safe: callers that wait at once share a batch."""

    def __init__(self, region: OpenRegion, sleep: Sleep) -> None:
        """``sleep`` waits for a number of seconds."""
        self._region = region
        self._sleep = sleep
        self._sequencer = Sequencer(region)
        self._witnessed = 0
        self._wanted: dict[Future[SignedRoot], UUID] = {}
        self._changed = threading.Condition()
        self._leading = False  # one caller seals for all

    def publish(self, line: UUID) -> SignedRoot:
        """Return a published checkpoint that holds a line, which was committed before.

        Each witness that the region requires has cosigned it. Raises Unavailable if there is none
        in time, if too few backends take it, or (WitnessesMissing) if a witness does not cosign:
        then do not do what the line is about.
        """
        clock, seconds = self._region.clock, self._region.limits.wait
        until = clock.now() + timedelta(seconds=seconds)
        answer, (pause, longest) = Future[SignedRoot](), _PAUSES
        with self._changed:
            self._wanted[answer] = line
        try:
            while clock.now() <= until:
                self._lead_or_wait(answer, seconds)
                if answer.done():
                    return answer.result()
                self._sleep(pause)
                pause = min(2 * pause, longest)
        finally:
            with self._changed:
                del self._wanted[answer]
        raise Unavailable(
            "The line about it could not be put into the log in time.",
            advice="Nothing was opened. Try again.",
        )

    def _lead_or_wait(self, answer: Future[SignedRoot], seconds: float) -> None:
        """Wait until another caller has answered this one; if none seals, seal for all."""
        with self._changed:
            self._changed.wait_for(lambda: answer.done() or not self._leading, timeout=seconds)
            if answer.done() or self._leading:
                return
            self._leading = True
        try:
            self._answer_all()
        finally:
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def _answer_all(self) -> None:
        """Seal a batch, and answer the callers whose lines are published."""
        sealed = self._sequencer.seal()
        with self._changed:
            wanted = {each: line for each, line in self._wanted.items() if not each.done()}
        lines = frozenset(wanted.values())
        if sealed is not None and lines <= sealed.lines:
            root: SignedRoot | None = sealed.root
            held = sealed.lines
        else:
            root, held = self._published(lines)
        answered = [answer for answer, line in wanted.items() if line in held]
        if root is None or not answered:
            return
        try:
            root = self._witness(root)
        except Unavailable as error:
            for answer in answered:
                answer.set_exception(error)
        else:
            for answer in answered:
                answer.set_result(root)

    def _published(self, lines: frozenset[UUID]) -> tuple[SignedRoot | None, frozenset[UUID]]:
        """Return the newest checkpoint, and which of the lines it holds."""
        with self._region.catalog.begin() as connection:
            root = checkpoints.published(connection, self._region.log_trust)
            held = checkpoints.held(connection, lines, root.size if root is not None else 0)
            return root, held

    def _witness(self, root: SignedRoot) -> SignedRoot:
        """Have it, or a newer one, cosigned by the witnesses without whom it does not count.

        A witness does not cosign it if another process had a newer one cosigned meanwhile.
        """
        while self._witnessed < root.size:
            wanted = missing(self._region, root, required=True)
            failed = cosign(self._region, root, wanted) if wanted else {}
            if not failed:
                self._witnessed = root.size
                break
            newer, _ = self._published(frozenset())
            if newer is None or newer.size <= root.size:
                raise WitnessesMissing({name: error.code for name, error in failed.items()})
            root = newer
        return root
