"""Manifests: an object to which records were moved says at its end which they are, and where.

A catalog that is restored from a backup knows them where they lay before. What a hold carried out
of its day comes with its whole rows, record keys too, under the hold key: the day key is destroyed.
Of what was only moved there is no key in it: with its row a record is closed for good.

The bytes of the records; the manifest, sealed; its length (8 bytes, big-endian); ``domicile``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.catalog.records import Row
from storage.catalog.relocation import MovedRecord
from storage.crypto.envelope import open_object, seal_object
from storage.errors import BackendError, Corrupt, KeyUnavailable
from storage.region import OpenRegion

_WHAT: Final = "manifest"
_END: Final = b"domicile"
_TAIL: Final = 8 + len(_END)
_PIECE: Final = 8 * 1024 * 1024


class Manifest(BaseModel):
    """What an object holds. ``bodies``: the SHA-256 of all that comes before this.

    ``rows`` of what is kept beyond its day, as they are to be; ``moved``: of anything else.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    format: Literal[1] = 1
    bodies: bytes
    rows: tuple[Row, ...] = Field(default=(), repr=False)
    moved: tuple[MovedRecord, ...] = Field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Whole:
    """An object that was read from its first byte to its last."""

    manifest: Manifest
    size: int
    digest: bytes


def ending(region: OpenRegion, object_id: UUID, manifest: Manifest) -> bytes:
    """What an object of that id has after the bytes of its records."""
    sealed = seal_object(
        manifest.model_dump_json().encode(),
        what=_WHAT,
        context=_context(object_id),
        roots=region.roots,
        entropy=region.entropy,
    )
    return sealed + len(sealed).to_bytes(8) + _END


def read_manifest(
    region: OpenRegion, object_id: UUID, at: Mapping[str, str], size: int
) -> Whole | None:
    """The object, from the first of its keys (with the backend of each) that gives it back whole.

    None: no backend does, or it has no manifest that can be opened.
    """
    for key, backend in at.items():
        try:
            return _read(region, object_id, key, backend, size)
        except (BackendError, Corrupt, KeyUnavailable):
            continue
    return None


def _read(region: OpenRegion, object_id: UUID, key: str, backend: str, size: int) -> Whole:
    """Two looks at its end, then all of it."""
    replica = region.backends[backend]
    tail = replica.get(key, max(size - _TAIL, 0), size)
    start = size - _TAIL - int.from_bytes(tail[:8])
    if tail[8:] != _END or start < 0:
        raise Corrupt("An object has no manifest.")
    manifest = _opened(region, object_id, replica.get(key, start, size - _TAIL))
    whole, bodies = hashlib.sha256(), hashlib.sha256()
    for at in range(0, size, _PIECE):
        piece = replica.get(key, at, min(at + _PIECE, size))
        whole.update(piece)
        bodies.update(piece[: max(start - at, 0)])
    if bodies.digest() != manifest.bodies:
        raise Corrupt("An object is not what its manifest says.")
    return Whole(manifest, size, whole.digest())


def _opened(region: OpenRegion, object_id: UUID, sealed: bytes) -> Manifest:
    text = open_object(sealed, what=_WHAT, context=_context(object_id), roots=region.roots)
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:  # it quotes the values
        manifest = None
    if manifest is None:
        raise Corrupt("A manifest is not of a format that this version reads.")
    return manifest


def _context(object_id: UUID) -> bytes:
    return b"domicile manifest " + object_id.bytes
