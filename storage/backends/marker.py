"""The marker of a backend's storage, a directory or bucket: whose it is, and its identity.

The catalog knows the identity, so other storage under the same name is not taken for it.
"""

from contextlib import suppress
from uuid import UUID

from storage.errors import BackendMisplaced

NAME = ".domicile"
LONGEST = 256  # bytes

_FIRST = "The files here are those of the Domicile backend"


def text(backend: str, identity: UUID | None = None) -> bytes:
    """Return the text for a backend."""
    lines = [_FIRST, backend, *([identity.hex] if identity else [])]
    return "".join(f"{line}\n" for line in lines).encode()


def read(backend: str, found: bytes) -> UUID | None:
    """Return the identity in a marker that was found. None: it has none yet.

    Raises BackendMisplaced if the marker is that of another backend, or damaged.
    """
    rest = found.removeprefix(text(backend))
    if not rest and found:
        return None
    with suppress(ValueError):
        identity = UUID(hex=rest.decode("ascii").rstrip("\n"))
        if found == text(backend, identity):
            return identity
    raise BackendMisplaced(backend, f"its storage has the {NAME} file of another backend")
