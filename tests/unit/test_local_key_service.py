"""The key service inside of a process checks permits like the one that is a server."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.clock import SimulatedClock
from storage.crypto.keyobject import key_context
from storage.crypto.record import wrap_key
from storage.crypto.root import LocalRootKeys
from storage.errors import KeyUnavailable, PurposeRefused, Unavailable
from storage.keyservice.local import LocalKeyService
from storage.keyservice.register import Found
from storage.model import PERMIT_LASTS, StaffPermit
from storage.policy import AccessReason, PermitReason
from tests.support.keyservice.permits import (
    APPROVER,
    ENTRY,
    KEPT,
    KEY_ID,
    NOW,
    PINNED,
    REGION,
    TOPOLOGY,
    Register,
    permit,
    signed,
    unsigned,
)

DAY_KEY, RECORD_KEY = b"d" * 32, b"r" * 32
ROOTS = LocalRootKeys(REGION, {"root": {1: b"0" * 32}}, os.urandom)
SEALED = ROOTS.wrap(DAY_KEY, key_context(KEY_ID))
RECORD = replace(KEPT, wrapped_key=wrap_key(DAY_KEY, RECORD_KEY))


class Clock(SimulatedClock):
    """A clock that stands still, but for what a test adds."""

    passed = timedelta()

    def now(self) -> datetime:
        """Return NOW, and what a test added."""
        return NOW + self.passed


@dataclass
class Slow(Register):
    """A register that takes as long as a permit lasts."""

    clock: Clock = field(default_factory=Clock)

    def find(self, permit: StaffPermit) -> Found:
        """Return the same, later."""
        self.clock.passed += PERMIT_LASTS
        return super().find(permit)


def service(
    register: Register | None = None,
    *,
    uptime: timedelta | None = None,
    clock: Clock | None = None,
) -> LocalKeyService:
    """Return a key service; all that it looks up is in order."""
    return LocalKeyService(
        ROOTS,
        register or Register(signed(unsigned()), ENTRY, RECORD),
        PINNED,
        region=REGION,
        topology=TOPOLOGY,
        clock=clock or Clock(),
        entropy=os.urandom,
        uptime=None if uptime is None else lambda: uptime,
    )


def reasons(keys: LocalKeyService, shown: StaffPermit) -> tuple[str, ...]:
    """Return why it refuses."""
    with pytest.raises(PurposeRefused) as caught:
        keys.unwrap_record(SEALED, shown)
    return caught.value.reasons


def test_opens_the_record_of_the_permit() -> None:
    """One permit gives one record key."""
    assert service().unwrap_record(SEALED, permit()) == RECORD_KEY


def test_a_permit_is_for_one_use() -> None:
    """A replayed permit is refused, a new one is not."""
    keys = service()
    keys.unwrap_record(SEALED, permit(1))

    assert reasons(keys, permit(1)) == (PermitReason.REPLAYED,)
    assert keys.unwrap_record(SEALED, permit(2)) == RECORD_KEY


def test_of_many_threads_one_uses_it() -> None:
    """A race does not use a permit twice."""
    keys = service()

    def used(_: int) -> bool:
        try:
            return keys.unwrap_record(SEALED, permit()) == RECORD_KEY
        except PurposeRefused:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(used, range(64))) == 1


def test_gives_no_key_before_the_opening_is_counted() -> None:
    """What a key is given for is on record in the catalog, where nobody can take it back."""
    register = Register(signed(unsigned()), ENTRY, RECORD, counted=False)
    keys = service(register)
    assert reasons(keys, permit()) == (PermitReason.NOT_COUNTED,)

    register.counted = True
    assert keys.unwrap_record(SEALED, permit()) == RECORD_KEY


def test_a_refused_permit_uses_nothing_up() -> None:
    """A refusal is not counted: the permit works when its cause is gone."""
    register = Register(signed(unsigned(records_max=1)), None, RECORD)
    keys = service(register)
    assert reasons(keys, permit()) == (AccessReason.UNKNOWN_ACTOR,)

    register.entry = ENTRY
    assert keys.unwrap_record(SEALED, permit()) == RECORD_KEY


def test_a_signature_of_another_key_is_none() -> None:
    """Who changes the catalog signs nothing: only the pinned key counts."""
    forged = signed(unsigned(), Ed25519PrivateKey.from_private_bytes(b"x" * 32), APPROVER)
    keys = service(Register(forged, ENTRY, RECORD))

    assert reasons(keys, permit()) == (PermitReason.SIGNATURE_INVALID,)


def test_the_key_of_another_approver_is_not_that_of_this_one() -> None:
    """One approver cannot sign in the name of another: each name has its own key."""
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    forged = signed(unsigned(actor="otto"), other, APPROVER)
    keys = LocalKeyService(
        ROOTS,
        Register(forged, replace(ENTRY, actor="otto"), RECORD),
        {**PINNED, "otto": other.public_key()},
        region=REGION,
        topology=TOPOLOGY,
        clock=Clock(),
        entropy=os.urandom,
    )
    shown = permit(actor=replace(permit().actor, id="otto"))

    assert reasons(keys, shown) == (PermitReason.SIGNATURE_INVALID,)


def test_a_changed_grant_is_not_what_was_signed() -> None:
    """A grant that was widened in the catalog opens nothing."""
    widened = replace(signed(unsigned()), records_max=1000)
    keys = service(Register(widened, ENTRY, RECORD))

    assert reasons(keys, permit()) == (PermitReason.SIGNATURE_INVALID,)


def test_a_server_takes_nothing_from_before_its_start() -> None:
    """Its memory of nonces began with it."""
    assert reasons(service(uptime=timedelta()), permit()) == (PermitReason.BEFORE_START,)
    assert service(uptime=timedelta(seconds=1)).unwrap_record(SEALED, permit()) == RECORD_KEY


def test_the_key_object_is_the_one_of_the_row() -> None:
    """The key of another object opens nothing, nor does that object under the id of this one."""
    keys = service(Register(signed(unsigned()), ENTRY, replace(RECORD, key_id=permit().grant)))

    with pytest.raises(KeyUnavailable):
        keys.unwrap_record(SEALED, permit())


class TestHoldKeys:
    CONTEXT = key_context(KEY_ID, hold=True)

    def test_never_leave(self) -> None:
        """What a hold keeps beyond its day opens with a permit only."""
        keys = service()
        with pytest.raises(PurposeRefused) as caught:
            keys.unwrap(keys.create(self.CONTEXT), self.CONTEXT)

        assert caught.value.reasons == (PermitReason.NEEDED,)

    def test_take_record_keys_over(self) -> None:
        """A record key moves from a day key to a hold key, and from there opens for ``legal``."""
        keys = service()
        hold_key = keys.create(self.CONTEXT)
        wrapped = [wrap_key(DAY_KEY, RECORD_KEY), wrap_key(DAY_KEY, b"s" * 32)]
        moved = keys.rewrap(SEALED, key_context(KEY_ID), wrapped, hold_key, self.CONTEXT)

        assert not set(moved) & set(wrapped)
        with pytest.raises(PurposeRefused):  # from under the hold key no way leads back
            keys.rewrap(hold_key, self.CONTEXT, moved, SEALED, key_context(KEY_ID))

    def test_no_key_at_all_checks_both(self) -> None:
        """``rewrap`` of nothing tells whether both keys can be opened."""
        keys = service()
        hold_key = keys.create(self.CONTEXT)

        assert keys.rewrap(hold_key, self.CONTEXT, [], hold_key, self.CONTEXT) == []
        with pytest.raises(KeyUnavailable):
            keys.rewrap(hold_key, key_context(KEY_ID), [], hold_key, self.CONTEXT)


def test_shows_no_key() -> None:
    """A log line of the object has no key."""
    assert repr(service()) == f"LocalKeyService(region='{REGION}')"


class TestSlowRegister:
    """One that takes as long as a permit lasts."""

    def show(self, shown: StaffPermit, until: datetime) -> bytes:
        """Show a permit under a grant that ends at some time."""
        slow = Slow(signed(unsigned(until=until)), ENTRY, RECORD)
        return service(slow, clock=slow.clock).unwrap_record(SEALED, shown)

    def test_it_is_no_refusal(self) -> None:
        """Nothing stands against the read, so it may be tried again."""
        with pytest.raises(Unavailable, match="took too long"):
            self.show(permit(), NOW + timedelta(hours=1))

    def test_what_ended_meanwhile_is_refused(self) -> None:
        """With all that stands against the read."""
        with pytest.raises(PurposeRefused) as caught:
            self.show(permit(), NOW + PERMIT_LASTS)
        assert set(caught.value.reasons) == {AccessReason.GRANT_EXPIRED, PermitReason.EXPIRED}

    def test_a_permit_that_was_over_before_is_refused(self) -> None:
        """That is the fault of who shows it."""
        with pytest.raises(PurposeRefused) as caught:
            self.show(permit(issued=NOW - PERMIT_LASTS), NOW + timedelta(hours=1))
        assert caught.value.reasons == (PermitReason.EXPIRED,)
