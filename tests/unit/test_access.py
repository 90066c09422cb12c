"""Which records may be opened, for which purposes, and what a permit is good for."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest

from regions.model import ClassRule, DataClass, Purpose, Service
from storage.errors import DomicileError, Erased, Expired, NaiveDatetime, PurposeRefused
from storage.policy import (
    PERMIT_LIFE,
    Access,
    AccessReason,
    Openable,
    Permit,
    may_open,
)
from tests.support.openings import (
    ACTORS,
    ANNA,
    MILL,
    NOW,
    RECORD,
    SERVICE,
    SHIPPED,
    ask,
    authority,
    entry_of,
    grant_of,
)

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(("data_class", "service"), list(product(DataClass, Service)))
def test_the_table_of_classes_and_services(data_class: DataClass, service: Service) -> None:
    """A copy is made only for a service that the class may be handed to, and never by a person."""
    record = replace(RECORD, data_class=data_class)
    access = ask(record, SERVICE, service)

    if service in SHIPPED.classes[data_class].handed_to:
        assert access.allowed
        person = ask(record, ANNA, service, authority(None, entry_of(ANNA)))
        assert person == Access(AccessReason.ACTOR_NOT_ALLOWED)
        assert ask(record, MILL, service, authority(None, entry_of(MILL))).allowed
    else:
        assert access == Access(AccessReason.SERVICE_NOT_ALLOWED)


def test_training_stays_shut_whatever_the_topology_says() -> None:
    """Listing ``train`` in a topology does not make this version open content for training."""
    rule = ClassRule(name=DataClass.PROMPT, retention_days=30, purposes=frozenset(Purpose))
    eager = SHIPPED.model_copy(update={"classes": {DataClass.PROMPT: rule}})

    for actor in ACTORS.values():
        known = authority(grant_of(actor, Purpose.TRAIN), entry_of(actor))
        access = may_open(eager, RECORD, actor, Purpose.TRAIN, now=NOW, authority=known)

        assert access == Access(AccessReason.PURPOSE_NOT_OPEN)


def test_a_class_may_keep_an_open_purpose_out() -> None:
    """A prompt is not for fine-tuning, and the reason names the class rule."""
    assert ask(purpose=Purpose.FINE_TUNE).reason == "purpose_not_allowed"


def test_a_class_that_left_the_topology_is_not_opened() -> None:
    """A class without a rule allows no purpose."""
    without = SHIPPED.model_copy(update={"classes": {}})
    access = may_open(without, RECORD, SERVICE, Purpose.SERVE, now=NOW)

    assert access == Access(AccessReason.UNKNOWN_CLASS)


@pytest.mark.parametrize(
    ("until", "opens"),
    [(NOW + MOMENT, True), (NOW, False), (NOW - MOMENT, False), (None, True)],
)
def test_nothing_is_opened_from_the_end_of_its_time_on(
    *, until: datetime | None, opens: bool
) -> None:
    """To the microsecond. A record without an end stays open until it is deleted."""
    access = ask(replace(RECORD, readable_until=until))

    assert access.allowed == opens
    if not opens:
        with pytest.raises(Expired):
            access.demand()


def test_the_end_is_the_same_in_every_time_zone() -> None:
    """Moments in different time zones compare correctly; a naive datetime is refused."""
    tokyo = timezone(timedelta(hours=9))

    assert not ask(replace(RECORD, readable_until=NOW.astimezone(tokyo))).allowed
    with pytest.raises(NaiveDatetime):
        ask(replace(RECORD, readable_until=NOW.replace(tzinfo=None)))


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
    access = ask(replace(RECORD, fenced=fenced, readable_until=until), purpose=purpose)

    assert access == Access(reason)
    with pytest.raises(error):
        access.demand()


class TestPermits:
    """What a permit is good for."""

    def permit(self, record: Openable = RECORD) -> Permit:
        """Return one of the tenant's own service."""
        return ask(record).demand()

    def test_it_names_the_opening(self) -> None:
        """Who, what and why."""
        permit = self.permit()

        assert (permit.tenant, permit.unique) == ("acme-eu", b"uid")
        assert (permit.actor, permit.purpose, permit.grant) == (SERVICE, Purpose.SERVE, None)

    def test_it_is_for_one_record_of_one_tenant(self) -> None:
        """And nothing else."""
        permit = self.permit()

        assert permit.covers("acme-eu", b"uid", NOW)
        assert not permit.covers("beta-eu", b"uid", NOW)
        assert not permit.covers("acme-eu", b"other", NOW)

    def test_it_ends_after_minutes(self) -> None:
        """From its end on it covers nothing."""
        permit = self.permit()

        assert permit.until == NOW + PERMIT_LIFE
        assert not permit.covers("acme-eu", b"uid", permit.until)

    def test_it_ends_with_the_record_and_with_the_grant(self) -> None:
        """Whichever comes first."""
        soon = NOW + timedelta(seconds=1)
        assert self.permit(replace(RECORD, readable_until=soon)).until == soon
        grant = grant_of(ANNA, Purpose.ABUSE_INVESTIGATION, until=soon)
        access = ask(RECORD, ANNA, Purpose.ABUSE_INVESTIGATION, authority(grant, entry_of(ANNA)))
        permit = access.demand()

        assert (permit.until, permit.grant) == (soon, grant.id)
