"""A whole log is verified from its files, by our code and by a second verifier."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import LogInvalid
from storage.tlog.checkpoints import Checkpoint, Trust
from storage.tlog.tiles import Tile, may_go
from storage.tlog.verification import read_log, verify_log
from tests.support import foreign_log
from tests.support.foreign_log import Wrong
from tests.support.logs import LOG, ORIGIN, TRUST, WITNESSES, MemoryLog, numbered

VKEYS = (str(LOG), str(WITNESSES[0]))


def outcome(log: MemoryLog, old: Checkpoint | None = None) -> str | None:
    """Return what is wrong with a log, None if nothing is."""
    try:
        verify_log(log.read, TRUST, old=old)
    except LogInvalid as error:
        return str(error)
    return None


@given(st.lists(st.integers(0, 300), max_size=4), st.data())
def test_a_log_that_only_grew_verifies(sizes: list[int], data: st.DataObject) -> None:
    """From each of its checkpoints on, and it has the entries that were appended, in order."""
    log, old = MemoryLog().grow([]), list[Checkpoint]()
    for size in sizes:
        old.append(log.checkpoint)
        log.grow(numbered(log.edge.size, log.edge.size + size))
    for each in (*old, log.checkpoint, None):
        assert verify_log(log.read, TRUST, old=each).checkpoint == log.checkpoint
    bundles = list(read_log(log.read, log.checkpoint))

    assert [entry for _, some in bundles for entry in some] == numbered(0, sum(sizes))
    assert [start for start, _ in bundles] == list(range(0, sum(sizes), 256))


def flips(data: bytes, step: int) -> range:
    """Return the places at which a byte is changed: all in a small file."""
    return range(0, len(data), step if len(data) > 1000 else 1)


def test_every_changed_byte_is_found() -> None:
    """In any file. In large ones every 41st is tried; ``deep`` tries all."""
    _change_bytes(41)


@pytest.mark.deep
def test_every_single_changed_byte_is_found() -> None:
    """All of them."""
    _change_bytes(1)


def _change_bytes(step: int) -> None:
    log = MemoryLog().grow(numbered(0, 258))
    assert len(log.files) == 6
    for path, good in list(log.files.items()):
        for at in flips(good, step):
            log.files[path] = good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :]
            assert outcome(log), (path, at)
        for cut in (good[:-1], good + b"\0", b"", good + good):
            log.files[path] = cut
            assert outcome(log), path
        del log.files[path]
        assert "missing" in str(outcome(log)) or path == "checkpoint"
        assert outcome(log)
        log.files[path] = good
    assert outcome(log) is None


def test_what_is_wrong_is_named() -> None:
    """The entry, or the tile, and what to do."""
    log = MemoryLog().grow(numbered(0, 70_000))
    for path, at, named in (
        ("tile/entries/001", 3, "Entry 256 "),
        ("tile/entries/273.p/112", -1, "Entry 69999 "),
        ("tile/0/005", 40, "tile/0/005 "),
        ("tile/1/000", 40, "tile/1/000 "),
        ("tile/2/000.p/1", 0, "right edge"),
        ("tile/0/273.p/112", 0, "right edge"),
    ):
        good = log.files[path]
        changed = bytearray(good)
        changed[at] ^= 1
        log.files[path] = bytes(changed)
        assert named in str(outcome(log))
        assert "Get it again" in str(outcome(log))
        log.files[path] = good


def test_a_large_log_is_read_in_small_parts() -> None:
    """One file at a time, each once, and never more than one bundle ahead of who reads."""
    log = MemoryLog().grow(numbered(0, 70_000))
    log.reads, most = 0, 0
    for n, _ in enumerate(read_log(log.read, log.checkpoint)):
        most = max(most, log.reads - 2 * n)

    assert log.reads == len(log.files) - 1
    assert most <= 8


def relogged(entries: list[bytes], origin: str = ORIGIN) -> Callable[[], MemoryLog]:
    """Return how to make a log of these entries that its key signed."""
    return lambda: MemoryLog(origin).grow(entries)


BEFORE = numbered(0, 300)
HISTORIES = {
    "truncated": (relogged(BEFORE[:299]), "truncated: it has 299 entries, and had 300"),
    "emptied": (relogged([]), "truncated"),
    "rewritten at the same size": (relogged([b"x", *BEFORE[1:]]), "forked: its first 300"),
    "reordered": (relogged([BEFORE[1], BEFORE[0], *BEFORE[2:]]), "forked"),
    "forked": (relogged([*BEFORE[:-1], *numbered(400, 500)]), "forked: its first 300"),
    "forked at the start": (relogged([b"x", *BEFORE, *numbered(0, 999)]), "forked"),
    "another log": (relogged(numbered(0, 400), "other.example"), "another log"),
}


@pytest.mark.parametrize(("make", "match"), HISTORIES.values(), ids=HISTORIES)
def test_what_became_of_the_past(make: Callable[[], MemoryLog], match: str, tmp_path: Path) -> None:
    """Each is told from the others, though each alone is in order. The second verifier agrees."""
    old, new = MemoryLog().grow(BEFORE).checkpoint, make()
    trust = TRUST if new.origin == ORIGIN else None
    folder = new.export(tmp_path)
    if trust:
        verify_log(new.read, trust)
        foreign_log.verify(folder, VKEYS)
    with pytest.raises(LogInvalid, match=match):
        verify_log(new.read, TRUST, old=old)
    with pytest.raises(Wrong, match=r"not the same log|signed"):
        foreign_log.verify(folder, VKEYS, (old.origin, old.size, old.root))


def test_a_reader_that_answers_twice_does_not_hide_a_fork() -> None:
    """It shows the tiles of the fork, and those of the old log when the past is looked at."""
    old, fork = MemoryLog().grow(BEFORE), MemoryLog().grow([*BEFORE[:-1], *numbered(400, 500)])
    asked: set[str] = set()

    def read(path: str) -> bytes:
        again = path in asked
        asked.add(path)
        return old.read(path) if again and path in old.files else fork.read(path)

    with pytest.raises(LogInvalid, match="forked"):
        verify_log(read, TRUST, old=old.checkpoint)


def test_a_second_verifier_agrees(tmp_path: Path) -> None:
    """On a log that grew three times: what it is now, and that it continues what it was."""
    log, old = MemoryLog(), list[Checkpoint]()
    for size in (1, 255, 256, 300):
        log.grow([*numbered(log.edge.size, log.edge.size + size - 1), b""])
        old.append(log.checkpoint)
    folder = log.export(tmp_path)
    now = (log.origin, log.edge.size, log.edge.root)

    assert foreign_log.verify(folder, VKEYS) == now
    for each in old:
        assert foreign_log.verify(folder, VKEYS, (each.origin, each.size, each.root)) == now


def test_a_second_verifier_finds_the_same_changes(tmp_path: Path) -> None:
    """Byte by byte, where there are few; both refuse each."""
    log = MemoryLog().grow(numbered(0, 3))
    folder = log.export(tmp_path)
    for path, good in list(log.files.items()):
        for at in range(len(good)):
            log.files[path] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
            (folder / path).write_bytes(log.files[path])
            assert outcome(log)
            with pytest.raises((Wrong, ValueError)):
                foreign_log.verify(folder, VKEYS)
        log.files[path] = good
        (folder / path).write_bytes(good)
    assert foreign_log.verify(folder, VKEYS)


@given(st.integers(0, 1000))
def test_a_pruned_log_verifies_from_its_minimum(minimum: int) -> None:
    """And a change of what is left is found; what is gone is missed without the minimum."""
    whole = MemoryLog().grow(numbered(0, 700)).grow(numbered(700, 1000))
    kept = {
        path: data
        for path, data in whole.files.items()
        if path == "checkpoint" or not may_go(Tile.parse(path), 1000, minimum)
    }
    log = MemoryLog(edge=whole.edge, files=kept)
    entries = [e for _, some in read_log(log.read, log.checkpoint, minimum=minimum) for e in some]

    assert entries == numbered(min(minimum // 256 * 256, 768), 1000)
    verify_log(log.read, TRUST, minimum=minimum, old=whole.checkpoint)
    if minimum >= 256:
        assert "missing" in str(outcome(log))


def test_a_past_that_was_pruned_cannot_be_shown() -> None:
    """It is not called a fork, and not passed over."""
    old, log = MemoryLog().grow(BEFORE), MemoryLog().grow(numbered(0, 1000))

    verify_log(log.read, TRUST, old=old.checkpoint, minimum=300)
    with pytest.raises(LogInvalid, match="no longer has what would show its state at 300"):
        verify_log(log.read, TRUST, old=old.checkpoint, minimum=301)


@pytest.mark.parametrize("minimum", [-1, 301])
def test_a_log_cannot_begin_outside_of_itself(minimum: int) -> None:
    """Else nothing at all would be verified."""
    log = MemoryLog().grow(BEFORE)

    with pytest.raises(LogInvalid, match="cannot begin"):
        verify_log(log.read, TRUST, minimum=minimum)


def test_a_log_needs_its_witnesses() -> None:
    """As many as whoever verifies requires."""
    log = MemoryLog().grow(BEFORE)

    with pytest.raises(LogInvalid, match="2 are required"):
        verify_log(log.read, Trust((LOG,), WITNESSES, 2))


def test_a_log_without_a_checkpoint() -> None:
    """Nothing is known of it."""
    with pytest.raises(LogInvalid, match="no checkpoint"):
        verify_log(MemoryLog().read, TRUST)
