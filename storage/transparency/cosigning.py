"""Has the witnesses of a region cosign its newest checkpoint, and keeps what they sign."""

from collections.abc import Mapping, Sequence
from functools import cache

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.errors import WitnessError
from storage.ports import Witness
from storage.region import OpenRegion
from storage.tlog.merkle import consistency_path
from storage.tlog.tree import stored_ranges
from storage.transparency.reading import reader
from storage.witnesses.gather import gather


def missing(region: OpenRegion, root: SignedRoot, *, required: bool) -> list[Witness]:
    """Return the witnesses that have not cosigned a checkpoint; only those that are required."""
    asked = [witness for witness in region.witnesses if witness.required or not required]
    if not asked:
        return []
    with region.catalog.begin() as connection:
        there = checkpoints.cosigned(connection, root.size)
    return [witness for witness in asked if witness.name not in there]


def cosign(
    region: OpenRegion, root: SignedRoot, witnesses: Sequence[Witness]
) -> Mapping[str, WitnessError]:
    """Ask witnesses to cosign a published checkpoint; return why each of the others did not.

    It was published before, so a witness never sees what a restored catalog would not find.
    """
    with region.catalog.begin() as connection:
        seen = {w.name: checkpoints.last_cosigned(connection, w.name) for w in witnesses}
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
