"""What every key service does, wherever its root keys are."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.model import Purpose
from storage.crypto.keyobject import key_context
from storage.crypto.record import unwrap_key, wrap_key
from storage.errors import DomicileError, KeyUnavailable, PurposeRefused
from storage.keyservice.protocol import MOST_KEYS
from storage.model import StaffPermit
from storage.policy import AccessReason, PermitReason
from tests.support.keyservice.kinds import KINDS
from tests.support.keyservice.permits import (
    ACTOR,
    APPROVER,
    CONFIRMED,
    KEPT,
    KEY_ID,
    NOW,
    PINNED,
    RECORD,
    permit,
    signed,
    unsigned,
)
from tests.support.keyservice.serving import Case

CONTEXT, OTHER = key_context(KEY_ID), key_context(permit().grant)
HOLD = key_context(KEY_ID, hold=True)
DAY_KEY, RECORD_KEY = b"d" * 32, b"r" * 32
FORGER = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
R = PermitReason


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """A key service of each kind. Its register has one record, whose key DAY_KEY wraps."""
    with KINDS[request.param](tmp_path) as made:
        made.register.record = replace(KEPT, wrapped_key=wrap_key(DAY_KEY, RECORD_KEY))
        yield made


def opened(case: Case, shown: StaffPermit) -> bytes:
    """Return the record key that a permit opens."""
    return case.keys.unwrap_record(case.keys.wrap(DAY_KEY, CONTEXT), shown)


def reasons(case: Case, shown: StaffPermit) -> tuple[str, ...]:
    """Return why a permit opens nothing."""
    with pytest.raises(PurposeRefused) as caught:
        opened(case, shown)
    return caught.value.reasons


class TestDayKeys:
    def test_open_for_their_object_alone(self, case: Case) -> None:
        """A wrapped key opens under its own context, and under no other."""
        sealed = case.keys.wrap(DAY_KEY, CONTEXT)

        assert case.keys.unwrap(sealed, CONTEXT) == DAY_KEY
        assert DAY_KEY not in sealed
        with pytest.raises(KeyUnavailable):
            case.keys.unwrap(sealed, OTHER)

    @pytest.mark.parametrize("garbage", [b"", b"\1" * 61, b"\xff" * 61, b"\0" * 200])
    def test_garbage_is_a_key_that_cannot_be_read(self, case: Case, garbage: bytes) -> None:
        """What was never wrapped is refused as such, whatever wraps here."""
        with pytest.raises(KeyUnavailable):
            case.keys.unwrap(garbage, CONTEXT)

    def test_many_at_once(self, case: Case) -> None:
        """Callers do not get each other's keys."""
        keys = [n.to_bytes(32) for n in range(24)]
        with ThreadPoolExecutor(12) as pool:
            sealed = list(pool.map(lambda key: case.keys.wrap(key, CONTEXT), keys))
            assert list(pool.map(lambda one: case.keys.unwrap(one, CONTEXT), sealed)) == keys

    def test_the_version_is_named(self, case: Case) -> None:
        """A wrapped key begins with the version of the root key."""
        assert case.keys.wrap(DAY_KEY, CONTEXT)[0] == case.keys.current


class TestHoldKeys:
    def test_never_leave(self, case: Case) -> None:
        """A hold key is made inside, and no call returns it."""
        sealed = case.keys.create(HOLD)
        with pytest.raises(PurposeRefused) as caught:
            case.keys.unwrap(sealed, HOLD)

        assert caught.value.reasons == (R.NEEDED,)
        with pytest.raises(KeyUnavailable):
            case.keys.unwrap(sealed, CONTEXT)

    def test_are_known_to_nobody(self, case: Case) -> None:
        """Else whoever chose the key would open what is later held under it, without a permit."""
        day = case.keys.wrap(DAY_KEY, CONTEXT)
        with pytest.raises(PurposeRefused) as caught:
            case.keys.wrap(b"known to the caller".ljust(32), HOLD)

        assert caught.value.reasons == (R.NEEDED,)
        assert "made inside" in caught.value.message
        with pytest.raises(KeyUnavailable):  # nor does a key of another use become one
            case.keys.rewrap(day, CONTEXT, [wrap_key(DAY_KEY, RECORD_KEY)], day, HOLD)

    def test_take_over_record_keys(self, case: Case) -> None:
        """All keys of a large pack move under a hold key, in their order."""
        day, hold = case.keys.wrap(DAY_KEY, CONTEXT), case.keys.create(HOLD)
        wrapped = [wrap_key(DAY_KEY, n.to_bytes(32)) for n in range(MOST_KEYS + 1)]
        moved = case.keys.rewrap(day, CONTEXT, wrapped, hold, HOLD)

        assert len(moved) == len(wrapped)
        with pytest.raises(KeyUnavailable):
            unwrap_key(DAY_KEY, moved[0])

    def test_let_no_record_key_out_from_under_a_hold_key(self, case: Case) -> None:
        """Wrapped again under a day key, a service could ask for that and open it."""
        day, hold = case.keys.wrap(DAY_KEY, CONTEXT), case.keys.create(HOLD)
        moved = case.keys.rewrap(day, CONTEXT, [wrap_key(DAY_KEY, RECORD_KEY)], hold, HOLD)

        for source, target in (((hold, HOLD), (day, CONTEXT)), ((hold, HOLD), (hold, HOLD))):
            with pytest.raises(PurposeRefused) as caught:
                case.keys.rewrap(*source, moved, *target)
            assert caught.value.reasons == (R.NEEDED,)
        with pytest.raises(PurposeRefused):
            case.keys.rewrap(day, CONTEXT, [wrap_key(DAY_KEY, RECORD_KEY)], day, CONTEXT)

    def test_nothing_moves_with_one_wrong_key(self, case: Case) -> None:
        """A record key that the first key did not wrap is refused, and so is a wrong context."""
        day, hold = case.keys.wrap(DAY_KEY, CONTEXT), case.keys.create(HOLD)
        stray = wrap_key(b"x" * 32, RECORD_KEY)

        with pytest.raises(KeyUnavailable):
            case.keys.rewrap(day, CONTEXT, [stray], hold, HOLD)
        with pytest.raises(KeyUnavailable):
            case.keys.rewrap(day, OTHER, [], hold, HOLD)
        assert case.keys.rewrap(day, CONTEXT, [], hold, HOLD) == []

    def test_open_record_by_record_for_legal(self, case: Case) -> None:
        """With a permit, one record that is held opens; its day key is not needed any more."""
        day, hold = case.keys.wrap(DAY_KEY, CONTEXT), case.keys.create(HOLD)
        moved = case.keys.rewrap(day, CONTEXT, [wrap_key(DAY_KEY, RECORD_KEY)], hold, HOLD)
        case.register.record = replace(KEPT, held=True, covered=True, wrapped_key=moved[0])
        legal = Purpose.LEGAL
        case.register.grant = signed(unsigned(purpose=legal))
        case.register.hold = CONFIRMED

        assert case.keys.unwrap_record(hold, permit(purpose=legal)) == RECORD_KEY
        with pytest.raises(KeyUnavailable):
            case.keys.unwrap_record(day, permit(2, purpose=legal))


def test_says_whose_key_is_pinned(case: Case) -> None:
    """An approver learns before anybody needs the grant whether her signature counts."""
    assert case.keys.approvers() == {APPROVER: PINNED[APPROVER].public_bytes_raw()}


class TestPermits:
    def test_open_one_record(self, case: Case) -> None:
        """A person gets the key of the record, and the day key stays inside."""
        assert opened(case, permit()) == RECORD_KEY

    def test_are_used_once(self, case: Case) -> None:
        """Shown again, a permit opens nothing."""
        opened(case, permit())

        assert reasons(case, permit()) == (R.REPLAYED,)

    def test_another_key_object_opens_nothing(self, case: Case) -> None:
        """The key object is the one that the catalog names, not the one that the caller likes."""
        other = case.keys.wrap(DAY_KEY, OTHER)
        with pytest.raises(KeyUnavailable):
            case.keys.unwrap_record(other, permit())

    @pytest.mark.parametrize(
        ("shown", "reason"),
        [
            (permit(issued=NOW - timedelta(days=1)), R.EXPIRED),
            (permit(issued=NOW + timedelta(hours=1)), R.EARLY),
            (permit(issued=NOW - timedelta(minutes=4), region="us-east-1"), R.OTHER_REGION),
            (permit(actor=replace(ACTOR, location="US")), AccessReason.ACTOR_DIFFERS),
            (permit(record=replace(RECORD, unique=b"v" * 16)), AccessReason.OUTSIDE_GRANT),
            (permit(grant=KEY_ID), AccessReason.GRANT_FOR_ANOTHER),
        ],
        ids=["of yesterday", "of the future", "of another region", "moved", "another record", "id"],
    )
    def test_a_caller_that_lies(self, case: Case, shown: StaffPermit, reason: str) -> None:
        """A permit that is forged in one way has that one reason against it."""
        assert reasons(case, shown) == (reason,)

    def test_a_catalog_that_lies(self, case: Case) -> None:
        """Who writes the catalog grants nothing: the approvers' keys are not there."""
        forged = {
            R.SIGNATURE_INVALID: signed(unsigned(), FORGER, APPROVER),
            R.APPROVER_NOT_PINNED: signed(unsigned(), FORGER, "mallory"),
            R.SELF_APPROVED: signed(unsigned(), FORGER, ACTOR.id),
            AccessReason.GRANT_NOT_APPROVED: unsigned(),
        }
        for reason, grant in forged.items():
            case.register.grant = grant
            assert reasons(case, permit()) == (reason,)
        widened = replace(signed(unsigned()), sought=(b"\1" * 33, b"\2" * 33))
        case.register.grant = widened
        assert reasons(case, permit()) == (R.SIGNATURE_INVALID,)

    def test_the_error_has_an_advice_and_no_secret(self, case: Case) -> None:
        """A refusal tells a person what to do; no text has a key or a nonce."""
        case.register.grant = None
        with pytest.raises(DomicileError) as caught:
            opened(case, permit())

        assert caught.value.advice
        told = str(caught.value) + case.log.getvalue()
        assert permit().nonce.hex() not in told
        assert "r" * 32 not in told
