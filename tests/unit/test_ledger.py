"""An entry of the ledger: what it holds, how it is sealed, and in what order it is replayed."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.crypto.ledger import open_entry, seal_entry
from storage.crypto.root import LocalRootKeys
from storage.errors import Corrupt, KeyUnavailable
from storage.events import Entry, NewCopy, decode, encode, in_order
from storage.model import DataClass
from storage.policy import ledger_from

VECTOR: dict[str, Any] = json.loads((Path(__file__).parent / "vectors/ledger.json").read_text())
OBJECT = UUID(VECTOR["object"])
SEALED = bytes.fromhex(VECTOR["sealed"])


def roots(root: str = VECTOR["root"]) -> LocalRootKeys:
    """Root keys of one version, with the nonce of the vector."""
    key = {1: bytes.fromhex(root)}
    keys: Any = {"root": key, "pseudonym": key, "signing": key}
    return LocalRootKeys("eu-central-1", keys, lambda _: bytes.fromhex(VECTOR["wrap_nonce"]))


def entry() -> Entry:
    """That of the vector."""
    return decode(json.dumps(VECTOR["plain"]).encode())


def copy() -> NewCopy:
    """A copy that is handed over."""
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return NewCopy(
        id=OBJECT,
        tenant="acme-eu",
        uid=bytes(16),
        data_class=DataClass.PROMPT,
        expiry_day=date(2026, 3, 30),
        origin=at,
        subject=bytes(33),
        group=b"\xff" * 33,
        ancestors=(b"\1" * 16, b"\2" * 16),
        processor="klarblick",
        announced=at,
        land_by=at + timedelta(minutes=16),
        deadline=at + timedelta(days=14),
        lead=timedelta(hours=24),
    )


def test_the_vector() -> None:
    """The format does not change unnoticed: what is on backends must be read for years."""
    sealed = seal_entry(entry(), OBJECT, roots(), lambda n: bytes.fromhex(VECTOR["key"])[:n])
    assert sealed.hex() == VECTOR["sealed"]
    assert open_entry(SEALED, OBJECT, roots()) == entry()


def test_the_vector_without_our_code() -> None:
    """Version, nonce and wrapped key, then the entry: anybody with the root key can open it."""
    context = bytes.fromhex(VECTOR["context"])
    wrapped, rest = SEALED[1:62], SEALED[62:]
    root = AESGCM(bytes.fromhex(VECTOR["root"]))
    key = root.decrypt(wrapped[1:13], wrapped[13:], context)
    plain = AESGCM(key).decrypt(b"ledger" + bytes(6), rest, context)
    assert json.loads(plain) == VECTOR["plain"]


def test_every_changed_byte_is_seen() -> None:
    """Also the first ones, and also if it is another object's."""
    for at in range(len(SEALED)):
        changed = bytearray(SEALED)
        changed[at] ^= 1
        with pytest.raises((Corrupt, KeyUnavailable)):
            open_entry(bytes(changed), OBJECT, roots())
    for broken in (b"", SEALED[:62], SEALED[:-1]):
        with pytest.raises((Corrupt, KeyUnavailable)):
            open_entry(broken, OBJECT, roots())
    with pytest.raises(KeyUnavailable):
        open_entry(SEALED, UUID(int=1), roots())


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"more": 1}, {"number": 0}, {"event": {"kind": "unheard of"}}]
)
def test_what_a_newer_version_wrote_is_refused(change: dict[str, object]) -> None:
    """It is not read by halves; and the error shows nothing of it."""
    with pytest.raises(Corrupt) as refused:
        decode(json.dumps(VECTOR["plain"] | change).encode())
    assert "acme" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_no_repr_shows_whom_it_is_about() -> None:
    """Pseudonyms are personal data."""
    assert "sought" not in repr(entry())
    assert "match_values" not in repr(entry())
    assert "T-7" not in repr(entry())
    for name in ("uid", "subject", "group", "ancestors"):
        assert name not in repr(copy())


@pytest.mark.parametrize(
    "change", [{}, {"expiry_day": None, "subject": None, "group": None, "ancestors": ()}]
)
def test_a_copy_comes_back_as_it_was_written(change: dict[str, object]) -> None:
    """With or without an expiry day, and somebody whom it is about."""
    told = entry().model_copy(update={"event": copy().model_copy(update=change)})
    assert decode(encode(told)) == told


def test_the_order_of_replay() -> None:
    """By number, then by time."""
    early = entry()
    late = early.model_copy(update={"at": early.at + timedelta(seconds=1)})
    following = early.model_copy(update={"number": early.number + 1, "at": early.at})
    assert sorted([following, late, early], key=in_order) == [early, late, following]
    assert encode(early) != encode(late)


def test_how_long_the_ledger_goes_back() -> None:
    """As long as a backup lives, and a week more."""
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert ledger_from(now, timedelta(days=7)) == datetime(2026, 3, 17, 12, tzinfo=UTC)
