"""Receipts: every change to a receipt is detected."""

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import ReceiptInvalid
from storage.evidence.receipts import TYPE, claimed_type, sign, verify
from tests.support.receipt_tokens import (
    BASE64URL,
    ISSUED,
    KEY,
    OTHER,
    PAYLOAD,
    PUBLIC,
    RECEIPT,
    RECEIPTS,
    ROOT,
    TOKEN,
    TOKENS,
    alone,
    assert_invalid,
    assert_refused,
    b64,
    canonical,
    header,
    signed,
    unb64,
)

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


class TestTampering:
    def test_every_changed_character_is_seen(self) -> None:
        """Each character, replaced by each of these, makes it invalid."""
        for place, original in enumerate(TOKEN):
            for character in {"A", "~", ".", "é", chr(ord(original) ^ 1)} - {original}:
                assert_refused(TOKEN[:place] + character + TOKEN[place + 1 :])

    def test_every_changed_byte_is_seen(self) -> None:
        """Of header, root, signature, receipt and proof, whatever encodes them."""
        parts = TOKEN.replace("~", ".").split(".")
        for number, part in enumerate(parts):
            data = unb64(part)
            for place in range(len(data)):
                for bit in (1, 128):
                    flipped = bytearray(data)
                    flipped[place] ^= bit
                    changed = [*parts[:number], b64(bytes(flipped)), *parts[number + 1 :]]
                    jws, rest = ".".join(changed[:3]), "~".join(changed[3:])
                    assert_refused(f"{jws}~{rest}")

    def test_the_last_character_of_a_part_has_one_value(self) -> None:
        """Bits of base64url that decoders ignore are part of it too."""
        ends = [n for n, character in enumerate(TOKEN + ".") if character in ".~"]
        for end in ends:
            for character in set(BASE64URL) - {TOKEN[end - 1]}:
                assert_refused(TOKEN[: end - 1] + character + TOKEN[end:])

    def test_nothing_can_be_added_or_taken(self) -> None:
        """It is exact: no padding, no space, no part too many or too few."""
        for place in range(len(TOKEN)):
            assert_refused(TOKEN[:place])
            assert_refused(TOKEN[:place] + TOKEN[place + 1 :])
            assert_refused(TOKEN[:place] + "=" + TOKEN[place:])
        for more in ("=", "==", " ", "\n", ".", "~", "~~", "A", "\0", "~A"):
            assert_refused(TOKEN + more)
            assert_refused(more + TOKEN)

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_parts_of_two_receipts_do_not_mix(self, part: int) -> None:
        """Each has its own place, and none is in another batch."""
        others = [*TOKENS[1:], sign([RECEIPT, RECEIPTS[2]], KEY, issued_at=ISSUED)[0]]
        for other in others:
            parts = TOKEN.split("~")
            if parts[part] == other.split("~")[part]:
                continue
            parts[part] = other.split("~")[part]
            assert_invalid("~".join(parts))

    @given(st.text() | st.text(alphabet=BASE64URL + ".~="))
    def test_no_text_is_a_receipt(self, text: str) -> None:
        """Whatever the text, verifying raises ReceiptInvalid and nothing else."""
        assert_invalid(text)
        assert_invalid(f"{TOKEN.split('~')[0]}~{text}")

    @settings(max_examples=50)
    @given(st.binary(max_size=60))
    def test_no_signed_bytes_are_a_receipt(self, text: bytes) -> None:
        """Header, root, receipt and proof may be anything, also under the right key."""
        jws, receipt, proof = TOKEN.split("~")
        assert_invalid(alone(text))
        assert_invalid(f"{signed(text)}~{receipt}~{proof}")
        assert_invalid(f"{signed(canonical(ROOT), text)}~{receipt}~{proof}")
        assert_invalid(f"{jws}~{receipt}~{b64(text)}")

    @pytest.mark.parametrize("depth", [100, 100_000])
    def test_deep_json_is_no_receipt(self, depth: int) -> None:
        """Nesting that exhausts a parser is refused like the rest."""
        jws, receipt, proof = TOKEN.split("~")
        for deep in (b"[" * depth, b'{"alg":' + b"[" * depth):
            assert_invalid(alone(deep))
            assert_invalid(f"{signed(canonical(ROOT), deep)}~{receipt}~{proof}")
            assert_invalid(f"{signed(deep)}~{receipt}~{proof}")
            assert_invalid(f"{jws}~{receipt}~{b64(deep)}")


class TestRoot:
    def test_what_is_rightly_signed_is_valid(self) -> None:
        """So that the refusals below mean something."""
        assert verify(alone(canonical(PAYLOAD)), PUBLIC) == RECEIPT

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 1},
            {"format": 3},
            {"region": "us-east-1"},
            {"size": 0},
            {"size": 2},
            {"size": "1"},
            {"size": 1.0},
            {"size": True},
            {"root": "0" * 64},
            {"root": "x"},
            {"issued_at": "2026-01-06T11:00:00Z"},
            {"issued_at": "2026-01-06T11:00:02+00:00"},
            {"more": 1},
        ],
    )
    def test_a_root_that_does_not_fit(self, change: dict[str, object]) -> None:
        """Signed by the right key, and of another region, size, format or time than its receipt."""
        assert_invalid(alone(canonical(PAYLOAD), **change))

    @pytest.mark.parametrize(
        "proof",
        [
            {"index": 1, "path": []},
            {"index": -1, "path": []},
            {"index": 0.0, "path": []},
            {"index": False, "path": []},
            {"index": 0},
            {"path": []},
            {"index": 0, "path": ["0"]},
            {"index": 0, "path": ["0" * 64]},
            {"index": 0, "path": [], "more": 1},
            {"index": 0, "path": {}},
            {"index": 0, "path": None},
        ],
    )
    def test_a_proof_that_does_not_fit(self, proof: dict[str, object]) -> None:
        """Another place, a path too long, or no proof at all."""
        jws, receipt, _ = alone(canonical(PAYLOAD)).split("~")

        assert_invalid(f"{jws}~{receipt}~{b64(canonical(proof))}")

    def test_a_path_in_capitals(self) -> None:
        """A hash has one form."""
        jws, receipt, proof = TOKEN.split("~")

        assert_invalid(f"{jws}~{receipt}~{b64(unb64(proof).replace(b'a', b'A'))}")

    @pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256", "Ed25519", "eddsa", ""])
    def test_another_algorithm(self, algorithm: str) -> None:
        """A header that names any other algorithm is refused, whatever signed it."""
        _, receipt, proof = TOKEN.split("~")
        head = header(alg=algorithm)
        message = f"{b64(head)}.{b64(canonical(ROOT))}"

        assert_invalid(f"{signed(canonical(ROOT), head)}~{receipt}~{proof}")
        assert_invalid(f"{message}.~{receipt}~{proof}")

    @pytest.mark.parametrize(
        "change",
        [
            {"typ": None},
            {"typ": "JWT"},
            {"typ": "domicile-receipt+jwt"},
            {"kid": None},
            {"kid": 7},
            {"jwk": {}},
            {"crit": []},
            {"crit": ["b64"], "b64": False},
            {"x": 1},
        ],
    )
    def test_another_header(self, change: dict[str, object]) -> None:
        """What our key signed for something else is no receipt, and a header has three fields."""
        _, receipt, proof = TOKEN.split("~")

        assert_invalid(f"{signed(canonical(ROOT), header(**change))}~{receipt}~{proof}")

    def test_another_key(self) -> None:
        """A root signed with another key under the id of ours is invalid."""
        _, receipt, proof = TOKEN.split("~")

        assert_invalid(f"{signed(canonical(ROOT), key=OTHER)}~{receipt}~{proof}")
        with pytest.raises(ReceiptInvalid, match="not known"):
            verify(TOKEN, {"another": PUBLIC})

    def test_the_root_alone_is_no_receipt(self) -> None:
        """Nor is a receipt without its root, signed alone."""
        assert_invalid(TOKEN.split("~")[0])
        assert_invalid(signed(canonical(PAYLOAD), header(typ="domicile-receipt+jwt")))


def test_what_a_text_claims_to_be() -> None:
    """A damaged receipt is one still; the token of another program is none."""
    other = jwt.encode({"sub": "x"}, "k" * 32)
    deep = b64(b"[" * 100_000)

    assert {claimed_type(text) for text in (TOKEN, TOKEN[:-9], TOKEN.split("~")[0])} == {TYPE}
    assert {claimed_type(text) for text in ("", "x.y.z", "ä", "\0", other, deep)} == {None}
