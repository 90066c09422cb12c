"""Has the witnesses of a region cosign its newest checkpoint, and keeps what they sign."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.errors import WitnessError
from storage.ports import Witness
from storage.region import OpenRegion
from storage.tlog.merkle import consistency_path
from storage.tlog.tree import stored_ranges
from storage.tlog.verifiers import Verifier
from storage.tlog.witnessing import is_cosigned
from storage.transparency.reading import reader
from storage.witnesses.gather import gather


def missing(region: OpenRegion, root: SignedRoot, *, required: bool) -> list[Witness]:
    """Return the witnesses that have not cosigned a checkpoint; only those that are required."""
    asked = [witness for witness in region.witnesses if witness.required or not required]
    if not asked:
        return []
    with region.catalog.begin() as connection:
        there = cosigned(region, connection, root)
    return [witness for witness in asked if witness.name not in there]


def cosigned(region: OpenRegion, connection: Connection, root: SignedRoot) -> dict[str, str]:
    """Return the cosignatures below a checkpoint, by the names of the region's witnesses.

    Each is verified again: any login to the catalog can add a row.
    """
    keys = {spec.name: Verifier.parse(spec.key) for spec in region.region.witnesses}
    found: dict[str, str] = {}
    for name, lines in checkpoints.cosigned(connection, root.size).items():
        for line in lines:
            if name in keys and is_cosigned(root.note, line, keys[name]):
                found.setdefault(name, line)
    return found


def cosign(
    region: OpenRegion, root: SignedRoot, witnesses: Sequence[Witness]
) -> Mapping[str, WitnessError]:
    """Ask witnesses to cosign a published checkpoint; return why each of the others did not.

    It was published before, so a witness never sees what a restored catalog would not find.
    """
    with region.catalog.begin() as connection:
        last = {w.name: checkpoints.last_cosigned(connection, w.name) for w in witnesses}
    seen = {name: size for name, size in last.items() if size <= root.size}
    ranges = stored_ranges(reader(region), root.size)

    @cache
    def path_from(size: int) -> Sequence[bytes]:
        return consistency_path(ranges, size, root.size)

    found = gather(witnesses, root.note, path_from, seen, region.pool)
    lines = found.checkpoint.removeprefix(root.note).splitlines(keepends=True)
    with region.catalog.begin() as connection:
        for name, line in zip(found.cosigned, lines, strict=True):
            now = region.clock.now()
            checkpoints.add_cosignature(connection, root.size, name, line, now)
    return found.failed
