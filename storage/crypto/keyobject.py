"""What a wrapped key is bound to: the object that holds it, and whether a hold needs it."""

from typing import Final
from uuid import UUID

_KEY: Final = b"domicile key object "
_HOLD: Final = b"domicile held key object "


def key_context(key_id: UUID, *, hold: bool = False) -> bytes:
    """Return what binds the sealed bytes of a key object to its id. ``hold``: it is a hold key."""
    return (_HOLD if hold else _KEY) + key_id.bytes


def is_hold_key(context: bytes) -> bool:
    """Return whether a context is that of a hold key, which no key service gives away."""
    return context.startswith(_HOLD)
