"""Receipts of format 1, a signature each: not issued any more, and verified for good."""

import base64
import hmac
import json
import string
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from storage.errors import ReceiptInvalid
from storage.evidence.keys import key_id
from storage.evidence.receipts import TYPE_1, Receipt, verify

VECTOR: dict[str, Any] = json.loads(
    Path(__file__).with_name("vectors").joinpath("receipt_format_1.json").read_text()
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR["seed"]))
PUBLIC = KEY.public_key()
KID = key_id(PUBLIC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
TOKEN: str = VECTOR["token"]
PAYLOAD: dict[str, Any] = VECTOR["payload"]
RECEIPT = Receipt.model_validate(PAYLOAD)
BASE64URL = string.ascii_letters + string.digits + "-_"

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: object) -> bytes:
    """Canonical JSON, written here a second time."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(header: bytes, payload: bytes) -> str:
    """A token with any header and payload, under the right key."""
    message = f"{b64(header)}.{b64(payload)}"
    return f"{message}.{b64(KEY.sign(message.encode()))}"


def header(**changes: object) -> bytes:
    """A right header, with changes; None leaves a field out."""
    fields = {"alg": "EdDSA", "kid": KID, "typ": TYPE_1} | changes
    return canonical({name: value for name, value in fields.items() if value is not None})


def assert_invalid(token: str) -> None:
    """No key makes a receipt of the token, and the error says why."""
    for keys in (PUBLIC, {KID: PUBLIC}):
        with pytest.raises(ReceiptInvalid) as caught:
            verify(token, keys)
        assert caught.value.__cause__ is not None


def other_key(token: str) -> str:
    """The same header and payload, signed by somebody else."""
    message = token.rsplit(".", 1)[0]
    return f"{message}.{b64(OTHER.sign(message.encode()))}"


class TestFormat:
    def test_is_the_checked_in_vector(self) -> None:
        """A receipt that was issued once verifies for good."""
        others = {KID: PUBLIC, key_id(OTHER.public_key()): OTHER.public_key()}

        assert signed(header(), canonical(PAYLOAD)) == TOKEN
        assert verify(TOKEN, PUBLIC) == verify(TOKEN, others) == RECEIPT
        assert (RECEIPT.format, RECEIPT.processors, RECEIPT.deferred) == (1, (), ())

    def test_a_second_implementation_agrees(self) -> None:
        """Another library verifies it, and reads the same header and payload."""
        key = OKPKey.import_key(VECTOR["public_key"])
        read = jws.deserialize_compact(TOKEN, key, algorithms=["EdDSA"])

        assert read.headers() == {"alg": "EdDSA", "kid": KID, "typ": "domicile-receipt+jwt"}
        assert json.loads(read.payload or b"") == PAYLOAD

    @pytest.mark.parametrize("more", ["processors", "deferred"])
    def test_has_no_section_of_format_2(self, more: str) -> None:
        """Not even an empty one."""
        assert_invalid(signed(header(), canonical(PAYLOAD | {more: []})))

    def test_format_2_is_not_signed_alone(self) -> None:
        """One that takes the form of the other is refused."""
        other = PAYLOAD | {"format": 2, "processors": [], "deferred": []}

        assert_invalid(signed(header(), canonical(other)))


class TestTampering:
    def test_every_changed_character_is_seen(self) -> None:
        """Each character of the token, replaced by each other one, makes it invalid."""
        for place, original in enumerate(TOKEN):
            other = {"A", "_", "=", " ", "\n", ".", "é", chr(ord(original) ^ 1)} - {original}
            for character in other:
                assert_invalid(TOKEN[:place] + character + TOKEN[place + 1 :])

    def test_the_last_character_has_one_value(self) -> None:
        """Bits of base64url that decoders ignore are part of the token too."""
        for segment in range(3):
            parts = TOKEN.split(".")
            for character in set(BASE64URL) - {parts[segment][-1]}:
                changed = parts[segment][:-1] + character
                assert_invalid(".".join([*parts[:segment], changed, *parts[segment + 1 :]]))

    def test_nothing_can_be_added_or_taken(self) -> None:
        """A token is exact: no padding, no space, no part too many or too few."""
        for place in range(len(TOKEN)):
            assert_invalid(TOKEN[:place])
            assert_invalid(TOKEN[:place] + TOKEN[place + 1 :])
            assert_invalid(TOKEN[:place] + "=" + TOKEN[place:])
        for more in ("=", "==", " ", "\n", ".", "A", "\0"):
            assert_invalid(TOKEN + more)
            assert_invalid(more + TOKEN)

    @given(st.text() | st.text(alphabet=BASE64URL + ".="))
    def test_no_text_is_a_receipt(self, text: str) -> None:
        """Whatever somebody hands over, the answer is ReceiptInvalid and nothing else."""
        assert_invalid(text)

    @given(st.binary(max_size=60), st.binary(max_size=60))
    def test_no_signed_bytes_are_a_receipt(self, head: bytes, payload: bytes) -> None:
        """Header and payload may be anything, also under the right key."""
        assert_invalid(signed(head, payload))
        assert_invalid(signed(header(), payload))

    @pytest.mark.parametrize("depth", [100, 100_000])
    def test_deep_json_is_no_receipt(self, depth: int) -> None:
        """Nesting that exhausts a parser is refused like the rest."""
        for deep in (b"[" * depth, b'{"alg":' + b"[" * depth):
            assert_invalid(signed(deep, canonical(PAYLOAD)))
            assert_invalid(signed(header(), deep))


class TestConfusion:
    @pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
    def test_unsigned(self, name: str) -> None:
        """``alg: none`` is refused, with and without a signature."""
        message = f"{b64(header(alg=name))}.{b64(canonical(PAYLOAD))}"

        assert_invalid(f"{message}.")
        assert_invalid(signed(header(alg=name), canonical(PAYLOAD)))
        assert_invalid(f"{message}.{TOKEN.rsplit('.', 1)[1]}")

    @pytest.mark.parametrize("form", [VECTOR["public_key"].encode(), PUBLIC.public_bytes_raw()])
    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_public_key_as_secret(self, form: bytes, algorithm: str) -> None:
        """Who signs with the public key as an HMAC secret convinces nobody."""
        hashes = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
        message = f"{b64(header(alg=algorithm))}.{b64(canonical(PAYLOAD))}"

        assert_invalid(f"{message}.{b64(hmac.digest(form, message.encode(), hashes[algorithm]))}")

    @pytest.mark.parametrize("name", ["ES256", "RS256", "Ed25519", "eddsa"])
    def test_another_algorithm(self, name: str) -> None:
        """A header that names any other algorithm is refused, whatever signed it."""
        assert_invalid(signed(header(alg=name), canonical(PAYLOAD)))

    def test_another_key(self) -> None:
        """A receipt signed by somebody else who names our key is invalid."""
        assert_invalid(other_key(TOKEN))

    def test_an_unknown_key(self) -> None:
        """A key that the verifier does not have is told apart from a bad signature."""
        with pytest.raises(ReceiptInvalid, match="not known"):
            verify(TOKEN, {"another": PUBLIC})
        with pytest.raises(ReceiptInvalid, match="not known"):
            verify(TOKEN, {})

    @pytest.mark.parametrize("kid", [None, 7, ["x"], {}, True])
    def test_a_kid_that_is_no_text(self, kid: object) -> None:
        """A header without a key's name, or with something else in its place, is refused."""
        assert_invalid(signed(header(kid=kid), canonical(PAYLOAD)))

    @pytest.mark.parametrize("typ", [None, "JWT", "domicile-receipt", "Domicile-Receipt+JWT"])
    def test_another_type(self, typ: str | None) -> None:
        """A token that our key signed for something else is no receipt."""
        assert_invalid(signed(header(typ=typ), canonical(PAYLOAD)))

    @pytest.mark.parametrize(
        "more",
        [{"jwk": {}}, {"crit": ["b64"], "b64": False}, {"b64": True}, {"crit": []}, {"x": 1}],
    )
    def test_more_in_the_header(self, more: dict[str, object]) -> None:
        """A header with anything more is refused: no key of its own, no unencoded payload."""
        assert_invalid(signed(header(**more), canonical(PAYLOAD)))


class TestPayload:
    @pytest.mark.parametrize("name", list(PAYLOAD))
    def test_every_field_is_needed(self, name: str) -> None:
        """A receipt that leaves anything out is invalid, also under the right key."""
        less = {field: value for field, value in PAYLOAD.items() if field != name}

        assert_invalid(signed(header(), canonical(less)))

    def test_an_unknown_field(self) -> None:
        """A field that nobody defined is refused, at the top and in a leaf."""
        leaf = PAYLOAD["leaves"][0] | {"note": "x"}

        assert_invalid(signed(header(), canonical(PAYLOAD | {"note": "x"})))
        assert_invalid(signed(header(), canonical(PAYLOAD | {"leaves": [leaf]})))

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 2},
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
            {"region": "EU central"},
        ],
    )
    def test_another_form_of_a_value(self, change: dict[str, object]) -> None:
        """A value has one form: what a lenient parser would accept is refused too."""
        assert_invalid(signed(header(), canonical(PAYLOAD | change)))

    def test_another_form_of_the_whole(self) -> None:
        """Other order, spaces, escapes or a name twice: not what we sign, so refused."""
        text = canonical(PAYLOAD)

        assert_invalid(signed(header(), json.dumps(PAYLOAD).encode()))
        assert_invalid(signed(header(), text + b" "))
        assert_invalid(signed(header(), text.replace(b"acme", b"\\u0061cme")))
        assert_invalid(signed(header(), b'{"deleted":9,' + text[1:]))
        assert_invalid(signed(json.dumps(json.loads(header())).encode(), text))
