"""Receipts: many under one signature, each checked alone."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from joserfc import jws as jose
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from regions.model import DataClass
from storage.evidence.keys import key_id
from storage.evidence.receipts import (
    TYPE,
    Acknowledgement,
    Deferral,
    Leaf,
    LeftByLaw,
    Receipt,
    sign,
    signer,
    verify,
)
from tests.support.receipt_tokens import (
    BASE64URL,
    ISSUED,
    KEY,
    KID,
    OTHER,
    PAYLOAD,
    PAYLOADS,
    PUBLIC,
    RECEIPT,
    RECEIPTS,
    ROOT,
    TOKEN,
    TOKENS,
    VECTOR,
    alone,
    assert_invalid,
    b64,
    canonical,
    unb64,
)
from tests.support.receipt_verifier import read_receipt, tree_hash

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


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
        """The fields are these: no content, no pseudonym, no free text."""
        expected = (
            "format erasure region tenant scope reason requested fenced unreadable_since "
            "absent_since last_key_copy_gone_by deleted leaves processors deferred kept "
            "issued_at topology"
        )

        assert " ".join(Receipt.model_fields) == expected
        assert " ".join(Leaf.model_fields) == (
            "object backend sub_processor located how absent_at control posture looked_for"
        )
        assert " ".join(Acknowledgement.model_fields) == "copy_id processor how at digest"
        assert " ".join(Deferral.model_fields) == "hold records since until"
        assert " ".join(LeftByLaw.model_fields) == "data_class records until reason"

    def test_that_nothing_is_left_is_not_stated(self) -> None:
        """Such a receipt is the same, byte for byte, in versions that do not know the field."""
        said = json.loads(unb64(TOKENS[0].split("~")[1]))
        assert "kept" not in said

    def test_what_is_left_is_stated_and_signed(self) -> None:
        """A version that does not know it refuses the receipt, rather than call all of it gone."""
        left = LeftByLaw(
            data_class=DataClass.EVENT, records=3, until=date(2026, 9, 1), reason="floor"
        )
        receipt = RECEIPT.model_copy(update={"kept": (left,)})
        (token,) = sign([receipt], KEY, issued_at=ISSUED)

        assert verify(token, KEY.public_key()).kept == (left,)
        assert json.loads(unb64(token.split("~")[1]))["kept"][0]["until"] == "2026-09-01"

    def test_says_nothing_of_the_others(self) -> None:
        """It has hashes of the other receipts of its batch, over ids that cannot be guessed."""
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


class TestPayload:
    @pytest.mark.parametrize("name", list(PAYLOAD))
    def test_every_field_is_needed(self, name: str) -> None:
        """A receipt that leaves anything out is invalid, also under the right key."""
        assert_invalid(alone(canonical({f: v for f, v in PAYLOAD.items() if f != name})))

    @pytest.mark.parametrize("section", ["leaves", "processors", "deferred"])
    def test_an_unknown_field(self, section: str) -> None:
        """An undefined field is refused, at the top and in each section."""
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
