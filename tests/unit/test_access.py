"""Which records may be opened, for which purposes, and what a permit is good for."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest

from regions.model import (
    RECORD_CLASSES,
    ClassRule,
    DataClass,
    Form,
    HandedTo,
    Purpose,
    Service,
    Topology,
)
from storage.errors import DomicileError, Erased, Expired, NaiveDatetime, PurposeRefused
from storage.model import Actor, ActorKind
from storage.policy import (
    PERMIT_LIFE,
    Access,
    AccessReason,
    Openable,
    Permit,
    may_open,
    may_open_flags,
)
from tests.support.openings import (
    ACTORS,
    ANNA,
    HOLD,
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


@pytest.mark.parametrize(
    ("data_class", "service", "flagged"), list(product(RECORD_CLASSES, Service, (False, True)))
)
def test_the_table_of_classes_and_services(
    *, data_class: DataClass, service: Service, flagged: bool
) -> None:
    """A copy is made only for a service that the class may be handed to, and never by a person.

    What nothing makes yet, the form that human review gets, is not replaced by raw content.
    """
    record = replace(RECORD, data_class=data_class, flagged=flagged)
    access = ask(record, SERVICE, service)

    file = data_class is DataClass.FINE_TUNING_FILE
    event = data_class is DataClass.EVENT
    if service is Service.MODERATION and not event:
        assert access.allowed
        person = ask(record, ANNA, service, authority(None, entry_of(ANNA)))
        assert person == Access(AccessReason.ACTOR_NOT_ALLOWED)
        assert ask(record, MILL, service, authority(None, entry_of(MILL))).allowed
    elif service is Service.HUMAN_REVIEW and not file and not event:
        assert access == Access(AccessReason.FORM_NOT_AVAILABLE)
    else:
        assert access == Access(AccessReason.SERVICE_NOT_ALLOWED)


@pytest.mark.parametrize("flagged", [False, True])
def test_a_service_may_get_flagged_records_alone(*, flagged: bool) -> None:
    """If the topology says so."""
    only = HandedTo(service=Service.MODERATION, form=Form.RAW, only="flagged")
    rule = SHIPPED.classes[DataClass.PROMPT].model_copy(update={"handed_to": (only,)})
    strict = SHIPPED.model_copy(update={"classes": {DataClass.PROMPT: rule}})
    record = replace(RECORD, flagged=flagged)

    access = may_open(strict, record, SERVICE, Service.MODERATION, now=NOW, login_of_person=False)

    assert access.allowed == flagged
    assert access.reason == ("allowed" if flagged else "not_flagged")


class TestFlags:
    """Who opens flags, and for what: a record's flags need more than the record."""

    def ask(self, actor: Actor, purpose: Purpose, topology: Topology = SHIPPED) -> AccessReason:
        """Ask with everything that a person or a machine needs."""
        grant = grant_of(actor, purpose) if actor.staff else None
        known = authority(grant, entry_of(actor))
        record = replace(RECORD, flagged=True, held_by=frozenset({HOLD}))
        access = may_open_flags(
            topology, record, actor, purpose, now=NOW, login_of_person=False, authority=known
        )
        assert access.allowed == (access.reason == "allowed")
        return access.reason

    def test_the_purposes_of_the_class_open_them(self) -> None:
        """And the authority of a hold."""
        assert self.ask(MILL, Purpose.ABUSE_SCREENING) == "allowed"
        for purpose in (Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST, Purpose.LEGAL):
            assert self.ask(ANNA, purpose) == "allowed"

    def test_the_tenant_sees_them_only_if_the_topology_says_so(self) -> None:
        """Its own service reads the record, and not what is said of it."""
        rule = ClassRule(name=DataClass.FLAG, purposes=frozenset({Purpose.SERVE}))
        told = SHIPPED.model_copy(update={"classes": SHIPPED.classes | {DataClass.FLAG: rule}})

        assert self.ask(SERVICE, Purpose.SERVE) == "purpose_not_allowed"
        assert self.ask(SERVICE, Purpose.SERVE, told) == "allowed"

    def test_a_topology_without_the_class_has_no_flags(self) -> None:
        """Nothing screens there."""
        classes = {name: rule for name, rule in SHIPPED.classes.items() if name != "flag"}
        without = SHIPPED.model_copy(update={"classes": classes})

        assert self.ask(MILL, Purpose.ABUSE_SCREENING, without) == "unknown_class"

    def test_what_closes_the_record_closes_its_flags(self) -> None:
        """An erasure, its end, and an actor of the wrong kind."""
        for record in (replace(RECORD, fenced=True), replace(RECORD, readable_until=NOW)):
            for actor, purpose in (
                (MILL, Purpose.ABUSE_SCREENING),
                (ANNA, Purpose.SUBJECT_REQUEST),
            ):
                known = authority(grant_of(actor, purpose), entry_of(actor))
                flags = may_open_flags(
                    SHIPPED, record, actor, purpose, now=NOW, login_of_person=False, authority=known
                )
                assert flags == ask(record, actor, purpose, known)
                assert not flags.allowed
        assert self.ask(SERVICE, Purpose.ABUSE_SCREENING) == "actor_not_allowed"
        assert self.ask(ANNA, Purpose.ABUSE_SCREENING) == "actor_not_allowed"


def test_training_needs_a_run_whatever_the_topology_says() -> None:
    """Listing ``train`` in a topology opens nothing for a read that names no run."""
    rule = ClassRule(name=DataClass.PROMPT, retention_days=30, purposes=frozenset(Purpose))
    eager = SHIPPED.model_copy(update={"classes": {DataClass.PROMPT: rule}})

    for actor in ACTORS.values():
        known = authority(grant_of(actor, Purpose.TRAIN), entry_of(actor))
        access = may_open(
            eager, RECORD, actor, Purpose.TRAIN, now=NOW, login_of_person=False, authority=known
        )

        machine = actor.kind is ActorKind.MACHINE
        reason = AccessReason.NO_RUN if machine else AccessReason.ACTOR_NOT_ALLOWED
        assert access == Access(reason)


def test_a_class_may_keep_an_open_purpose_out() -> None:
    """A prompt is not for fine-tuning, and the reason names the class rule."""
    assert ask(purpose=Purpose.FINE_TUNE).reason == "purpose_not_allowed"


def test_a_class_that_left_the_topology_is_not_opened() -> None:
    """A class without a rule allows no purpose."""
    without = SHIPPED.model_copy(update={"classes": {}})
    access = may_open(without, RECORD, SERVICE, Purpose.SERVE, now=NOW, login_of_person=False)

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
        (False, None, Purpose.TRAIN, AccessReason.PURPOSE_NOT_ALLOWED, PurposeRefused),
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

        assert permit.covers("acme-eu", b"uid")
        assert not permit.covers("beta-eu", b"uid")
        assert not permit.covers("acme-eu", b"other")

    def test_it_ends_after_minutes(self) -> None:
        """Whatever it is for."""
        assert self.permit().until == NOW + PERMIT_LIFE

    def test_it_ends_with_the_record_and_with_the_grant(self) -> None:
        """Whichever comes first."""
        soon = NOW + timedelta(seconds=1)
        assert self.permit(replace(RECORD, readable_until=soon)).until == soon
        grant = grant_of(ANNA, Purpose.ABUSE_INVESTIGATION, until=soon)
        access = ask(RECORD, ANNA, Purpose.ABUSE_INVESTIGATION, authority(grant, entry_of(ANNA)))
        permit = access.demand()

        assert (permit.until, permit.grant) == (soon, grant.id)
