"""Several files of a log in one object, which can be read without the catalog."""

import pytest

from storage.errors import Corrupt
from storage.tlog.tiles import Tile, encode_bundle
from storage.transparency.packing import pack, unpack
from storage.transparency.pruning import edge_of
from storage.transparency.reading import narrowed

FILES = [
    (Tile("entries", 3, 2), encode_bundle([b"one", b"two"])),
    (Tile(0, 3, 2), bytes(64)),
    (Tile(1, 0, 3), bytes(range(96))),
]


def test_what_was_packed_is_found_by_its_path() -> None:
    """Each file, from where it is said to begin, byte for byte."""
    data, places = pack(FILES)

    assert unpack(data) == places
    for place, (tile, content) in zip(places, FILES, strict=True):
        assert (place.tile, data[place.start : place.start + place.length]) == (tile, content)


@pytest.mark.parametrize("cut", [0, 5, 21, 24, 30, -1, -106])
def test_a_damaged_object_is_refused(cut: int) -> None:
    """Recovery then tries another replica."""
    data, _ = pack(FILES)
    with pytest.raises(Corrupt):
        unpack(data[:cut] or b"something else")


def test_a_narrower_tile_is_the_beginning_of_a_wider_one() -> None:
    """So the wider one replaces it."""
    wide = Tile("entries", 3, 2)
    assert narrowed(FILES[0][1], wide, Tile("entries", 3, 1)) == encode_bundle([b"one"])
    assert narrowed(bytes(range(96)), Tile(1, 0, 3), Tile(1, 0, 2)) == bytes(range(64))


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        (0, []),
        (1, [Tile("entries", 0, 1), Tile(0, 0, 1)]),
        (256, [Tile(1, 0, 1)]),
        (70_000, [Tile("entries", 273, 112), Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]),
    ],
)
def test_the_edge_of_a_log_is_its_partial_tiles(size: int, edge: list[Tile]) -> None:
    """The last one is the example of the specification."""
    assert edge_of(size) == edge
