"""A positive control for listings: what was just left on a backend must be listed.

A listing in which something is missing looks like the listing of a backend where it is gone. So
before a pass of the purge queue believes that anything is absent from a backend, it leaves one item
of each kind there, announced like any write, and lists it at the end with the same call. If an item
is not listed, nothing was seen absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from storage.catalog import purges
from storage.catalog.kinds import ObjectKind
from storage.catalog.objects import Replica
from storage.errors import BackendError, BackendUnavailable, PurgeIncomplete
from storage.objects.recognition import strangers
from storage.objects.transfer import time_left
from storage.objects.write import Contents, Write, abandon, announce
from storage.ports import ItemKind
from storage.region import OpenRegion

UNLISTED = "ControlUnlisted"
"""The error code for a backend that does not list its control."""


@dataclass(frozen=True, slots=True)
class Control:
    """An announced object of which each backend should list ``kinds``.

    ``failed``: error codes of backends that did not take it.
    """

    write: Write
    kinds: dict[str, frozenset[ItemKind]]
    failed: dict[str, str]

    @property
    def id(self) -> UUID:
        """The id of the object."""
        return self.write.id


def plant(region: OpenRegion, backends: Sequence[str]) -> Control:
    """Leave a control on each of these backends.

    Its storage must be the one that the catalog knows: other storage lists the control too. It is
    recognized while the control lies there, so it is the one that is listed.
    """
    with region.catalog.begin() as connection:
        lasts = region.limits.attempt * len(backends)  # one after another
        write = announce(region, connection, Contents(ObjectKind.CANARY), backends, lasts=lasts)
    control = Control(write, {}, {})
    for replica in write.replicas:
        name = replica.backend
        try:
            timeout = min(time_left(region, name, write.until), region.limits.attempt)
            control.kinds[name] = region.backends[name].plant(replica.key, timeout=timeout)
        except BackendError as error:
            control.failed[name] = error.code
    for name, stranger in strangers(region, list(control.kinds)).items():
        control.failed[name] = stranger.code
    return control


def check(region: OpenRegion, control: Control, *, scan: bool = False) -> dict[str, str | None]:
    """List the control everywhere; return an error code by backend, None if it is listed.

    ``scan``: with the call that lists many keys. The control is then purged by the queue.
    """
    found: dict[str, str | None] = dict(control.failed)
    try:
        for replica in control.write.replicas:
            if replica.backend not in control.failed:
                found[replica.backend] = _listed(region, control, replica, scan=scan)
    finally:
        _abandon(region, control)
    return found


def is_alone(region: OpenRegion, backend: str) -> bool:
    """Return whether a listing of the whole backend shows a control, and nothing else.

    The control is purged at once. Raises BackendError if it cannot be left, listed or purged.
    """
    planted = plant(region, [backend])
    (replica,), kinds, others = planted.write.replicas, set[ItemKind](), False
    try:
        if backend in planted.failed:
            raise BackendUnavailable(backend, f"it takes no control: {planted.failed[backend]}")
        for item in region.backends[backend].scan():
            if item.key != replica.key:
                others = True
                break
            kinds.add(item.kind)
    finally:
        _abandon(region, planted)
    _discard(region, replica)
    if not others and not kinds >= planted.kinds[backend]:
        raise BackendUnavailable(backend, "its listing lacks its control")
    return not others


def leave_and_purge(region: OpenRegion, backends: Sequence[str]) -> None:
    """Leave a control on each backend, list it, purge it, and see it absent.

    Raises BackendError. The queue then purges what is left.
    """
    planted = plant(region, backends)
    for backend, failed in check(region, planted).items():
        if failed is not None:
            raise BackendUnavailable(backend, f"it does not list what was just stored: {failed}")
    for replica in planted.write.replicas:
        if not _discard(region, replica):
            raise PurgeIncomplete(replica.backend, "a canary is still listed after its deletion")


def _discard(region: OpenRegion, replica: Replica) -> bool:
    """Purge an abandoned control now, and return whether it is gone. If not, the queue goes on."""
    backend = region.backends[replica.backend]
    backend.purge(replica.key)
    looked = region.clock.now()
    if backend.list_key(replica.key):
        return False
    seen = region.visibility(replica.backend)
    with region.catalog.begin() as connection:
        purges.mark_gone(connection, replica, seen, looked, control=None)
    return True


def _abandon(region: OpenRegion, control: Control) -> None:
    """Mark the control for purge. What a backend has acknowledged cannot land any more."""
    landed = [r.id for r in control.write.replicas if r.backend in control.kinds]
    with region.catalog.begin() as connection:
        abandon(region, connection, control.id)
        purges.mark_landed(connection, landed, region.clock.now())


def _listed(region: OpenRegion, control: Control, replica: Replica, *, scan: bool) -> str | None:
    backend, key = region.backends[replica.backend], replica.key
    try:
        items = backend.scan(key) if scan else backend.list_key(key)
        listed = {item.kind for item in items if item.key == key}
    except BackendError as error:
        return error.code
    return None if listed >= control.kinds[replica.backend] else UNLISTED
