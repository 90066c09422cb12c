"""Objects of the log on the backends of a restored catalog, whether it knows them or not."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import checkpoints, finishing, objects
from storage.catalog.checkpoints import Range
from storage.catalog.kinds import ObjectKind, ObjectState, numbered
from storage.catalog.objects import NewObject
from storage.crypto.log import open_openings
from storage.errors import BackendError, Corrupt, KeyAbsent, KeyUnavailable
from storage.objects.places import shared
from storage.ports import ItemKind
from storage.recovery.reconcile import name_of
from storage.region import OpenRegion
from storage.tlog.commitments import Opening
from storage.tlog.tiles import Tile
from storage.tlog.tree import Several
from storage.transparency.packing import unpack
from storage.transparency.reading import narrowed, several


@dataclass(frozen=True, slots=True)
class Found:
    """An object of the log on the backends: its keys there, each with its backend."""

    id: UUID
    kind: ObjectKind
    number: int
    at: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A found object, and what one of its replicas contains."""

    found: Found
    data: bytes


def scan(
    region: OpenRegion, kind: ObjectKind, after: int, names: Collection[str], silent: set[str]
) -> list[Found]:
    """Return the objects of a kind with a number above ``after``, by number.

    A backend that does not answer is added to ``silent``.
    """
    found: dict[UUID, Found] = {}
    for name in names:
        try:
            # a tilde comes after all that a key of that number may contain
            for trace in region.backends[name].scan(f"{kind}/", after=f"{kind}/{numbered(after)}~"):
                said = name_of(trace.key)
                number = said.number if said is not None else None
                if said is not None and number is not None and trace.kind is ItemKind.OBJECT:
                    new = Found(said.object_id, kind, number)
                    found.setdefault(said.object_id, new).at[trace.key] = name
        except BackendError:
            silent.add(name)
    return sorted(found.values(), key=lambda each: (each.number, each.id))


def replicas(region: OpenRegion, found: Found, silent: set[str]) -> list[Loaded]:
    """Read every replica of an object that can be read."""
    loaded = []
    for key, name in found.at.items():
        try:
            loaded.append(Loaded(found, region.backends[name].get(key)))
        except KeyAbsent:
            continue
        except BackendError:
            silent.add(name)
    return loaded


def first_openings(
    region: OpenRegion, found: Found, silent: set[str]
) -> tuple[Loaded, list[Opening]] | None:
    """Return the texts of an object from the first replica that is as it was written."""
    for each in replicas(region, found, silent):
        try:
            return each, open_openings(each.data, found.id, region.roots)
        except (Corrupt, KeyUnavailable):
            continue
    return None


def first_tiles(region: OpenRegion, found: Found, silent: set[str]) -> Loaded | None:
    """Return an object with tiles from the first replica that is as it was written."""
    for each in replicas(region, found, silent):
        try:
            unpack(each.data)
        except Corrupt:
            continue
        return each
    return None


def several_with(region: OpenRegion, loaded: Collection[Loaded]) -> Several:
    """Return a function that reads what tiles may be: in these objects, or as the catalog says.

    A process that died may have sent others for the same place, before its catalog was restored.
    """
    found: dict[tuple[object, int], list[tuple[Tile, bytes]]] = {}
    for each in loaded:
        for tile, content in contents(each):
            found.setdefault((tile.level, tile.index), []).append((tile, content))
    known = several(region)

    def read(path: str) -> list[bytes]:
        wanted = Tile.parse(path)
        there = found.get((wanted.level, wanted.index), [])
        may_be = [
            narrowed(data, tile, wanted) for tile, data in there if tile.width >= wanted.width
        ]
        try:
            may_be += known(path)
        except FileNotFoundError:
            if not may_be:
                raise
        return list(dict.fromkeys(may_be))

    return read


def contents(loaded: Loaded) -> list[tuple[Tile, bytes]]:
    """Return the tiles in an object, each with its bytes."""
    places = unpack(loaded.data)
    return [(p.tile, loaded.data[p.start : p.start + p.length]) for p in places]


def adopt(region: OpenRegion, connection: Connection, loaded: Loaded) -> None:
    """Insert an object that the catalog lacks. The replicate worker adds missing replicas."""
    found, now = loaded.found, region.clock.now()
    state = checkpoints.known_objects(connection, [found.id]).get(found.id)
    if state not in (None, ObjectState.WRITING):
        return
    new = NewObject(found.id, found.kind, None, None, shared(region), now, now, number=found.number)
    objects.adopt(connection, new, found.at, now)
    digest = hashlib.sha256(loaded.data).digest()
    finishing.finish(connection, found.id, len(loaded.data), digest, replicate_at=now)
    if found.kind is ObjectKind.LOG_TILES:
        places = unpack(loaded.data)
        ranges = [Range(p.tile, found.id, p.start, p.length) for p in places]
        checkpoints.add_tiles(connection, ranges)
