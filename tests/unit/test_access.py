"""Which records may be opened, and for which purposes."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest

from regions.load import load_topology
from regions.model import ClassRule, DataClass, Purpose, Service
from storage.errors import DomicileError, Erased, Expired, NaiveDatetime, PurposeRefused
from storage.policy import OPEN_PURPOSES, Access, AccessReason, may_open, may_open_held

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIPPED = load_topology()
MOMENT = timedelta(microseconds=1)


def ask(
    data_class: DataClass = DataClass.PROMPT,
    purpose: Purpose | Service = Purpose.SERVE,
    *,
    until: datetime | None = NOW + MOMENT,
    fenced: bool = False,
) -> Access:
    """Ask the shipped topology at NOW."""
    return may_open(
        SHIPPED,
        data_class=data_class,
        purpose=purpose,
        now=NOW,
        readable_until=until,
        fenced=fenced,
    )


@pytest.mark.parametrize(("data_class", "purpose"), list(product(DataClass, Purpose)))
def test_the_table_of_classes_and_purposes(data_class: DataClass, purpose: Purpose) -> None:
    """Only the owner's reads, and fine-tuning on the owner's files, open content."""
    opens = {
        (DataClass.PROMPT, Purpose.SERVE),
        (DataClass.COMPLETION, Purpose.SERVE),
        (DataClass.FINE_TUNING_FILE, Purpose.SERVE),
        (DataClass.FINE_TUNING_FILE, Purpose.FINE_TUNE),
    }
    access = ask(data_class, purpose)

    assert access.allowed == ((data_class, purpose) in opens)
    if access.allowed:
        assert access == Access(AccessReason.ALLOWED)
        access.demand()
    else:
        with pytest.raises(PurposeRefused) as caught:
            access.demand()
        assert caught.value.reasons == (access.reason,)


@pytest.mark.parametrize(("data_class", "service"), list(product(DataClass, Service)))
def test_the_table_of_classes_and_services(data_class: DataClass, service: Service) -> None:
    """A copy is made only for a service that the class may be handed to."""
    access = ask(data_class, service)

    if service in SHIPPED.classes[data_class].handed_to:
        assert access == Access(AccessReason.ALLOWED)
    else:
        assert access == Access(AccessReason.SERVICE_NOT_ALLOWED)


def test_a_purpose_that_is_not_open_stays_shut_whatever_the_topology_says() -> None:
    """Listing ``train`` in a topology does not make this version open content for training."""
    rule = ClassRule(name=DataClass.PROMPT, retention_days=30, purposes=frozenset(Purpose))
    eager = SHIPPED.model_copy(update={"classes": {DataClass.PROMPT: rule}})

    for purpose in Purpose:
        access = may_open(
            eager,
            data_class=DataClass.PROMPT,
            purpose=purpose,
            now=NOW,
            readable_until=None,
            fenced=False,
        )

        assert access.allowed == (purpose in OPEN_PURPOSES)
        assert access.reason == ("allowed" if access.allowed else "purpose_not_open")


def test_for_purpose_legal_only_a_hold_counts() -> None:
    """Fence, expiry and class do not matter; without a hold the reason is ``not_held``."""
    may_open_held(covered=True).demand()
    with pytest.raises(PurposeRefused) as caught:
        may_open_held(covered=False).demand()

    assert caught.value.reasons == ("not_held",)


def test_a_class_may_keep_an_open_purpose_out() -> None:
    """A prompt is not for fine-tuning, and the reason names the class rule."""
    assert ask(purpose=Purpose.FINE_TUNE).reason == "purpose_not_allowed"


def test_a_class_that_left_the_topology_is_not_opened() -> None:
    """A class without a rule allows no purpose."""
    access = may_open(
        SHIPPED.model_copy(update={"classes": {}}),
        data_class=DataClass.PROMPT,
        purpose=Purpose.SERVE,
        now=NOW,
        readable_until=None,
        fenced=False,
    )

    assert access == Access(AccessReason.UNKNOWN_CLASS)
    with pytest.raises(PurposeRefused):
        access.demand()


@pytest.mark.parametrize(
    ("until", "opens"),
    [(NOW + MOMENT, True), (NOW, False), (NOW - MOMENT, False), (None, True)],
)
def test_nothing_is_opened_from_the_end_of_its_time_on(
    *, until: datetime | None, opens: bool
) -> None:
    """To the microsecond. A record without an end stays open until it is deleted."""
    access = ask(until=until)

    assert access.allowed == opens
    if not opens:
        with pytest.raises(Expired):
            access.demand()


def test_the_end_is_the_same_in_every_time_zone() -> None:
    """Moments in different time zones compare correctly; a naive datetime is refused."""
    tokyo = timezone(timedelta(hours=9))

    assert not ask(until=NOW.astimezone(tokyo)).allowed
    with pytest.raises(NaiveDatetime):
        ask(until=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("fenced", "until", "purpose", "reason", "error"),
    [
        (True, NOW - MOMENT, Purpose.TRAIN, AccessReason.ERASED, Erased),
        (True, None, Purpose.SERVE, AccessReason.ERASED, Erased),
        (False, NOW - MOMENT, Purpose.TRAIN, AccessReason.EXPIRED, Expired),
        (False, None, Purpose.TRAIN, AccessReason.PURPOSE_NOT_OPEN, PurposeRefused),
    ],
)
def test_erased_comes_before_expired_before_the_purpose(
    *,
    fenced: bool,
    until: datetime | None,
    purpose: Purpose,
    reason: AccessReason,
    error: type[DomicileError],
) -> None:
    """A fenced record is reported as erased, whatever else is true of it."""
    access = ask(purpose=purpose, until=until, fenced=fenced)

    assert access == Access(reason)
    with pytest.raises(error):
        access.demand()
