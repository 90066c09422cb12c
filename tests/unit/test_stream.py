import hashlib
import itertools
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.crypto.stream import CHUNK, TAG, Sealer, Span, chunk_span, open_range, sealed_size
from storage.errors import Corrupt, InvalidRequest

KEY = bytes(range(32))
AAD = b"what the record is"
SMALL = 16  # a chunk, so that a short body has many
SIZES = [0, 1, 15, 16, 17, 31, 32, 33, 48, 60]  # around the edges of such chunks
LARGE = os.urandom(3 * CHUNK + 5)


def seal(body: bytes, chunk: int = SMALL) -> bytes:
    """The whole body, sealed."""
    sealer = Sealer(KEY, AAD, chunk=chunk)
    return sealer.update(body) + sealer.finish()


def open_all(sealed: bytes, size: int, chunk: int = SMALL) -> bytes:
    """The whole body, opened."""
    return open_range(KEY, AAD, sealed, start=0, stop=size, size=size, chunk=chunk)


def assert_corrupt(sealed: bytes, size: int) -> None:
    """Opening it as a body of that size is refused."""
    with pytest.raises(Corrupt):
        open_all(sealed, size)


def pieces(sealed: bytes) -> list[bytes]:
    """The sealed chunks."""
    step = SMALL + TAG
    return [sealed[at : at + step] for at in range(0, len(sealed), step)]


def known_vectors() -> dict[str, Any]:
    """What an earlier version sealed."""
    path = Path(__file__).with_name("vectors") / "stream.json"
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def test_is_the_checked_in_vector() -> None:
    """What an earlier version sealed opens, and the same input gives the same bytes."""
    known = known_vectors()
    key, aad, chunk = bytes.fromhex(known["key"]), bytes.fromhex(known["aad"]), known["chunk"]
    for case in known["cases"]:
        body, sealed = bytes.fromhex(case["body"]), bytes.fromhex(case["sealed"])
        sealer = Sealer(key, aad, chunk=chunk)
        size = len(body)

        assert sealer.update(body) + sealer.finish() == sealed
        opened = open_range(key, aad, sealed, start=0, stop=size, size=size, chunk=chunk)
        assert opened == body


def test_the_default_chunk_is_the_checked_in_vector() -> None:
    """Chunks of 1 MiB are part of the format."""
    known = known_vectors()
    sealer = Sealer(bytes.fromhex(known["key"]), bytes.fromhex(known["aad"]))
    sealed = sealer.update(bytes(1 << 20) + b"!") + sealer.finish()

    assert len(sealed) == known["default_chunk"]["size_of_sealed"]
    assert hashlib.sha256(sealed).hexdigest() == known["default_chunk"]["sha256_of_sealed"]


@given(st.binary(max_size=80))
def test_is_stream_as_published(body: bytes) -> None:
    """Chunk i is AES-GCM under prefix, i and last flag, written here a second time."""
    parts = [body[at : at + SMALL] for at in range(0, len(body), SMALL)] or [b""]
    expected = b"".join(
        AESGCM(KEY).encrypt(bytes(7) + i.to_bytes(4) + bytes([i == len(parts) - 1]), part, AAD)
        for i, part in enumerate(parts)
    )

    assert seal(body) == expected


@given(st.lists(st.binary(max_size=70), max_size=8))
def test_any_split_gives_the_same_bytes(parts: list[bytes]) -> None:
    """How a body arrives does not matter, down to empty pieces."""
    sealer = Sealer(KEY, AAD, chunk=SMALL)
    sealed = b"".join([*map(sealer.update, parts), sealer.finish()])

    assert sealed == seal(b"".join(parts))


@pytest.mark.parametrize("size", SIZES)
def test_every_range_is_the_slice(size: int) -> None:
    """A range opened from the bytes of its span alone is that slice of the body."""
    body = bytes(range(size))
    sealed = seal(body)
    for start, stop in itertools.combinations_with_replacement(range(size + 1), 2):
        span = chunk_span(start, stop, size, chunk=SMALL)
        part = sealed[span.start : span.stop]

        opened = open_range(KEY, AAD, part, start=start, stop=stop, size=size, chunk=SMALL)

        assert opened == body[start:stop]


@pytest.mark.parametrize("size", SIZES)
def test_a_span_is_no_more_than_needed(size: int) -> None:
    """A span holds whole chunks, each with a byte of the range, and one if the range is empty."""
    total = sealed_size(size, chunk=SMALL)
    last = max(0, (size - 1) // SMALL)
    for start, stop in itertools.combinations_with_replacement(range(size + 1), 2):
        needed = [at // SMALL for at in range(start, stop)] or [min(start // SMALL, last)]
        first, end = needed[0], needed[-1] + 1

        span = chunk_span(start, stop, size, chunk=SMALL)

        assert span == Span(first * (SMALL + TAG), min(end * (SMALL + TAG), total), first)


@settings(deadline=None)  # megabytes, on a machine that may be busy
@given(st.data())
def test_any_range_of_whole_chunks_is_the_slice(data: st.DataObject) -> None:
    """The same for chunks of 1 MiB, where only the ends of a range are in the middle of one."""
    size = data.draw(st.integers(0, len(LARGE)))
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    span = chunk_span(start, stop, size)
    part = seal(LARGE[:size], CHUNK)[span.start : span.stop]

    assert open_range(KEY, AAD, part, start=start, stop=stop, size=size) == LARGE[start:stop]


@pytest.mark.parametrize("size", [0, CHUNK - 1, CHUNK, CHUNK + 1])
def test_the_boundaries_of_a_chunk(size: int) -> None:
    """Around 1 MiB: the sealed size is as computed, the body comes back, an empty one has a tag."""
    body = os.urandom(size)
    sealed = seal(body, CHUNK)

    assert len(sealed) == sealed_size(size)
    assert len(sealed) == size + TAG * (2 if size > CHUNK else 1)
    assert open_all(sealed, size, CHUNK) == body


def test_a_full_chunk_waits_for_what_follows() -> None:
    """Only the end tells which chunk is the last: a full one is not sealed before."""
    sealer = Sealer(KEY, AAD, chunk=SMALL)

    assert sealer.update(bytes(SMALL)) == b""
    assert len(sealer.update(b"\0")) == SMALL + TAG
    assert len(sealer.finish()) == 1 + TAG


@pytest.mark.parametrize("size", [0, 5, 16, 40])
def test_every_flipped_bit_is_seen(size: int) -> None:
    """No bit of a sealed stream can change."""
    sealed = seal(bytes(size))
    number = int.from_bytes(sealed)
    for bit in range(8 * len(sealed)):
        assert_corrupt((number ^ 1 << bit).to_bytes(len(sealed)), size)


@given(st.binary(min_size=17, max_size=100), st.data())
def test_a_flipped_bit_in_a_range_is_seen(body: bytes, data: st.DataObject) -> None:
    """Every chunk that a range touches is verified whole, not only the bytes that are asked for."""
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, len(body)))
    span = chunk_span(start, stop, len(body), chunk=SMALL)
    part = bytearray(seal(body)[span.start : span.stop])
    part[data.draw(st.integers(0, len(part) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Corrupt):
        open_range(KEY, AAD, bytes(part), start=start, stop=stop, size=len(body), chunk=SMALL)


@pytest.mark.parametrize("size", [0, 16, 32, 40])
def test_every_truncation_and_extension_is_seen(size: int) -> None:
    """A stream that ends anywhere else is corrupt."""
    sealed = seal(bytes(size))
    for stop in range(len(sealed)):
        assert_corrupt(sealed[:stop], size)
    for more in (b"\0", sealed, pieces(sealed)[-1]):
        assert_corrupt(sealed + more, size)


def test_a_wrong_size_in_the_catalog_is_seen() -> None:
    """Ends at a chunk's edge, with a size that agrees, fail too: the last chunk says it is last."""
    sealed = seal(bytes(48))
    for size in (0, 15, 16, 31, 32, 47, 49, 63, 64):
        assert_corrupt(sealed[: sealed_size(size, chunk=SMALL)], size)

    assert_corrupt(seal(bytes(32)) + seal(bytes(48))[64:80], 33)


@given(st.permutations(range(4)))
def test_every_reordering_is_seen(order: list[int]) -> None:
    """Chunks open in their own order only, also where all hold the same bytes."""
    sealed = seal(bytes(64))
    turned = b"".join(pieces(sealed)[number] for number in order)
    if order == [0, 1, 2, 3]:
        assert open_all(turned, 64) == bytes(64)
    else:
        assert_corrupt(turned, 64)


def test_a_chunk_taken_out_or_put_in_twice_is_seen() -> None:
    """A stream with a chunk too few or too many is corrupt, even if the size agrees."""
    one, two, three, last = pieces(seal(bytes(64)))

    assert_corrupt(one + two + last, 48)
    assert_corrupt(two + three + last, 48)
    assert_corrupt(one + two + two + three + last, 80)


def test_a_chunk_of_another_stream_is_seen() -> None:
    """A chunk of another record, or of the same under another key, does not fit."""
    mine = pieces(seal(bytes(64)))
    for key, aad in ((KEY, b"another record"), (bytes(32), AAD)):
        sealer = Sealer(key, aad, chunk=SMALL)
        other = pieces(sealer.update(bytes(64)) + sealer.finish())
        for place in range(4):
            assert_corrupt(b"".join([*mine[:place], other[place], *mine[place + 1 :]]), 64)


def test_a_range_is_not_moved() -> None:
    """The right bytes of another range of the same stream are refused."""
    sealed = seal(bytes(64))
    span = chunk_span(16, 32, 64, chunk=SMALL)
    with pytest.raises(Corrupt):
        open_range(
            KEY, AAD, sealed[span.start : span.stop], start=32, stop=48, size=64, chunk=SMALL
        )


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, 11), (11, 11)])
def test_a_range_outside_is_refused(start: int, stop: int) -> None:
    """A range has to lie inside the body: nothing is guessed or cut."""
    with pytest.raises(InvalidRequest):
        chunk_span(start, stop, 10)


def test_memory_is_constant() -> None:
    """64 MiB go through in the memory of a few chunks."""
    part = bytes(1 << 18)
    sealer = Sealer(KEY, AAD)
    tracemalloc.start()
    try:
        total = sum(len(sealer.update(part)) for _ in range(256)) + len(sealer.finish())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert total == sealed_size(64 << 20)
    assert peak < 6 << 20


def test_a_finished_stream_takes_nothing_more() -> None:
    """A second end would use a nonce again; it is refused."""
    sealer = Sealer(KEY, AAD)
    sealer.finish()
    with pytest.raises(ValueError, match="finished"):
        sealer.update(b"")
    with pytest.raises(ValueError, match="finished"):
        sealer.finish()


def test_a_failure_never_leads_to_the_same_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """If sealing a chunk fails, going on gives a stream that does not open, not a nonce twice."""
    used: list[bytes] = []

    class Failing:
        def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            used.append(nonce)
            if len(used) == 1:
                raise MemoryError
            return b""

    sealer = Sealer(KEY, AAD, chunk=SMALL)
    monkeypatch.setattr(sealer, "_cipher", Failing())
    with pytest.raises(MemoryError):
        sealer.update(bytes(20))
    sealer.update(bytes(20))
    sealer.finish()

    assert len(set(used)) == len(used)
