"""Receipts: many under one signature, each checked alone."""

import base64
import json
import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from storage.errors import ReceiptInvalid
from storage.evidence.keys import key_id
from storage.evidence.receipts import (
    TYPE,
    Acknowledgement,
    Deferral,
    Leaf,
    Receipt,
    sign,
    signer,
    verify,
)
from tests.support.receipt_verifier import read_receipt, tree_hash

VECTOR: dict[str, Any] = json.loads(
    Path(__file__).with_name("vectors").joinpath("receipt.json").read_text()
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR["seed"]))
PUBLIC = KEY.public_key()
KID = key_id(PUBLIC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ISSUED = datetime.fromisoformat(VECTOR["issued_at"])
TOKENS: list[str] = VECTOR["tokens"]
PAYLOADS: list[dict[str, Any]] = VECTOR["payloads"]
ROOT: dict[str, Any] = VECTOR["root"]
RECEIPTS = [Receipt.model_validate(payload) for payload in PAYLOADS]
RECEIPT, PAYLOAD, TOKEN = RECEIPTS[0], PAYLOADS[0], TOKENS[0]
BASE64URL = string.ascii_letters + string.digits + "-_"

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part: str) -> bytes:
    """Back again."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def canonical(value: object) -> bytes:
    """Canonical JSON, written here a second time."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def header(**changes: object) -> bytes:
    """A right header, with changes; None leaves a field out."""
    fields = {"alg": "EdDSA", "kid": KID, "typ": TYPE} | changes
    return canonical({name: value for name, value in fields.items() if value is not None})


def signed(root: bytes, head: bytes | None = None, key: Ed25519PrivateKey = KEY) -> str:
    """A JWS over any root, under the right key."""
    message = f"{b64(header() if head is None else head)}.{b64(root)}"
    return f"{message}.{b64(key.sign(message.encode()))}"


def alone(text: bytes, **root: object) -> str:
    """Any text, rightly signed as the only one of a tree; ``root`` changes what is signed."""
    said = ROOT | {"size": 1, "root": tree_hash([text]).hex()} | root
    return "~".join((signed(canonical(said)), b64(text), b64(canonical({"index": 0, "path": []}))))


def assert_invalid(token: str) -> None:
    """No key makes a receipt of the token, and the error says why."""
    for keys in (PUBLIC, {KID: PUBLIC}):
        with pytest.raises(ReceiptInvalid) as caught:
            verify(token, keys)
        assert caught.value.__cause__ is not None


def assert_refused(token: str) -> None:
    """The same where many are tried."""
    with pytest.raises(ReceiptInvalid):
        verify(token, PUBLIC)


class TestFormat:
    def test_is_the_checked_in_vector(self) -> None:
        """What was issued once verifies for good, and signing gives the same bytes."""
        keys = {KID: PUBLIC, key_id(OTHER.public_key()): OTHER.public_key()}

        assert sign(RECEIPTS, KEY, issued_at=ISSUED) == TOKENS
        assert [verify(token, PUBLIC) for token in TOKENS] == RECEIPTS
        assert [verify(token, keys) for token in TOKENS] == RECEIPTS
        assert {signer(token) for token in TOKENS} == {KID}

    def test_one_signature_for_all(self) -> None:
        """The first part is the same for every receipt of a batch."""
        assert len({token.split("~")[0] for token in TOKENS}) == 1

    def test_a_second_implementation_reads_what_we_sign(self) -> None:
        """Another JOSE library, and the tree of RFC 9162 written from its text."""
        key = OKPKey.import_key(VECTOR["public_key"]).as_dict(private=False)
        root = jose.deserialize_compact(
            TOKEN.split("~")[0], OKPKey.import_key(VECTOR["public_key"]), algorithms=["EdDSA"]
        )

        assert [read_receipt(token, {"keys": [key]}) for token in TOKENS] == PAYLOADS
        assert root.headers() == {"alg": "EdDSA", "kid": KID, "typ": "domicile-receipts+jwt"}
        assert json.loads(root.payload or b"") == ROOT

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
    def test_a_second_implementation_reads_any_batch(self, size: int) -> None:
        """Each receipt of a batch of any size, alone."""
        batch = [RECEIPT.model_copy(update={"deleted": n}) for n in range(size)]
        keys = {"keys": [OKPKey.import_key(VECTOR["public_key"]).as_dict(private=False)]}

        tokens = sign(batch, KEY, issued_at=ISSUED)

        assert [read_receipt(token, keys)["deleted"] for token in tokens] == [*range(size)]
        assert [verify(token, PUBLIC) for token in tokens] == batch

    def test_verifies_what_a_second_implementation_signs(self) -> None:
        """The same root signed by joserfc is the same first part."""
        raw = b64(PUBLIC.public_bytes_raw())
        key = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "x": raw, "d": b64(KEY.private_bytes_raw())}
        )
        root = ROOT | {"root": tree_hash([canonical(p) for p in PAYLOADS]).hex()}
        fields = {"alg": "EdDSA", "kid": KID, "typ": TYPE}
        token = jose.serialize_compact(fields, canonical(root), key, algorithms=["EdDSA"])

        assert token == TOKEN.split("~")[0]

    def test_can_be_mailed(self) -> None:
        """One line of ASCII without spaces, and nothing that a URL would have to escape."""
        assert set(TOKEN) <= set(BASE64URL + ".~")

    def test_says_the_same_in_any_time_zone(self) -> None:
        """Times are written in UTC, so one receipt has one form."""
        zone = timezone(timedelta(hours=9))
        moved = RECEIPT.model_dump() | {"requested": RECEIPT.requested.astimezone(zone)}
        batch = [Receipt.model_validate(moved), *RECEIPTS[1:]]

        assert sign(batch, KEY, issued_at=ISSUED.astimezone(zone)) == TOKENS

    def test_holds_nothing_but_what_is_listed(self) -> None:
        """The fields are these: no content, no pseudonym, no text of somebody's own."""
        expected = (
            "format erasure region tenant scope reason requested fenced unreadable_since "
            "absent_since last_key_copy_gone_by deleted leaves processors deferred issued_at"
        )

        assert " ".join(Receipt.model_fields) == expected
        assert (
            " ".join(Leaf.model_fields) == "object backend sub_processor how absent_at looked_for"
        )
        assert " ".join(Acknowledgement.model_fields) == "copy_id processor how at digest"
        assert " ".join(Deferral.model_fields) == "hold records since until"

    def test_says_nothing_of_the_others(self) -> None:
        """Of the other receipts of a batch it has hashes, over ids that nobody can guess."""
        hidden = [RECEIPTS[2].tenant, str(RECEIPTS[2].erasure)]
        told = b"".join(unb64(part) for part in TOKENS[0].replace("~", ".").split("."))

        assert not [word for word in hidden if word.encode() in told]


class TestSigning:
    @pytest.mark.parametrize(
        "batch",
        [
            [],
            [RECEIPT, RECEIPT.model_copy(update={"region": "us-east-1"})],
            [RECEIPT.model_copy(update={"issued_at": ISSUED + timedelta(seconds=1)})],
        ],
        ids=["empty", "two regions", "later"],
    )
    def test_a_batch_that_nobody_could_verify_is_not_signed(self, batch: list[Receipt]) -> None:
        """It is a mistake of ours, and must not be found out by who needs the receipt."""
        with pytest.raises(ValueError, match=r"nothing to sign|cannot be under"):
            sign(batch, KEY, issued_at=ISSUED)


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
        """Whatever somebody hands over, the answer is ReceiptInvalid and nothing else."""
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
        """A root signed by somebody else who names our key is invalid."""
        _, receipt, proof = TOKEN.split("~")

        assert_invalid(f"{signed(canonical(ROOT), key=OTHER)}~{receipt}~{proof}")
        with pytest.raises(ReceiptInvalid, match="not known"):
            verify(TOKEN, {"another": PUBLIC})

    def test_the_root_alone_is_no_receipt(self) -> None:
        """Nor is a receipt without its root, signed alone."""
        assert_invalid(TOKEN.split("~")[0])
        assert_invalid(signed(canonical(PAYLOAD), header(typ="domicile-receipt+jwt")))


class TestPayload:
    @pytest.mark.parametrize("name", list(PAYLOAD))
    def test_every_field_is_needed(self, name: str) -> None:
        """A receipt that leaves anything out is invalid, also under the right key."""
        assert_invalid(alone(canonical({f: v for f, v in PAYLOAD.items() if f != name})))

    @pytest.mark.parametrize("section", ["leaves", "processors", "deferred"])
    def test_an_unknown_field(self, section: str) -> None:
        """A field that nobody defined is refused, at the top and in each section."""
        entry = PAYLOAD[section][0] | {"note": "x"}

        assert_invalid(alone(canonical(PAYLOAD | {"note": "x"})))
        assert_invalid(alone(canonical(PAYLOAD | {section: [entry]})))
        with pytest.raises(ValidationError, match="note"):
            Receipt.model_validate(PAYLOAD | {section: [entry]})

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 1},
            {"format": 3},
            {"deleted": -1},
            {"deleted": "3"},
            {"deleted": 3.0},
            {"deleted": True},
            {"scope": "everything"},
            {"reason": "because"},
            {"requested": "2026-01-05T10:00:00"},
            {"requested": 1767607200},
            {"requested": "2026-01-05T10:00:00+00:00"},
            {"erasure": "00000000000040008000000000000001"},
            {"leaves": {}},
            {"processors": None},
            {"region": "EU central"},
        ],
    )
    def test_another_form_of_a_value(self, change: dict[str, object]) -> None:
        """A value has one form: what a lenient parser would accept is refused too."""
        assert_invalid(alone(canonical(PAYLOAD | change)))

    def test_another_form_of_the_whole(self) -> None:
        """Other order, spaces, escapes or a name twice: not what we sign, so refused."""
        text = canonical(PAYLOAD)

        assert_invalid(alone(json.dumps(PAYLOAD).encode()))
        assert_invalid(alone(text + b" "))
        assert_invalid(alone(text.replace(b"acme", b"\\u0061cme")))
        assert_invalid(alone(b'{"deleted":9,' + text[1:]))

    @pytest.mark.parametrize(
        ("section", "change"),
        [
            ("leaves", {"object": ""}),
            ("leaves", {"object": "user-7@example.com"}),
            ("leaves", {"object": "ABCDEF0123456789"}),
            ("leaves", {"object": "0" * 65}),
            ("leaves", {"looked_for": []}),
            ("leaves", {"looked_for": ["everything"]}),
            ("leaves", {"how": "acknowledged"}),
            ("leaves", {"absent_at": RECEIPT.absent_since + timedelta(microseconds=1)}),
            ("processors", {"processor": "Jane Doe"}),
            ("processors", {"how": "seen"}),
            ("processors", {"digest": "0" * 63}),
            ("processors", {"digest": "they said so"}),
            ("processors", {"at": RECEIPT.absent_since + timedelta(microseconds=1)}),
            ("deferred", {"hold": "Smith v. Jones"}),
            ("deferred", {"records": 0}),
            ("deferred", {"until": RECEIPT.absent_since + timedelta(microseconds=1)}),
            ("deferred", {"until": RECEIPT.deferred[0].since - timedelta(microseconds=1)}),
        ],
    )
    def test_what_cannot_be_said(self, section: str, change: dict[str, object]) -> None:
        """Ids are opaque, nothing is free text, and no part is later than the whole."""
        entry = PAYLOAD[section][0] | change
        with pytest.raises(ValidationError):
            Receipt.model_validate(PAYLOAD | {section: [entry]})

    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            ("requested", "fenced"),
            ("fenced", "unreadable_since"),
            ("unreadable_since", "absent_since"),
            ("absent_since", "issued_at"),
        ],
    )
    def test_cannot_contradict_itself(self, earlier: str, later: str) -> None:
        """Times out of order cannot be said: absence is not issued before it was seen."""
        before = getattr(RECEIPT, earlier) - timedelta(microseconds=1)
        with pytest.raises(ValidationError, match="out of order"):
            Receipt.model_validate(RECEIPT.model_dump() | {later: before})

    def test_a_naive_time_is_refused(self) -> None:
        """A time without its zone says nothing."""
        naive = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).replace(tzinfo=None)
        with pytest.raises(ValidationError):
            Receipt.model_validate(RECEIPT.model_dump() | {"requested": naive})
