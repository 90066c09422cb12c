"""The rights that storing and deleting need, tried through the port itself."""

from storage.errors import BackendForbidden, BackendUnavailable, PurgeIncomplete
from storage.ports import Backend

_CANARY = b"A canary of Domicile: it is deleted again at once."


def exercise(backend: Backend, key: str, *, timeout: float) -> None:
    """Write, read, list, abort and delete on ``key``.

    Raises what ``Backend.probe`` says. When it returns, the backend shows nothing of the key.
    """
    backend.put(key, _CANARY, timeout=timeout)
    if backend.get(key) != _CANARY:
        raise BackendUnavailable(backend.name, "it gives back other bytes than it was given")
    if not backend.list_key(key):
        raise BackendUnavailable(backend.name, "it does not list what it has just stored")
    purged(backend, key)


def purged(backend: Backend, key: str) -> None:
    """Purge the key and look. Raises BackendForbidden or PurgeIncomplete if anything is left."""
    try:
        backend.purge(key)
    except PurgeIncomplete as error:
        if isinstance(error.__cause__, BackendForbidden):
            raise error.__cause__ from None
        raise
    if backend.list_key(key):
        raise PurgeIncomplete(backend.name, "a canary was deleted and is still listed")
