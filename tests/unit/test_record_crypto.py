import itertools
import json
import os
import threading
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from storage.crypto import record, stream
from storage.errors import Corrupt, DomicileError, InvalidRequest, KeyUnavailable, MetadataTooLarge
from storage.model import DataClass, RecordId

KEY = bytes(range(32))
AAD = b"what the record is"
NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
ID = RecordId(DataClass.PROMPT, "eu-central-1", NOW, date(2026, 2, 4), bytes(range(16)))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def vector(name: str) -> dict[str, Any]:
    """A vector that is checked in: what was sealed once has to open for as long as it is kept."""
    path = Path(__file__).with_name("vectors") / f"{name}.json"
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def flips(data: bytes) -> list[bytes]:
    """The data with each single bit flipped."""
    number, size = int.from_bytes(data), len(data)
    return [(number ^ 1 << bit).to_bytes(size) for bit in range(8 * size)]


def test_new_key_takes_its_bytes_from_the_given_randomness() -> None:
    """A key is 32 bytes of the given source, and a source that gives less is refused."""
    assert record.new_key(lambda size: KEY[:size]) == KEY
    with pytest.raises(ValueError, match="too few"):
        record.new_key(lambda _: b"short")


class TestKeyWrap:
    def test_is_rfc_3394(self) -> None:
        """Wrapping gives the published vector for a 256-bit key under a 256-bit key."""
        known = vector("key_wrap")
        kek, key, wrapped = (bytes.fromhex(known[name]) for name in ("kek", "key", "wrapped"))

        assert record.wrap_key(kek, key) == wrapped
        assert record.unwrap_key(kek, wrapped) == key
        assert len(wrapped) == record.WRAPPED_SIZE

    def test_every_flipped_bit_is_seen(self) -> None:
        """A wrapped key with one bit changed is unavailable, never another key."""
        for broken in flips(record.wrap_key(KEY, bytes(32))):
            with pytest.raises(KeyUnavailable):
                record.unwrap_key(KEY, broken)

    @pytest.mark.parametrize("size", [16, 24, 40])
    def test_a_wrong_size_is_seen(self, size: int) -> None:
        """A key of another size is unavailable, also where RFC 3394 would unwrap it."""
        for wrapped in (aes_key_wrap(KEY, bytes(size)), bytes(size - 1), b""):
            with pytest.raises(KeyUnavailable):
                record.unwrap_key(KEY, wrapped)

    def test_another_day_key_opens_nothing(self) -> None:
        """The key of another day does not unwrap, nor does one of the wrong size."""
        wrapped = record.wrap_key(KEY, bytes(32))
        for kek in (bytes(32), KEY[:16], b""):
            with pytest.raises(KeyUnavailable):
                record.unwrap_key(kek, wrapped)

    def test_a_key_of_the_wrong_size_is_not_wrapped(self) -> None:
        """AES-128 keys, which RFC 3394 would take, are refused on either side."""
        for kek, key in ((KEY[:16], KEY), (KEY, KEY[:16])):
            with pytest.raises(ValueError, match="32 bytes"):
                record.wrap_key(kek, key)


class TestAssociated:
    def test_is_the_checked_in_vector(self) -> None:
        """The bytes that bind a ciphertext to its record do not change between versions."""
        known = vector("body")

        assert record.associated(ID, "acme-eu").hex() == known["aad"]
        file = replace(ID, data_class=DataClass.FINE_TUNING_FILE, day=None)
        assert record.associated(file, "acme-eu").hex() == known["aad_without_day"]

    def test_binds_unique_day_class_and_tenant(self) -> None:
        """Two records that differ in any of these have different associated data."""
        others = [
            record.associated(replace(ID, unique=bytes(16)), "t"),
            record.associated(replace(ID, day=date(2026, 2, 5)), "t"),
            record.associated(replace(ID, day=None), "t"),
            record.associated(replace(ID, data_class=DataClass.COMPLETION), "t"),
            record.associated(ID, "u"),
            record.associated(ID, "t"),
        ]

        assert len(set(others)) == len(others)

    def test_does_not_bind_what_two_mintings_may_differ_in(self) -> None:
        """The same idempotency key minted later, or elsewhere, names the same ciphertext."""
        other = replace(ID, minted=NOW.replace(hour=11), region="us-east-1")

        assert record.associated(other, "t") == record.associated(ID, "t")

    @given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
    def test_framing_tells_any_two_lists_apart(self, one: list[bytes], other: list[bytes]) -> None:
        """What one part ends with cannot be read as what the next begins with."""
        assert (record.framed(*one) == record.framed(*other)) == (one == other)


class TestBody:
    @given(st.binary(max_size=3000) | st.text(max_size=50).map(lambda text: text.encode() * 50))
    def test_opens_to_what_was_sealed(self, body: bytes) -> None:
        """Any body comes back, and sealing adds at most 17 bytes."""
        sealed = record.seal_body(KEY, body, AAD)

        assert record.open_body(KEY, sealed, AAD, len(body)) == body
        assert len(sealed) <= len(body) + 17

    @pytest.mark.parametrize("name", ["empty", "stored", "compressed"])
    def test_vectors_open(self, name: str) -> None:
        """What was sealed by an earlier version opens."""
        known = vector("body")
        case = next(case for case in known["cases"] if case["name"] == name)
        body, sealed = bytes.fromhex(case["body"]), bytes.fromhex(case["sealed"])
        key, aad = bytes.fromhex(known["key"]), bytes.fromhex(known["aad"])

        assert record.open_body(key, sealed, aad, len(body)) == body

    @pytest.mark.parametrize("name", ["empty", "stored"])
    def test_vectors_are_sealed_again(self, name: str) -> None:
        """Sealing is deterministic, but where zstd had a say: its next release may do better."""
        known = vector("body")
        case = next(case for case in known["cases"] if case["name"] == name)
        key, aad = bytes.fromhex(known["key"]), bytes.fromhex(known["aad"])

        assert record.seal_body(key, bytes.fromhex(case["body"]), aad).hex() == case["sealed"]

    def test_is_compressed_only_if_that_helps(self) -> None:
        """Text shrinks; what does not shrink is stored as it is, one byte and a tag longer."""
        noise = os.urandom(4096)

        assert len(record.seal_body(KEY, b"residency " * 400, AAD)) < 100
        assert len(record.seal_body(KEY, noise, AAD)) == 4096 + 17

    @pytest.mark.parametrize("body", [b"", b"stored as it is", b"compressed " * 20])
    def test_every_flipped_bit_is_seen(self, body: bytes) -> None:
        """No bit of a sealed body can change."""
        for broken in flips(record.seal_body(KEY, body, AAD)):
            with pytest.raises(Corrupt):
                record.open_body(KEY, broken, AAD, len(body))

    def test_every_truncation_is_seen(self) -> None:
        """A sealed body that ends early, or goes on, is corrupt."""
        sealed = record.seal_body(KEY, b"a body", AAD)
        for broken in [*(sealed[:stop] for stop in range(len(sealed))), sealed + b"\0"]:
            with pytest.raises(Corrupt):
                record.open_body(KEY, broken, AAD, 6)

    @pytest.mark.parametrize("body", [b"stored as it is", b"compressed " * 20])
    @pytest.mark.parametrize("wrong", [-1, 1])
    def test_a_wrong_size_is_seen(self, body: bytes, wrong: int) -> None:
        """A body is what the catalog says, or corrupt."""
        sealed = record.seal_body(KEY, body, AAD)
        with pytest.raises(Corrupt):
            record.open_body(KEY, sealed, AAD, len(body) + wrong)

    def test_another_key_or_record_is_seen(self) -> None:
        """A body opens under its own key and associated data only."""
        sealed = record.seal_body(KEY, b"a body", AAD)
        for key, aad in ((bytes(32), AAD), (KEY, b"")):
            with pytest.raises(Corrupt):
                record.open_body(key, sealed, aad, 6)

    @pytest.mark.parametrize("named", [True, False])
    def test_no_bomb_goes_off(self, named: bool) -> None:  # noqa: FBT001 - a parameter of the table
        """A frame of 64 MiB in 2 KiB is refused before it is unpacked, size named or not."""
        frame = ZstdCompressor(write_content_size=named).compress(bytes(64 << 20))
        bomb = AESGCM(KEY).encrypt(record._BODY_NONCE, b"\1" + frame, AAD)
        tracemalloc.start()
        try:
            with pytest.raises(Corrupt):
                record.open_body(KEY, bomb, AAD, 2048)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert peak < 1 << 20

    def test_what_follows_a_frame_is_seen(self) -> None:
        """Bytes hidden behind a frame make the body corrupt."""
        frame = ZstdCompressor().compress(b"a body")
        sealed = AESGCM(KEY).encrypt(record._BODY_NONCE, b"\1" + frame + b"more", AAD)
        with pytest.raises(Corrupt):
            record.open_body(KEY, sealed, AAD, 6)

    @pytest.mark.parametrize("plain", [b"", b"\1", b"\1no frame", b"\2body", b"\xff"])
    def test_an_unknown_format_is_seen(self, plain: bytes) -> None:
        """Sealed bytes of no known format are corrupt, also when their tag is right."""
        sealed = AESGCM(KEY).encrypt(record._BODY_NONCE, plain, AAD)
        for size in range(5):
            with pytest.raises(Corrupt):
                record.open_body(KEY, sealed, AAD, size)

    def test_many_threads_do_not_mix_bodies(self) -> None:
        """Compressors are not shared: every thread gets its own body back."""
        bodies = [os.urandom(16) * (200 + number) for number in range(16)]
        gate = threading.Barrier(len(bodies))

        def turn(body: bytes) -> bool:
            gate.wait()
            seals = (record.seal_body(KEY, body, AAD) for _ in range(200))
            return all(record.open_body(KEY, s, AAD, len(body)) == body for s in seals)

        with ThreadPoolExecutor(len(bodies)) as pool:
            assert all(pool.map(turn, bodies))


class TestMetadata:
    @given(st.dictionaries(st.text(max_size=10), JSON, max_size=4))
    def test_opens_to_what_was_sealed(self, metadata: dict[str, object]) -> None:
        """Metadata comes back as it was, whatever the order of its keys."""
        sealed = record.seal_metadata(KEY, metadata, AAD)
        turned = dict(reversed(metadata.items()))

        assert record.open_metadata(KEY, sealed, AAD) == metadata
        assert record.seal_metadata(KEY, turned, AAD) == sealed

    def test_is_the_checked_in_vector(self) -> None:
        """Canonical JSON and its seal do not change between versions."""
        known = vector("metadata")
        key, aad = bytes.fromhex(known["key"]), bytes.fromhex(known["aad"])
        sealed = record.seal_metadata(key, known["metadata"], aad)

        assert sealed.hex() == known["sealed"]
        assert record.open_metadata(key, sealed, aad) == known["metadata"]

    def test_the_limit_is_in_bytes(self) -> None:
        """4096 bytes of JSON are taken, 4097 are not; an umlaut counts twice."""
        room = 4096 - len('{"k":""}')

        record.seal_metadata(KEY, {"k": "x" * room}, AAD)
        for value in ("x" * (room + 1), "ü" * (room // 2 + 1)):
            with pytest.raises(MetadataTooLarge):
                record.seal_metadata(KEY, {"k": value}, AAD)

    def test_the_depth_is_bounded(self) -> None:
        """Nesting that a reader deeper in its stack could not parse is never sealed."""
        deep: object = "x"
        for _ in range(record.METADATA_DEPTH - 1):
            deep = [deep]

        record.seal_metadata(KEY, {"k": deep}, AAD)
        with pytest.raises(InvalidRequest):
            record.seal_metadata(KEY, {"k": [deep]}, AAD)

    @pytest.mark.parametrize(
        "bad",
        [
            {"secret-name": b"secret-value"},
            {"secret-name": ("secret-value",)},
            {"secret-name": {"secret-value"}},
            {"secret-name": NOW},
            {"secret-name": float("nan")},
            {"secret-name": [float("inf")]},
            {"secret-name": "secret-value\ud800"},
            {"secret-name\ud800": "secret-value"},
            {"secret-name": {1: "secret-value"}},
            {"secret-name": {None: "secret-value"}},
            {"secret-name": 10**5000},
            {"secret-name": "secret-value" * 400},
        ],
    )
    def test_a_refusal_shows_nothing(self, bad: dict[str, object]) -> None:
        """What JSON cannot give back is refused, and nothing in the error names it."""
        with pytest.raises(InvalidRequest) as caught:
            record.seal_metadata(KEY, bad, AAD)

        error = caught.value
        assert error.__cause__ is None
        assert error.__context__ is None
        assert "secret-" not in f"{error} {error!r} {vars(error)}"
        trace = traceback.TracebackException.from_exception(error)
        assert "secret-" not in "".join(trace.format_exception_only())

    def test_itself_inside_itself_is_refused(self) -> None:
        """Metadata that holds itself ends in a refusal, not in an endless loop."""
        loop: dict[str, object] = {}
        loop["loop"] = loop
        with pytest.raises(InvalidRequest):
            record.seal_metadata(KEY, loop, AAD)

    def test_every_flipped_bit_is_seen(self) -> None:
        """No bit of sealed metadata can change."""
        for broken in flips(record.seal_metadata(KEY, {"model": "m-1"}, AAD)):
            with pytest.raises(Corrupt):
                record.open_metadata(KEY, broken, AAD)

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff"])
    def test_what_is_no_metadata_is_corrupt(self, text: bytes) -> None:
        """Sealed bytes that are no JSON dictionary are corrupt, also when their tag is right."""
        sealed = AESGCM(KEY).encrypt(record._METADATA_NONCE, text, AAD)
        with pytest.raises(Corrupt):
            record.open_metadata(KEY, sealed, AAD)


class TestParts:
    def test_no_part_opens_as_another(self) -> None:
        """Body, metadata and stream of one record are sealed under one key, and stay apart."""
        body = record.seal_body(KEY, b"{}", AAD)
        metadata = record.seal_metadata(KEY, {}, AAD)
        sealer = stream.Sealer(KEY, AAD)
        streamed = sealer.update(b"{}") + sealer.finish()

        for sealed in (metadata, streamed):
            with pytest.raises(Corrupt):
                record.open_body(KEY, sealed, AAD, 2)
        for sealed in (body, streamed):
            with pytest.raises(Corrupt):
                record.open_metadata(KEY, sealed, AAD)
        for sealed in (body, metadata):
            with pytest.raises(Corrupt):
                stream.open_range(KEY, AAD, sealed, start=0, stop=2, size=2)

    def test_no_nonce_is_used_twice(self) -> None:
        """The nonces of body, metadata and any chunk differ: none is used twice."""
        ends = itertools.product((0, 1, 2**32 - 1), (False, True))
        chunks = [stream._nonce(number, last=last) for number, last in ends]
        nonces = [record._BODY_NONCE, record._METADATA_NONCE, *chunks]

        assert len(set(nonces)) == len(nonces)
        assert {len(nonce) for nonce in nonces} == {12}
        assert all(nonce.startswith(bytes(7)) for nonce in chunks)
        assert not any(nonce.startswith(b"\0") for nonce in nonces[:2])


class TestFingerprint:
    def test_is_the_checked_in_vector(self) -> None:
        """A stored fingerprint is comparable for as long as its record is kept."""
        known = vector("fingerprint")
        parts = [bytes.fromhex(part) for part in known["parts"]]

        fingerprint = record.fingerprint(bytes.fromhex(known["key"]), parts)

        assert fingerprint.hex() == known["fingerprint"]
        assert len(fingerprint) == 16

    @given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
    def test_tells_any_two_contents_apart(self, one: list[bytes], other: list[bytes]) -> None:
        """Equal parts, equal fingerprint; moved by a byte from part to part, another one."""
        same = record.fingerprint(KEY, one) == record.fingerprint(KEY, other)

        assert same == (one == other)

    def test_is_worthless_without_the_key(self) -> None:
        """The same content under two record keys has unrelated fingerprints."""
        assert record.fingerprint(KEY, [b"x"]) != record.fingerprint(bytes(32), [b"x"])


def test_errors_keep_the_cause_but_show_no_key() -> None:
    """The error of the cryptographic library stays as the cause, and quotes nothing."""
    secret = b"secret-secret-secret-secret-secr"
    sealed = record.seal_body(secret, b"secret body", AAD)
    with pytest.raises(DomicileError) as caught:
        record.open_body(secret, sealed[:-1], AAD, 11)

    assert caught.value.__cause__ is not None
    text = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert str(secret) not in text
