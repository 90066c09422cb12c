"""Recognize the storage (directory or bucket) of a backend by the identity that the catalog knows.

Nothing that is absent from other storage was deleted from the right one. So before a listing is
believed, or anything is written, the storage must be the one in which this catalog stored before.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import storages
from storage.errors import (
    BackendError,
    BackendReplaced,
    BackendUnavailable,
    CatalogUnavailable,
    InvalidRequest,
)
from storage.model import Loss
from storage.region import OpenRegion


def strangers(
    region: OpenRegion, names: Iterable[str], *, giving: bool = True
) -> dict[str, BackendError]:
    """Return the errors of the backends that do not answer, or have other storage than before.

    ``giving``: storage that is used for the first time gets an identity. Otherwise it passes.
    """
    with region.catalog.begin() as connection:
        known = storages.known(connection)
    failed: dict[str, BackendError] = {}
    for name in names:
        if name not in known and not giving:
            continue
        try:
            _recognize(region, name, known.get(name))
        except BackendError as error:
            failed[name] = error
    return failed


def recognize(region: OpenRegion, name: str) -> None:
    """Recognize the storage of a backend, unless this process has done so. Call it before a write.

    Raises BackendReplaced, and BackendUnavailable if the backend or the catalog does not answer.
    """
    if region.backends[name].recognized is not None:
        return
    try:
        stranger = strangers(region, [name]).get(name)
    except CatalogUnavailable as error:
        message = "its storage is not recognized yet: the catalog does not answer"
        raise BackendUnavailable(name, message) from error
    if stranger is not None:
        raise stranger


def reconsider(region: OpenRegion, connection: Connection, names: Iterable[str]) -> None:
    """Recognize storage anew that was said to be lost. Call it when something is announced.

    A process that runs on would else go on writing to it: it may not be lost for everybody.
    """
    known = storages.known(connection)
    for name in names:
        backend = region.backends.get(name)
        if backend is not None and backend.recognized not in (None, known.get(name)):
            backend.recognized = None


def _recognize(region: OpenRegion, name: str, known: UUID | None) -> None:
    backend, timeout = region.backends[name], region.limits.attempt
    found = backend.identity(timeout=timeout)
    if known is None:
        # the catalog first: two processes that begin at once give one identity
        own = UUID(bytes=region.entropy(16))
        with region.catalog.begin() as connection:
            known = storages.choose(connection, name, found or own)
        if found is None and known is not None:
            backend.identify(known, timeout=timeout)
            found = backend.identity(timeout=timeout)
        if found is not None and found == known:
            with region.catalog.begin() as connection:
                storages.confirm(connection, name, region.clock.now())
    if found is None or found != known:
        raise BackendReplaced(name)
    backend.expect(known)


def attest_loss(region: OpenRegion, name: str, *, actor: str, document: str) -> None:
    """Note that the storage of a backend is lost: nobody can read it, or write it, ever again.

    ``document``: the SHA-256 of what says so. Other storage may then take its place. Nothing that
    was in the former is ever seen absent: of that, receipts say ``attested``.

    Raises InvalidRequest if the storage is there, its loss is noted already, or the catalog never
    stored in the backend.
    """
    with region.catalog.begin() as connection:
        known = storages.known(connection).get(name)
    with suppress(BackendError):
        found = region.backends[name].identity(timeout=region.limits.attempt)
        if found is not None and found == known:
            raise InvalidRequest(
                f"The storage of {name} is not lost: it answers with its identity.",
                advice="To leave it: retires = true, and domicile backend retire",
            )
    with region.catalog.begin() as connection:
        now = region.clock.now()
        noted = storages.note_loss(connection, name, now, actor=actor, document=document)
        former = [one for one in storages.losses(connection) if one.backend == name]
    if not noted:
        raise _nothing_to_lose(name, former)


def _nothing_to_lose(name: str, former: Sequence[Loss]) -> InvalidRequest:
    if not former:
        return InvalidRequest(
            f"This catalog never stored anything in {name}.", advice="See: domicile region list"
        )
    last = former[-1]
    return InvalidRequest(
        f"The storage of {name} was noted as lost on {last.lost:%Y-%m-%d} by {last.actor}, and "
        "nothing has been stored in other storage since.",
        advice="Give it new storage (domicile init, or a bucket), restart every process, and run: "
        "domicile scrub",
    )
