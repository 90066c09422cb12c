"""Duties of the log: seal what nobody waits for, have it cosigned, and forget what is over."""

from datetime import UTC, datetime

from structlog.typing import FilteringBoundLogger

from storage.catalog import checkpoints
from storage.errors import CatalogUnavailable, Unavailable
from storage.policy import SEAL_PAUSE, retry_after
from storage.region import OpenRegion
from storage.transparency.cosigning import cosign, missing
from storage.transparency.pruning import prune
from storage.transparency.sequencer import Sealed, Sequencer
from storage.workers.due import cutoffs

_BATCH = 1000


class Sealer:
    """Seals the log of a region, less often while it fails: each attempt leaves rows to purge."""

    def __init__(self, region: OpenRegion) -> None:
        """Try at once."""
        self._region = region
        self._sequencer = Sequencer(region)
        self._failures = 0
        self._again = datetime.min.replace(tzinfo=UTC)

    def seal(self, log: FilteringBoundLogger) -> int:
        """Put a batch of lines into a checkpoint. If not now, have the newest one cosigned.

        Nobody waits for it, so there is a pause between two, unless a batch is full or was begun.
        """
        region, sealed = self._region, None
        pause_over = region.clock.now() - SEAL_PAUSE
        with region.catalog.begin() as connection:
            waiting = checkpoints.has_work(connection, region.log_trust, pause_over)
        if waiting and region.clock.now() >= self._again:
            sealed = self._attempt(log)
        if sealed is not None:
            log.debug("log_sealed", region=region.name, size=sealed.root.size)
            return 1
        if region.witnesses:
            _cosign(region, log)
        return 0

    def _attempt(self, log: FilteringBoundLogger) -> Sealed | None:
        try:
            sealed = self._sequencer.seal()
        except CatalogUnavailable:
            raise
        except Unavailable as error:  # the lines are kept, and a later round goes on
            self._failures += 1
            self._again = self._region.clock.now() + retry_after(self._failures)
            log.warning("log_postponed", region=self._region.name, error=error.code)
            return None
        self._failures = 0
        return sealed


def _cosign(region: OpenRegion, log: FilteringBoundLogger) -> None:
    """Ask every witness that has not cosigned the newest checkpoint."""
    with region.catalog.begin() as connection:
        root = checkpoints.published(connection, region.log_trust)
    wanted = missing(region, root, required=False) if root is not None else []
    failed = cosign(region, root, wanted) if root is not None and wanted else {}
    for name, error in failed.items():
        log.warning("not_cosigned", region=region.name, witness=name, error=error.code)


def prune_log(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Forget a batch of texts, and mark objects of the log for purge that nobody needs."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        pruned = prune(connection, region.log_trust, at.log, at.now)
    if pruned:
        log.debug("log_pruned", region=region.name, count=pruned)
    return int(pruned == _BATCH)
