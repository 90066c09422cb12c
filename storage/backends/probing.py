"""Probe a backend: use each right that storing and deleting need, through the port."""

from storage.errors import BackendForbidden, BackendUnavailable, PurgeIncomplete
from storage.ports import Backend

CONTROL = b"A control of Domicile: it must be listed until it is deleted."

_CANARY = b"A canary of Domicile: it is deleted again at once."


def exercise(backend: Backend, key: str, *, timeout: float) -> None:
    """Write, read, list and delete ``key``.

    Raises what ``Backend.probe`` raises. After a normal return the backend lists nothing of the
    key.
    """
    backend.put(key, _CANARY, timeout=timeout)
    if backend.get(key) != _CANARY:
        raise BackendUnavailable(backend.name, "it returns other bytes than were stored")
    if not backend.list_key(key):
        raise BackendUnavailable(backend.name, "it does not list an object that it just stored")
    purged(backend, key)


def purged(backend: Backend, key: str) -> None:
    """Purge the key and list it. Raises BackendForbidden or PurgeIncomplete if an item is left."""
    try:
        backend.purge(key)
    except PurgeIncomplete as error:
        if isinstance(error.__cause__, BackendForbidden):
            raise error.__cause__ from None
        raise
    if backend.list_key(key):
        raise PurgeIncomplete(backend.name, "a canary is still listed after its deletion")
