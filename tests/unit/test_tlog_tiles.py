"""How a log is cut into files: the examples of the specification, and hostile names and bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.tlog.tiles import Tile, decode_bundle, encode_bundle, may_go, tiles_of, width_of

PATHS = {
    Tile(0, 0): "tile/0/000",
    Tile(0, 5, 17): "tile/0/005.p/17",
    Tile(63, 999): "tile/63/999",
    Tile(1, 1000): "tile/1/x001/000",
    Tile("entries", 1234067): "tile/entries/x001/x234/067",
    Tile("entries", 1234067, 1): "tile/entries/x001/x234/067.p/1",
}


@pytest.mark.parametrize("tile", PATHS, ids=PATHS.get)
def test_paths_are_those_of_the_specification(tile: Tile) -> None:
    """And are read as they are written."""
    assert tile.path == PATHS[tile]
    assert Tile.parse(PATHS[tile]) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/64/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0661\u0661\u0661",
        "tile/0/" + "x999/" * 9000 + "999",
        "tile/../checkpoint",
        "checkpoint",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    """One tile has one path."""
    with pytest.raises(ValueError, match="not the path of a tile"):
        Tile.parse(path)


def test_the_tiles_of_70000_entries() -> None:
    """The example of the specification."""
    tiles = list(tiles_of(70_000))
    at = {level: [t for t in tiles if t.level == level] for level in ("entries", 0, 1, 2)}

    assert [len(at[level]) for level in at] == [274, 274, 2, 1]
    assert sum(len(some) for some in at.values()) == len(tiles)
    assert [t.width for t in at[0] if t.width < 256] == [112]
    assert [t.width for t in at["entries"] if t.width < 256] == [112]
    assert [t.width for t in at[1]] == [256, 17]
    assert [t.width for t in at[2]] == [1]


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/entries/000.p/1", "tile/0/000.p/1"]),
        (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]),
    ],
)
def test_the_tiles_of_small_logs(size: int, paths: list[str]) -> None:
    """An empty tile is not written."""
    assert [tile.path for tile in tiles_of(size)] == paths


@given(st.integers(0, 2**20), st.sampled_from([0, 1, 2]))
def test_each_level_has_the_hashes_of_full_tiles_below(size: int, level: int) -> None:
    """``floor(s / 256**l) mod 256`` in the partial tile."""
    index = size // 256 ** (level + 1)

    assert width_of(level, index, size) == size // 256**level % 256
    assert width_of(level, index + 1, size) == 0


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_has_what_was_put_in(entries: list[bytes]) -> None:
    """And no other bundle has the same entries."""
    data = encode_bundle(entries)

    assert decode_bundle(data) == entries
    assert encode_bundle(decode_bundle(data)) == data


@pytest.mark.parametrize("data", [b"\0", b"\0\1", b"\0\0\0", b"\xff\xffabc", b"\0\1a\0\2b"])
def test_a_bundle_that_ends_within_an_entry_is_refused(data: bytes) -> None:
    """Whatever lengths it claims."""
    with pytest.raises(ValueError, match="within an entry"):
        decode_bundle(data)


def test_an_entry_has_at_most_65535_bytes() -> None:
    """The length of a longer one would not fit."""
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(ValueError, match="65,535"):
        encode_bundle([b"", bytes(65_536)])


@pytest.mark.parametrize(
    ("path", "size", "minimum", "goes"),
    [
        ("tile/0/000", 600, 255, False),
        ("tile/0/000", 600, 256, True),
        ("tile/entries/001", 600, 511, False),
        ("tile/entries/001", 600, 512, True),
        ("tile/1/000", 70_000, 65_535, False),
        ("tile/1/000", 70_000, 65_536, True),
        ("tile/0/000.p/7", 255, 255, False),
        ("tile/0/000.p/7", 256, 0, True),
        ("tile/entries/002.p/88", 600, 600, False),
        ("tile/1/000.p/3", 65_535, 65_535, False),
        ("tile/1/000.p/3", 65_536, 0, True),
    ],
)
def test_what_may_go(path: str, size: int, minimum: int, *, goes: bool) -> None:
    """What is full goes by the minimum, what is partial once the full one is there."""
    assert may_go(Tile.parse(path), size, minimum) == goes


@pytest.mark.parametrize("minimum", [-1, 11])
def test_a_minimum_outside_of_the_log_is_refused(minimum: int) -> None:
    """A log that promises what it does not have."""
    with pytest.raises(ValueError, match="minimum"):
        may_go(Tile(0, 0), 10, minimum)
