"""Duties of the log: seal what nobody waits for, have it cosigned, and forget what is over."""

from structlog.typing import FilteringBoundLogger

from storage.catalog import checkpoints
from storage.errors import CatalogUnavailable, Unavailable
from storage.region import OpenRegion
from storage.transparency.cosigning import cosign, missing
from storage.transparency.pruning import prune
from storage.transparency.sequencer import Sequencer
from storage.workers.due import cutoffs

_BATCH = 1000


def seal(region: OpenRegion, sequencer: Sequencer, log: FilteringBoundLogger) -> int:
    """Put a batch of lines into a checkpoint. When none is left, have the newest one cosigned."""
    with region.catalog.begin() as connection:
        waiting = checkpoints.has_work(connection)
    try:
        sealed = sequencer.seal() if waiting else None
    except CatalogUnavailable:
        raise
    except Unavailable as error:  # the lines are kept, and the next round goes on
        log.warning("log_postponed", region=region.name, error=error.code)
        return 0
    if sealed is not None:
        log.debug("log_sealed", region=region.name, size=sealed.root.size)
        return 1
    if region.witnesses:
        _cosign(region, log)
    return 0


def _cosign(region: OpenRegion, log: FilteringBoundLogger) -> None:
    """Ask every witness that has not cosigned the newest checkpoint."""
    with region.catalog.begin() as connection:
        root = checkpoints.published(connection)
    wanted = missing(region, root, required=False) if root is not None else []
    failed = cosign(region, root, wanted) if root is not None and wanted else {}
    for name, error in failed.items():
        log.warning("not_cosigned", region=region.name, witness=name, error=error.code)


def prune_log(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Forget a batch of texts, and mark objects of the log for purge that nobody needs."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        pruned = prune(connection, at.log, at.now)
    if pruned:
        log.debug("log_pruned", region=region.name, count=pruned)
    return int(pruned == _BATCH)
