"""Recognize the storage (directory or bucket) of a backend by the identity that the catalog knows.

Nothing that is absent from other storage was deleted from the right one. So before a listing is
believed, or anything is written, the storage must be the one in which this catalog stored before.
"""

from collections.abc import Iterable
from uuid import UUID

from storage.catalog import identities
from storage.errors import BackendError, BackendReplaced
from storage.region import OpenRegion


def strangers(region: OpenRegion, names: Iterable[str]) -> dict[str, BackendError]:
    """Return the errors of the backends that do not answer, or have other storage than before.

    Storage that is used for the first time gets an identity.
    """
    with region.catalog.begin() as connection:
        known = identities.known(connection)
    failed: dict[str, BackendError] = {}
    for name in names:
        try:
            _recognize(region, name, known.get(name))
        except BackendError as error:
            failed[name] = error
    return failed


def _recognize(region: OpenRegion, name: str, known: UUID | None) -> None:
    backend, timeout = region.backends[name], region.limits.attempt
    found = backend.identity(timeout=timeout)
    if known is None:
        # the catalog first: two processes that begin at once give one identity
        own = UUID(bytes=region.entropy(16))
        with region.catalog.begin() as connection:
            known = identities.choose(connection, name, found or own)
        if found is None:
            backend.identify(known, timeout=timeout)
            found = backend.identity(timeout=timeout)
        if found == known:
            with region.catalog.begin() as connection:
                identities.confirm(connection, name)
    if found != known:
        raise BackendReplaced(name)
