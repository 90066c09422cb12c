"""Retire: do at once what the duties do to empty one backend, and return how far it is."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from storage.catalog import departures, storages
from storage.catalog.departures import Departure
from storage.errors import Unavailable
from storage.objects.keyring import KeyRing
from storage.policy import may_retire
from storage.region import OpenRegion
from storage.text import plural
from storage.workers.loop import duties

_DUTIES = ("reap", "replicate", "vacate", "purge")


def retire(
    region: OpenRegion,
    keys: KeyRing,
    backend: str,
    log: FilteringBoundLogger,
    *,
    tell: Callable[[int], None],
) -> Departure:
    """Empty a backend as far as it can be now. Repeat it to continue; workers do the same.

    ``tell`` is called with the number of replicas that are purged. Raises RetirementRefused, and
    Unavailable if something is left.
    """
    may_retire(region.region, backend, region.standings()).demand()
    todo = [duty for duty in duties(region, keys, log) if duty.name in _DUTIES]
    before = None
    while True:
        for duty in todo:
            while duty.piece():
                pass
        with region.catalog.begin() as connection:
            known = departures.latest(connection, backend)
            left = departures.count_left(connection, backend)
            lost = backend not in storages.known(connection)
            lost = lost and backend in storages.last_losses(connection)
        if known is not None:
            tell(known.replicas)
        if known is not None and known.token is not None and not left:
            return known
        if (known, left) == before:
            raise _unfinished(backend, left, lost=lost)
        before = known, left


def _unfinished(backend: str, left: int, *, lost: bool) -> Unavailable:
    if lost:
        return Unavailable(
            f"The storage of {backend} is lost, and it has no other: nothing can be listed there.",
            advice="Make an empty directory (domicile init) or bucket for it, which its entry "
            "names. Then run this command again.",
        )
    if not left:
        return Unavailable(
            f"{backend} has bytes that no row of the catalog knows.",
            advice="A scrub purges them after their grace time: domicile scrub --backend "
            f"{backend}. Then run this command again.",
        )
    return Unavailable(
        f"{backend} still has {plural(left, 'replica')}.",
        advice="Workers go on. A write or a test of rights may still land there for "
        "longest_request_minutes, and keeps it open. To see how much is left: domicile status. "
        "Then run this command again.",
    )
