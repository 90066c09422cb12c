"""Screening: content goes to a classifier alone, flags come back and are kept with the record."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from shutil import copytree

import pytest

from storage.catalog import contents
from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.errors import Erased, Expired, PurposeRefused
from storage.model import (
    Actor,
    ActorKind,
    Classifier,
    DataClass,
    GrantSpec,
    LineKind,
    Purpose,
    Scope,
    Screened,
    ScreenFailure,
)
from storage.testing import INVESTIGATOR, SERVICE, Domicile
from tests.support.actions import duty, erase, work
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import home
from tests.support.people import enter, person
from tests.support.processors.copies import MODERATION, processor
from tests.support.screening import MILL, Watchful, flagged, machine, put_all
from tests.support.topology_files import CLASSES, SHIPPED, edit
from tests.support.transparency import lines

pytestmark = pytest.mark.one_region

SCREENING = Purpose.ABUSE_SCREENING


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    return domicile.tenant()


class TestContentAndFlags:
    def test_the_classifier_gets_content_and_the_caller_flags(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Each record once; what comes back has no field with content."""
        bodies = [b"bad %d" % n if n % 3 == 0 else b"fine %d" % n for n in range(10)]
        put = put_all(tenant, *bodies)
        seen, began = Watchful(), domicile.clock.now()

        results = list(machine(domicile).screen(seen.as_classifier()))

        assert [one.id for one in results] == put
        assert sorted(seen.bodies) == sorted(bodies)
        assert all(metadata == {"n": bodies.index(body)} for body, metadata in seen.shown)
        assert all(isinstance(one, Screened) for one in results)
        assert not any(body in repr(results).encode() for body in bodies)
        found = flagged(results)
        assert sum(map(bool, found.values())) == 4
        (flag,) = next(flags for flags in found.values() if flags)
        assert (flag.label, flag.score) == ("abuse/fraud", 0.75)
        assert (flag.classifier, flag.version) == ("watchful", "1")
        assert began < flag.at < domicile.clock.now()

    def test_flags_are_kept_and_listed(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """In the list of what is flagged, and of what is not."""
        put = put_all(tenant, b"bad", b"fine", b"bad too")
        mill = machine(domicile)
        found = flagged(mill.screen(Watchful().as_classifier()))
        bad = [i for i in put if found[i]]

        assert len(bad) == 2
        assert [one.id for one in tenant.list(flagged=True)] == bad
        assert [one.id for one in tenant.list(flagged=False)] == [i for i in put if i not in bad]
        assert {one.id: one.flagged for one in tenant.list()} == {i: i in bad for i in put}
        for one in put:
            assert mill.flags(one, purpose=SCREENING) == found[one]

    def test_nobody_gets_content_for_screening(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Not even the machine, by any other method."""
        (put,) = put_all(tenant, b"bad")
        mill = machine(domicile)
        person_ = domicile.store.tenant("acme-eu").bind(replace(MILL, kind=ActorKind.EMPLOYEE))
        refused = {mill: "screening_only", tenant: "screening_only", person_: "actor_not_allowed"}
        for bound, reason in refused.items():
            for read in (bound.get, bound.open):
                with pytest.raises(PurposeRefused) as caught:
                    read(put, purpose=SCREENING)
                assert caught.value.reasons == (reason,)
        for bound in (mill, tenant):
            with pytest.raises(PurposeRefused) as caught:
                bound.list(purpose=SCREENING)
            assert caught.value.reasons == ("screening_only",)
        with pytest.raises(PurposeRefused):
            mill.get(put, purpose=Purpose.SERVE)

    def test_the_tenant_does_not_see_flags(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """They are for screening, investigation, and requests of the subject."""
        (put,) = put_all(tenant, b"bad")
        flagged(machine(domicile).screen(Watchful().as_classifier()))

        for purpose, reason in (
            (Purpose.SERVE, "purpose_not_allowed"),
            (SCREENING, "actor_not_allowed"),
        ):
            with pytest.raises(PurposeRefused) as caught:
                tenant.flags(put, purpose=purpose)
            assert caught.value.reasons == (reason,)

    def test_what_a_flag_says_is_sealed(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """No row has a label, a score or a classifier in the open."""
        put_all(tenant, b"bad")
        flagged(machine(domicile).screen(Watchful().as_classifier()))

        with home(domicile).catalog.begin() as connection:
            rows = b"".join(data for _, data, _ in contents.binary(connection))
        assert b"fraud" not in rows
        assert b"watchful" not in rows


class TestActors:
    @pytest.mark.parametrize(
        ("actor", "reason"),
        [
            (SERVICE, "actor_not_allowed"),
            (Actor("mill", ActorKind.EMPLOYEE, "domicile", "EU"), "actor_not_allowed"),
            (Actor("saw", ActorKind.MACHINE, "domicile", "EU"), "unknown_actor"),
            (Actor("mill", ActorKind.MACHINE, "others", "EU"), "actor_differs"),
            (Actor("mill", ActorKind.MACHINE, "domicile", "US"), "actor_differs"),
        ],
    )
    def test_machines_of_the_roster_alone_screen(
        self, domicile: Domicile, tenant: BoundTenant, actor: Actor, reason: str
    ) -> None:
        """Nobody else shows anything to a classifier."""
        put_all(tenant, b"bad")
        machine(domicile)
        seen = Watchful()

        with pytest.raises(PurposeRefused) as caught:
            list(domicile.store.tenant("acme-eu").bind(actor).screen(seen.as_classifier()))

        assert caught.value.reasons == (reason,)
        assert seen.shown == []
        assert not tenant.list(flagged=True)

    def test_a_machine_abroad_does_not_screen(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Reading from outside of the residency would be a transfer."""
        put_all(tenant, b"bad")
        machine(domicile, location="US")
        abroad = domicile.store.tenant("acme-eu").bind(replace(MILL, location="US"))

        with pytest.raises(PurposeRefused) as caught:
            list(abroad.screen(Watchful().as_classifier()))
        assert caught.value.reasons == ("outside_residency",)

    def test_a_machine_that_is_suspended_stops(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """In the middle of a screening, within some seconds."""
        put_all(tenant, *(b"bad %d" % n for n in range(5)))
        mill = machine(domicile)
        seen = Watchful(then=lambda _: domicile.pass_time(seconds=3))
        results = mill.screen(seen.as_classifier())
        next(results)
        enter(
            domicile.settings,
            domicile.clock.now(),
            person(MILL.id, kind=ActorKind.MACHINE, login=None, suspended=True),
        )

        with pytest.raises(PurposeRefused) as caught:
            list(results)
        assert caught.value.reasons == ("actor_not_in_force",)
        assert len(seen.shown) == 1


class TestRepeating:
    def test_the_same_version_changes_nothing(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """What it said first, stands; another version adds to it."""
        (put,) = put_all(tenant, b"bad")
        mill = machine(domicile)
        first = flagged(mill.screen(Watchful().as_classifier()))
        domicile.pass_time(minutes=1)
        again = flagged(mill.screen(Watchful(score=0.1).as_classifier()))
        nothing = flagged(mill.screen(Classifier("watchful", "1", lambda *_: [])))

        assert first == again == nothing
        assert mill.flags(put, purpose=SCREENING) == first[put]
        other = flagged(mill.screen(Watchful(score=0.9).as_classifier("2")))
        assert mill.flags(put, purpose=SCREENING) == (*first[put], *other[put])

    def test_two_machines_at_once_write_once(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """Each record has the flags of one of them, and both return these."""
        put = put_all(tenant, *(b"bad %d" % n for n in range(40)))
        mill = machine(domicile)
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(
                    lambda score: flagged(mill.screen(Watchful(score=score).as_classifier())),
                    (0.1, 0.2, 0.3, 0.4),
                )
            )

        assert all(one == found[0] for one in found)
        assert {i: mill.flags(i, purpose=SCREENING) for i in put} == found[0]
        assert all(len(flags) == 1 for flags in found[0].values())


class TestErasures:
    def test_a_record_that_is_erased_in_the_meantime_gets_no_flag(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Its flags would say something about erased content."""
        put = tenant.put(DataClass.PROMPT, b"bad", subject="u").id
        kept = tenant.put(DataClass.PROMPT, b"bad other", subject="v").id

        def and_erase(body: bytes) -> None:
            if body == b"bad":
                erase(tenant)

        results = list(machine(domicile).screen(Watchful(then=and_erase).as_classifier()))
        by_id = {one.id: one for one in results}

        assert isinstance(by_id[kept], Screened)
        failure = by_id[put]
        assert isinstance(failure, ScreenFailure)
        assert isinstance(failure.error, Erased)
        with home(domicile).catalog.begin() as connection:
            names = [name for name, data, _ in contents.binary(connection) if put.unique in data]
        assert names  # the row is still there
        assert [one.id for one in tenant.list(flagged=True)] == [kept]

    def test_what_is_erased_is_not_shown_any_more(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """However slow the classifier is: within seconds of the permission."""
        first = tenant.put(DataClass.PROMPT, b"first").id
        domicile.pass_time(seconds=1)
        tenant.put(DataClass.PROMPT, b"bad", subject="u")
        domicile.pass_time(seconds=1)
        last = tenant.put(DataClass.PROMPT, b"last").id

        def and_erase(body: bytes) -> None:
            if body == b"first":
                erase(tenant)
                domicile.pass_time(seconds=3)

        seen = Watchful(then=and_erase)
        found = flagged(machine(domicile).screen(seen.as_classifier()))

        assert seen.bodies == [b"first", b"last"]
        assert list(found) == [first, last]

    @pytest.mark.parametrize("keep_days", [None, 3])
    def test_a_record_whose_day_begins_in_the_meantime_gets_no_flag(
        self, domicile: Domicile, tenant: BoundTenant, keep_days: int | None
    ) -> None:
        """Nothing is written into a day that expires: that of the tenant's days or of its own."""
        tenant.put(DataClass.PROMPT, b"bad", keep_days=keep_days)
        seen = Watchful(then=lambda _: domicile.pass_time(days=keep_days or 30))

        (failure,) = machine(domicile).screen(seen.as_classifier())

        assert isinstance(failure, ScreenFailure)
        assert isinstance(failure.error, Expired)
        assert self.rows(domicile) == 0

    def test_a_record_that_ends_in_the_meantime_gets_no_flag(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Within its day."""
        until = domicile.clock.now() + timedelta(hours=1)
        tenant.put(DataClass.PROMPT, b"bad", readable_until=until)
        seen = Watchful(then=lambda _: domicile.pass_time(hours=1))

        (failure,) = machine(domicile).screen(seen.as_classifier())

        assert isinstance(failure, ScreenFailure)
        assert isinstance(failure.error, Expired)
        assert self.rows(domicile) == 0

    def test_flags_go_with_their_record(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """With an erasure and with the end of its day: the row is gone, and they were in it."""
        mine = tenant.put(DataClass.PROMPT, b"bad", subject="u").id
        tenant.put(DataClass.PROMPT, b"bad too")
        tenant.put_file(BytesIO(b"bad file"), subject="u")
        mill = machine(domicile)
        flagged(mill.screen(Watchful().as_classifier()))
        flagged(mill.screen(Watchful().as_classifier(), data_class=DataClass.FINE_TUNING_FILE))
        assert len(tenant.list(flagged=True)) == 3

        erase(tenant)
        with pytest.raises(Erased):
            mill.flags(mine, purpose=SCREENING)
        duty(domicile, "plan")
        assert self.rows(domicile) == 1
        for hours in (24 * 30, 1):
            work(domicile, hours=hours)
        assert self.rows(domicile) == 0

    def rows(self, domicile: Domicile) -> int:
        """Return how many rows have a flag in any table."""
        with home(domicile).catalog.begin() as connection:
            return sum(
                row.sealed_flags is not None
                for table in (t.record, t.file, t.held)
                for row in contents.rows(connection, table)
            )

    def test_a_hold_keeps_flags_as_long_as_the_record(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """They move with its row, and go with it when the hold is released."""
        tenant.put(DataClass.PROMPT, b"bad", subject="u")
        flagged(machine(domicile).screen(Watchful().as_classifier()))
        placed = place_hold(domicile)
        for hours in (24 * 29, 1, 1):
            work(domicile, hours=hours)

        kept = domicile.store.admin.holds.records(placed.hold.id)
        assert [one.flagged for one in kept] == [True]
        assert self.rows(domicile) == 1
        release_holds(domicile, placed)
        for _ in range(3):
            work(domicile, hours=24)
        assert self.rows(domicile) == 0


def test_a_person_opens_flags_under_a_grant_and_on_record(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Without a case it opens only what is flagged; the log says that it was the flags alone."""
    put_all(tenant, b"fine", b"bad")
    found = flagged(machine(domicile).screen(Watchful().as_classifier()))
    good, bad = sorted(found, key=lambda one: bool(found[one]))
    purpose = Purpose.ABUSE_INVESTIGATION
    spec = GrantSpec("acme-eu", purpose, INVESTIGATOR.id, Scope.tenant(), "A report.", 2, 8)
    grant = domicile.grant(spec)
    looking = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=grant.id)

    assert looking.flags(bad, purpose=purpose) == found[bad]
    with pytest.raises(PurposeRefused) as caught:
        looking.flags(good, purpose=purpose)
    assert caught.value.reasons == ("not_flagged",)
    with pytest.raises(PurposeRefused):
        looking.flags(bad, purpose=Purpose.SUBJECT_REQUEST)
    (opening,) = lines(domicile, LineKind.OPENING)
    assert (opening["record"], opening["part"]) == (str(bad), "flags")
    assert {line["part"] for line in lines(domicile, LineKind.REFUSAL)} == {"flags"}


def test_a_service_may_be_handed_flagged_records_alone(
    domicile: Domicile, tenant: BoundTenant, tmp_path: Path
) -> None:
    """As the topology says: before a record is flagged, nothing of it leaves."""
    topology = copytree(SHIPPED, tmp_path / "topology")
    raw = 'service = "moderation", form = "raw"'
    edit(topology / CLASSES, raw, f'{raw}, only = "flagged"')
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    put = domicile.tenant().put(DataClass.PROMPT, b"bad").id
    mine, mill = domicile.tenant(), machine(domicile)
    before = processor(domicile).calls[:]

    with pytest.raises(PurposeRefused) as caught:
        mine.hand_over(put, MODERATION)
    assert caught.value.reasons == ("not_flagged",)
    assert processor(domicile).calls == before
    flagged(mill.screen(Watchful().as_classifier()))
    made = mine.hand_over(put, MODERATION)
    by_machine = mill.hand_over(put, MODERATION)
    assert processor(domicile).copies == {made.copy: b"bad", by_machine.copy: b"bad"}
