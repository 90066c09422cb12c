"""Try the rights that storing and deleting need, on each backend, with an announced key."""

from storage.catalog.kinds import ObjectKind
from storage.errors import BackendError, BackendFull, BackendTimeout, BackendUnavailable
from storage.objects.recognition import strangers
from storage.objects.write import Contents, announce
from storage.region import OpenRegion

_NO_ANSWER = (BackendUnavailable, BackendTimeout, BackendFull)


def try_rights(region: OpenRegion) -> list[BackendError]:
    """Use each right on the backends that take bytes today: nothing new goes to the others.

    Return the errors of those that do not answer. Raises the error of one that refuses.
    """
    down: list[BackendError] = []
    lawful = [name for name in region.lawful() if name in region.backends]
    for name, stranger in strangers(region, lawful).items():
        if not isinstance(stranger, _NO_ANSWER):
            raise stranger
        down.append(stranger)
        lawful.remove(name)
    if not lawful:
        return down
    with region.catalog.begin() as connection:
        canary = announce(region, connection, Contents(ObjectKind.CANARY), lawful)
    try:
        for replica in canary.replicas:
            try:
                region.backends[replica.backend].probe(replica.key)
            except _NO_ANSWER as error:
                down.append(error)
    finally:
        canary.abandon()
    return down
