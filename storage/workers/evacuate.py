"""Evacuate: move what a tenant has at a company to which it objects.

What is there is replicated to another backend, read there, and only then purged, as when a backend
is emptied. A pack or day key that others share moves as a whole. Copies at a processor are asked
back. Once nothing is left it is looked for again every day, while the objection is in force.
"""

from datetime import datetime, timedelta

from structlog.typing import FilteringBoundLogger

from storage.catalog import copies, departures, objections
from storage.catalog.objections import InForce
from storage.objects.losses import losses_of
from storage.objects.places import run_by
from storage.policy import LEASE, WAITING
from storage.region import OpenRegion
from storage.workers.replicate import answering_backends
from storage.workers.vacate import move_off

BATCH = 256
_AGAIN = timedelta(days=1)
_TIME = timedelta(minutes=1)  # for one batch, so that the other duties are not delayed


def evacuate(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Move what is due, for a minute at most. Always return 0: the rest waits for later rounds."""
    begun = region.clock.now()
    while (now := region.clock.now()) - begun <= _TIME:
        with region.catalog.begin() as connection:
            found = objections.claim(connection, now, now + LEASE)
        if found is None:
            break
        full = _move(region, found, begun + _TIME)
        _look(region, found, log, full=full)
    return 0


def _move(region: OpenRegion, found: InForce, until: datetime) -> bool:
    """Ask back the copies, and move what can be moved now. Return whether there is more of it."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        backends = run_by(region, connection, [found.company])
        copies.ask_back(connection, found.tenant, found.company, now)
        there = objections.to_move(connection, found.tenant, backends, now, BATCH)
    answering = answering_backends(region) if there else set()
    for replica, object_id in there:
        if region.clock.now() > until:
            return True
        if not move_off(region, object_id, answering, backends):
            with region.catalog.begin() as connection:
                departures.move_later(connection, replica, region.clock.now() + WAITING)
    return len(there) == BATCH


def _look(region: OpenRegion, found: InForce, log: FilteringBoundLogger, *, full: bool) -> None:
    """Note what is left, and when to look again: at once after a ``full`` batch."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        backends = run_by(region, connection, [found.company])
        left = objections.count_left(connection, found, backends)
        gone = None if left else found.gone or now
        later = timedelta() if full else WAITING if left else _AGAIN
        objections.looked(connection, found, gone=gone, look_at=now + later)
        (lost,) = losses_of(region, connection, [found])
    if gone is not None and found.gone is None:
        how = "attested" if lost else "seen"
        log.info("objection_done", region=region.name, sub_processor=found.company, how=how)
