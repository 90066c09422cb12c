"""Manifests: an object to which records were relocated ends with a list of them.

A catalog that is restored from an older backup still points to where the records were before, and
finds them again with the manifest. For held records it contains whole rows with their record keys,
wrapped by the hold key, because the day key is destroyed. For compacted records it contains no
keys: a record whose row is deleted cannot be opened again.

Layout: the bodies; the sealed manifest; its length (8 bytes, big-endian); ``domicile``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.catalog.records import Row
from storage.catalog.relocation import RelocatedRecord
from storage.crypto.envelope import open_object, seal_object
from storage.errors import BackendError, Corrupt, InvalidRequest, KeyUnavailable
from storage.objects.transfer import read_pieces
from storage.region import OpenRegion

_WHAT: Final = "manifest"
_END: Final = b"domicile"
_TAIL: Final = 8 + len(_END)


class Manifest(BaseModel):
    """The contents of an object. ``bodies``: the SHA-256 of the bytes before the manifest.

    ``rows``: those of held records, as they are after the move. ``moved``: any other records.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    format: Literal[1] = 1
    bodies: bytes
    rows: tuple[Row, ...] = Field(default=(), repr=False)
    moved: tuple[RelocatedRecord, ...] = Field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Whole:
    """An object that was read completely."""

    manifest: Manifest
    size: int
    digest: bytes


def ending(region: OpenRegion, object_id: UUID, manifest: Manifest) -> bytes:
    """Return the bytes that follow the bodies in the object of that id."""
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
    """Read an object from the first of its keys (each with its backend) that returns it whole.

    None: no backend does, or it has no manifest that can be opened.
    """
    for key, backend in at.items():
        try:
            return _read(region, object_id, key, backend, size)
        except (BackendError, Corrupt, KeyUnavailable):
            continue
    return None


def _read(region: OpenRegion, object_id: UUID, key: str, backend: str, size: int) -> Whole:
    """Read the end twice, to find the manifest, then the whole object."""
    replica = region.backends[backend]
    tail = replica.get(key, max(size - _TAIL, 0), size)
    start = size - _TAIL - int.from_bytes(tail[:8])
    if tail[8:] != _END or start < 0:
        raise Corrupt("An object has no manifest.")
    manifest = _opened(region, object_id, replica.get(key, start, size - _TAIL))
    whole, bodies = hashlib.sha256(), hashlib.sha256()
    at = 0
    for piece in read_pieces(replica, key, size):
        whole.update(piece)
        bodies.update(piece[: max(start - at, 0)])
        at += len(piece)
    if bodies.digest() != manifest.bodies:
        raise Corrupt("An object does not match its manifest.")
    return Whole(manifest, size, whole.digest())


def _opened(region: OpenRegion, object_id: UUID, sealed: bytes) -> Manifest:
    text = open_object(sealed, what=_WHAT, context=_context(object_id), roots=region.roots)
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, InvalidRequest):  # a message may contain the values
        manifest = None
    if manifest is None:
        raise Corrupt("A manifest has a format that this version cannot read.")
    return manifest


def _context(object_id: UUID) -> bytes:
    return b"domicile manifest " + object_id.bytes
