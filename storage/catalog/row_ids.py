"""Ids of rows and keys, which sort by time (RFC 9562, version 7)."""

from datetime import UTC, datetime
from uuid import UUID


def new_id(now: datetime, entropy: bytes) -> UUID:
    """Return an id that sorts by time (RFC 9562, version 7), made of 10 random bytes."""
    milliseconds = int(now.timestamp() * 1000).to_bytes(6)
    raw = bytearray(milliseconds + entropy[:10])
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def made(number: UUID) -> datetime:
    """Return when an id was made: see ``new_id``."""
    return datetime.fromtimestamp(int.from_bytes(number.bytes[:6]) / 1000, UTC)
