"""The statement of a retired region: one type of its own, and no contradiction."""

from datetime import timedelta
from hashlib import sha256

import pytest
from pydantic import ValidationError

from storage.errors import ReceiptInvalid
from storage.evidence.departures import Statement, sign_statement, verify_statement
from storage.evidence.retirements import Emptied, RegionStatement, sign_region, verify_region
from storage.ports import ItemKind
from tests.support.receipt_tokens import ISSUED, KEY, OTHER, PUBLIC

DIGEST = sha256(b"x").hexdigest()
BACKEND = Emptied(
    backend="eu-a",
    sub_processor="acme",
    located="checked",
    absent_at=ISSUED,
    seen=(ItemKind.OBJECT,),
)
STATEMENT = RegionStatement(
    region="eu-1",
    jurisdiction="EU",
    backends=(BACKEND,),
    begun=ISSUED - timedelta(days=1),
    ended=ISSUED + timedelta(seconds=1),
    receipts=3,
    statements=0,
    entries=7,
    head=DIGEST,
    topology=DIGEST,
)


def test_what_was_signed_is_read() -> None:
    """With the region's public key, and no other."""
    token = sign_region(STATEMENT, KEY)

    assert verify_region(token, PUBLIC) == STATEMENT
    with pytest.raises(ReceiptInvalid):
        verify_region(token, OTHER.public_key())
    with pytest.raises(ReceiptInvalid, match="not known"):
        verify_region(token, {})


def test_no_changed_character_is_accepted() -> None:
    """Nor a missing one."""
    token = sign_region(STATEMENT, KEY)

    for at in range(0, len(token), 17):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(ReceiptInvalid):
            verify_region(changed, PUBLIC)


def test_the_statement_of_a_backend_is_none_of_its_region() -> None:
    """Neither is taken for the other."""
    backend = Statement(
        region="eu-1",
        backend="eu-a",
        sub_processor="acme",
        located="checked",
        topology=DIGEST,
        begun=ISSUED,
        replicas=1,
        bytes=1,
        absent_at=ISSUED,
        seen=(ItemKind.OBJECT,),
    )

    with pytest.raises(ReceiptInvalid):
        verify_region(sign_statement(backend, KEY), PUBLIC)
    with pytest.raises(ReceiptInvalid):
        verify_statement(sign_region(STATEMENT, KEY), PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"begun": ISSUED + timedelta(seconds=1)},
        {"ended": ISSUED - timedelta(seconds=1)},
        {"head": "short"},
        {"entries": -1},
        {"backends": ({**BACKEND.model_dump(), "seen": ()},)},
    ],
)
def test_it_does_not_contradict_itself(change: dict[str, object]) -> None:
    """A backend was seen empty while the region ended, and by looking for something."""
    with pytest.raises(ValidationError):
        RegionStatement.model_validate(STATEMENT.model_dump() | change)
