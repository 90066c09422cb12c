"""The end of a contract: what the customer chose is done on its day, and nothing before."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.catalog import exits, identity, log
from storage.client.tenant import BoundTenant
from storage.errors import ApiKeyInvalid, CatalogUnavailable, ExitRefused, InvalidRequest, NotFound
from storage.model import (
    Agreement,
    DataClass,
    Dpa,
    Erasure,
    ErasureState,
    ExitKind,
    ExitState,
    KeyScope,
    LineKind,
    Purpose,
    Reason,
    RecordId,
    RegionStatus,
    TenantExit,
)
from storage.policy import ExitReason
from storage.testing import SERVICE, Domicile
from tests.support.actions import GONE, duty, work
from tests.support.catalogs.databases import HOME
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import home
from tests.support.people import acting, staff
from tests.support.topology_files import RESIDENCIES, SHIPPED, edit, use_topology

pytestmark = pytest.mark.one_region

SIGNED = date(2026, 1, 5)
TOLD = "e" * 64
ASKED = "d" * 64


@pytest.fixture(autouse=True)
def people(domicile: Domicile) -> None:
    """Two people of the roster, and who keeps it."""
    staff(domicile.settings, domicile.clock.now(), "kim", "alice", "bob")


def today(domicile: Domicile) -> date:
    """Return the UTC day of the fixture."""
    return domicile.clock.now().date()


def leaver(domicile: Domicile) -> RecordId:
    """Store something of a tenant, whose agreement then ends on the next day."""
    t = domicile.tenant(agreements=[Dpa(signed=SIGNED)])
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    t.put(DataClass.FINE_TUNING_FILE, b"my file")
    (dpa,) = domicile.store.admin.agreements.list("acme-eu")
    domicile.store.admin.agreements.end(dpa.id, until=today(domicile) + timedelta(1))
    return put.id


def choose(domicile: Domicile, kind: ExitKind = ExitKind.DELETE, days: int = 5) -> TenantExit:
    """Record a choice, as alice."""
    with acting(home(domicile), "alice"):
        return domicile.store.admin.exits.choose(
            "acme-eu", kind, on=today(domicile) + timedelta(days), document=ASKED
        )


def notify(domicile: Domicile, choice: TenantExit, who: str = "alice") -> TenantExit:
    """Record that the customer had notice."""
    with acting(home(domicile), who):
        return domicile.store.admin.exits.notify(choice.id, document=TOLD)


def confirm(domicile: Domicile, choice: TenantExit, who: str = "bob") -> TenantExit:
    """Confirm it, as another person."""
    with acting(home(domicile), who):
        return domicile.store.admin.exits.confirm(choice.id)


def settle(domicile: Domicile, kind: ExitKind = ExitKind.DELETE, days: int = 5) -> TenantExit:
    """Record a choice with its notice, and have it confirmed."""
    choice = choose(domicile, kind, days)
    notify(domicile, choice)
    return confirm(domicile, choice)


def erasures(domicile: Domicile) -> list[Erasure]:
    """Return the erasures of the home region."""
    return list(domicile.store.erasures(HOME))


def status(domicile: Domicile) -> RegionStatus:
    """Return the status of the home region."""
    return next(one for one in domicile.store.status().regions if one.region == HOME)


def body(domicile: Domicile, record: RecordId) -> bytes:
    """Return a record for the tenant's own service: it is how data is returned."""
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    return t.get(record, purpose=Purpose.SERVE).body


def renew(domicile: Domicile, since: date | None = None) -> None:
    """Record a renewed agreement."""
    new = Agreement("dpa", today(domicile), since=since, document=ASKED, signatory="Ada Example")
    domicile.store.admin.agreements.add("acme-eu", new)


def end_newest(domicile: Domicile) -> None:
    """End the newest agreement: tomorrow is the first day without it."""
    newest = domicile.store.admin.agreements.list("acme-eu")[-1]
    domicile.store.admin.agreements.end(newest.id, until=today(domicile) + timedelta(1))


@pytest.mark.parametrize("kind", ExitKind)
def test_it_is_carried_out_on_its_day_and_not_before(domicile: Domicile, kind: ExitKind) -> None:
    """Once: readable until then, then erased as a contract that has ended, with a receipt."""
    record = leaver(domicile)
    choice = settle(domicile, kind)
    assert choice.state is ExitState.CONFIRMED
    work(domicile, days=4)
    assert body(domicile, record) == b"mine"
    assert erasures(domicile) == []

    for hours in (24, 1, 73, 1, 1):
        work(domicile, hours=hours)

    (erasure,) = erasures(domicile)
    assert (erasure.reason, erasure.state) == (Reason.CONTRACT_END, ErasureState.COMPLETE)
    assert erasure.receipt is not None
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert (found.state, found.erasure) == (ExitState.CARRIED_OUT, erasure.id)
    with pytest.raises(GONE):
        body(domicile, record)
    assert status(domicile).overdue_exits == 0


def test_the_api_keys_of_a_tenant_end_with_its_contract(domicile: Domicile) -> None:
    """On the day, not before: until then it fetches its data. Those of another tenant go on."""
    leaver(domicile)
    domicile.tenant("other")
    keys = domicile.store.admin.api_keys
    its, others = (keys.create(name, KeyScope.READ).secret for name in ("acme-eu", "other"))
    settle(domicile)
    work(domicile, days=4)
    assert keys.identify(its).tenant == "acme-eu"

    work(domicile, days=1)

    with pytest.raises(ApiKeyInvalid):
        keys.identify(its)
    assert keys.list("acme-eu") == []
    assert keys.identify(others).tenant == "other"


def test_a_renewed_contract_keeps_its_api_keys(domicile: Domicile) -> None:
    """The exit that it stops takes nothing along."""
    leaver(domicile)
    secret = domicile.store.admin.api_keys.create("acme-eu", KeyScope.READ).secret
    choice = settle(domicile)
    domicile.pass_time(days=5)
    renew(domicile)

    with home(domicile).catalog.begin() as connection:  # as a worker that saw it due just before
        decided = exits.begin(connection, choice.id, domicile.clock.now())

    assert decided is not ExitReason.ALLOWED
    assert domicile.store.admin.api_keys.identify(secret).tenant == "acme-eu"


def test_deleted_at_our_sub_processors_too(domicile: Domicile) -> None:
    """A copy that was handed over is asked back, and the receipt waits for it."""
    t = domicile.tenant(agreements=[Dpa(signed=SIGNED)])
    record = t.put(DataClass.PROMPT, b"mine", subject="u").id
    t.hand_over(record, "klarblick")
    (dpa,) = domicile.store.admin.agreements.list("acme-eu")
    domicile.store.admin.agreements.end(dpa.id, until=today(domicile) + timedelta(1))
    settle(domicile)
    assert len(domicile.processors["klarblick"].copies) == 1

    work(domicile, days=5)
    for hours in (1, 73, 1, 1, 1):
        work(domicile, hours=hours)

    (erasure,) = erasures(domicile)
    assert erasure.state is ErasureState.COMPLETE
    assert len(domicile.processors["klarblick"].copies) == 0


@pytest.mark.parametrize("missing", ["choice", "notice", "confirmation"])
def test_without_choice_notice_or_confirmation_it_is_readable_and_overdue(
    domicile: Domicile, missing: str
) -> None:
    """Nothing is erased, however long ago the day was; what was chosen later is done later."""
    record = leaver(domicile)
    assert status(domicile).overdue_exits == 0
    if missing != "choice":
        choice = choose(domicile)
        if missing == "confirmation":
            notify(domicile, choice)
    work(domicile, days=6)

    assert erasures(domicile) == []
    assert status(domicile).overdue_exits == 1
    assert body(domicile, record) == b"mine"

    settle(domicile, days=1)
    assert status(domicile).overdue_exits == 0
    work(domicile, days=1)
    assert len(erasures(domicile)) == 1


@pytest.mark.parametrize("ahead", [0, 30])
def test_a_renewal_that_is_recorded_late_finds_everything_there(
    domicile: Domicile, ahead: int
) -> None:
    """It stops what was confirmed, also if its first day lies ahead."""
    record = leaver(domicile)
    settle(domicile)
    work(domicile, days=4)
    renew(domicile, today(domicile) + timedelta(ahead) if ahead else None)

    work(domicile, days=9)

    assert erasures(domicile) == []
    assert body(domicile, record) == b"mine"
    assert status(domicile).overdue_exits == 0


def test_a_choice_does_not_outlive_a_renewal(domicile: Domicile) -> None:
    """What is stored under the new contract stays when that ends, and is overdue: choose anew."""
    leaver(domicile)
    choice = settle(domicile)
    work(domicile, days=4)
    renew(domicile)
    work(domicile, days=9)
    new = domicile.store.tenant("acme-eu").bind(SERVICE).put(DataClass.FINE_TUNING_FILE, b"new")
    end_newest(domicile)
    work(domicile, days=1)
    work(domicile, hours=1)

    assert erasures(domicile) == []
    assert body(domicile, new.id) == b"new"
    assert status(domicile).overdue_exits == 1
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.LAPSED
    with pytest.raises(ExitRefused) as caught:
        confirm(domicile, choice)
    assert caught.value.reasons == ("lapsed",)

    settle(domicile, days=1)
    assert status(domicile).overdue_exits == 0
    work(domicile, days=1)
    assert len(erasures(domicile)) == 1


def end_as_of(domicile: Domicile, until: date) -> None:
    """Record that the newest agreement has ended on a day in the past."""
    newest = domicile.store.admin.agreements.list("acme-eu")[-1]
    domicile.store.admin.agreements.end(newest.id, until=until)


def end_as_before(domicile: Domicile, until: date) -> None:
    """As an older process does, which knows agreements as a table."""
    newest = domicile.store.admin.agreements.list("acme-eu")[-1].agreement
    said = "INSERT INTO agreement (tenant, kind, signed, until) VALUES ('acme-eu', 'dpa', :a, :b)"
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(said), {"a": newest.begins, "b": until})


@pytest.mark.parametrize("end", [end_as_of, end_as_before])
def test_an_end_in_the_past_revives_no_choice(
    domicile: Domicile, end: Callable[[Domicile, date], None]
) -> None:
    """Not back to the day of the exit: what was stored meanwhile stays, and is overdue."""
    leaver(domicile)
    choice = settle(domicile)
    work(domicile, days=4)
    renew(domicile)
    work(domicile, days=9)
    new = domicile.store.tenant("acme-eu").bind(SERVICE).put(DataClass.FINE_TUNING_FILE, b"new")
    end(domicile, choice.on)
    work(domicile, days=1)
    work(domicile, hours=1)

    assert erasures(domicile) == []
    assert body(domicile, new.id) == b"new"
    assert status(domicile).overdue_exits == 1
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.LAPSED
    with pytest.raises(ExitRefused) as caught:
        confirm(domicile, choice)
    assert caught.value.reasons == ("lapsed",)
    with home(domicile).catalog.begin() as connection:
        decided = exits.begin(connection, choice.id, domicile.clock.now())
    assert decided is ExitReason.LAPSED

    settle(domicile, days=1)
    work(domicile, days=1)
    assert len(erasures(domicile)) == 1


def test_a_renewal_that_is_forgotten_revives_no_choice(domicile: Domicile) -> None:
    """It is forgotten a while after its end, because an entry was recorded after it."""
    leaver(domicile)
    settle(domicile)
    end = today(domicile) + timedelta(9)
    renewed = Agreement("dpa", today(domicile), end, None, ASKED, "Ada Example")
    domicile.store.admin.agreements.add("acme-eu", renewed)
    work(domicile, days=9)
    older = Agreement("dpa", SIGNED, SIGNED + timedelta(9), None, ASKED, "Ada Example")
    domicile.store.admin.agreements.add("acme-eu", older)
    recorded = len(domicile.store.admin.agreements.list("acme-eu"))
    for _ in range(3):
        work(domicile, days=400)

    assert len(domicile.store.admin.agreements.list("acme-eu")) < recorded
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.LAPSED
    assert erasures(domicile) == []


@pytest.fixture
def without(domicile: Domicile, tmp_path: Path) -> BoundTenant:
    """A tenant that never had an agreement: its residency asks for none."""
    folder = shutil.copytree(SHIPPED, tmp_path / "topology")
    edit(folder / RESIDENCIES, 'agreements = ["dpa"]', "agreements = []")
    use_topology(domicile, folder)
    tenant = domicile.tenant(agreements=[])
    tenant.put(DataClass.FINE_TUNING_FILE, b"my file")
    return tenant


def test_what_the_customer_of_a_tenant_without_agreement_chose_is_carried_out(
    domicile: Domicile, without: BoundTenant
) -> None:
    """There is no agreement to wait for."""
    settle(domicile)
    work(domicile, days=4)
    assert erasures(domicile) == []

    work(domicile, days=1)

    assert len(erasures(domicile)) == 1
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.CARRIED_OUT
    assert status(domicile).overdue_exits == 0


def test_the_choice_of_a_tenant_without_agreement_is_overdue_after_its_day(
    domicile: Domicile, without: BoundTenant
) -> None:
    """If nobody confirmed it. A tenant whose customer chose nothing is not overdue."""
    assert status(domicile).overdue_exits == 0
    choose(domicile)
    for days in (5, 1):
        assert status(domicile).overdue_exits == 0
        work(domicile, days=days)

    assert status(domicile).overdue_exits == 1
    assert erasures(domicile) == []


def test_what_is_stored_under_a_renewal_that_is_called_off_later_is_overdue(
    domicile: Domicile,
) -> None:
    """What was carried out for the contract before says nothing of it."""
    leaver(domicile)
    settle(domicile)
    work(domicile, days=9)
    renew(domicile)
    since = today(domicile)
    work(domicile, days=9)
    new = domicile.store.tenant("acme-eu").bind(SERVICE).put(DataClass.FINE_TUNING_FILE, b"new")
    end_as_of(domicile, since)
    work(domicile, days=1)

    assert body(domicile, new.id) == b"new"
    assert status(domicile).overdue_exits == 1
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.CARRIED_OUT


def test_a_renewal_that_is_called_off_before_the_day_changes_nothing(domicile: Domicile) -> None:
    """It was in force on no day of the exit's or later: the choice stands."""
    leaver(domicile)
    settle(domicile, days=365 * 100)  # the catalog knows the day of recording from its own clock
    renew(domicile)
    end_as_of(domicile, today(domicile))
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.CONFIRMED


def test_a_second_end_is_overdue_too(domicile: Domicile) -> None:
    """What was carried out for the contract before says nothing of it."""
    leaver(domicile)
    settle(domicile)
    for hours in (24 * 5, 1, 73, 1, 1):
        work(domicile, hours=hours)
    assert [one.state for one in erasures(domicile)] == [ErasureState.COMPLETE]
    renew(domicile)
    new = domicile.store.tenant("acme-eu").bind(SERVICE).put(DataClass.FINE_TUNING_FILE, b"new")
    end_newest(domicile)
    assert status(domicile).overdue_exits == 0
    work(domicile, days=40)

    assert body(domicile, new.id) == b"new"
    assert status(domicile).overdue_exits == 1
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.CARRIED_OUT


def test_a_renewal_between_the_look_and_the_erasure_stops_it(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is decided again in the transaction that would erase."""
    record = leaver(domicile)
    settle(domicile)
    domicile.pass_time(days=5)
    look = exits.next_due

    def look_then_renew(*given: object) -> exits.DueExit | None:
        found = look(*given)  # type: ignore[arg-type]
        if found is not None:
            renew(domicile)
        return found

    monkeypatch.setattr(exits, "next_due", look_then_renew)
    duty(domicile, "exits")

    assert erasures(domicile) == []
    assert body(domicile, record) == b"mine"


def test_a_renewal_stops_an_erasure_whose_writer_died(domicile: Domicile) -> None:
    """Its entry is in the ledger already, but nobody made it true: it is abandoned."""
    record = leaver(domicile)
    settle(domicile)
    domicile.pass_time(days=5)
    with domicile.catalog_faults(HOME) as faults:
        faults.drop_before_commit("begin_exit")
        with pytest.raises(CatalogUnavailable):
            duty(domicile, "exits")
    renew(domicile)

    work(domicile, hours=1)

    assert erasures(domicile) == []
    assert body(domicile, record) == b"mine"


def test_what_a_hold_keeps_stays(domicile: Domicile) -> None:
    """The erasure is deferred, and goes on when the hold is released."""
    leaver(domicile)
    placed = place_hold(domicile)
    settle(domicile)
    work(domicile, days=5)
    work(domicile, hours=1)
    (erasure,) = erasures(domicile)
    assert erasure.state is ErasureState.DEFERRED

    release_holds(domicile, placed)
    for hours in (1, 73, 1, 1):
        work(domicile, hours=hours)

    (erasure,) = erasures(domicile)
    assert erasure.state is ErasureState.COMPLETE


class TestRefusals:
    """By name, and nothing is left behind."""

    def rows(self, domicile: Domicile) -> int:
        """Count what exits leave in the catalog."""
        with home(domicile).catalog.begin() as connection:
            counts = (
                "SELECT (SELECT count(*) FROM exit_choice) + (SELECT count(*) FROM exit_step)"
                " + (SELECT count(*) FROM log_line)"
            )
            return connection.scalar(text(counts)) or 0

    def test_each_is_refused_by_its_name(self, domicile: Domicile) -> None:
        """A process, a day that is not ahead, an early, an own and a late confirmation."""
        leaver(domicile)
        api, ahead = domicile.store.admin.exits, today(domicile) + timedelta(1)
        choice = choose(domicile)
        notified = choose(domicile)
        notify(domicile, notified)
        before = self.rows(domicile)
        said = []
        acts: tuple[tuple[str, Callable[[], object]], ...] = (
            (
                "postgres",
                lambda: api.choose("acme-eu", ExitKind.DELETE, on=ahead, document=ASKED),
            ),
            (
                "alice",
                lambda: api.choose("acme-eu", ExitKind.DELETE, on=today(domicile), document=ASKED),
            ),
            ("bob", lambda: api.confirm(choice.id)),
            ("bob", lambda: api.notify(choice.id, document=TOLD)),
            ("alice", lambda: api.confirm(notified.id)),
        )
        for who, act in acts:
            with acting(home(domicile), who), pytest.raises(ExitRefused) as caught:
                act()
            said.append(caught.value.reasons)

        assert said == [
            ("person_not_in_force",),
            ("day_not_ahead",),
            ("replaced",),
            ("replaced",),
            ("confirmer_requested_it",),
        ]
        assert self.rows(domicile) == before

    def test_a_confirmed_choice_that_was_replaced_is_not_confirmed_again(
        self, domicile: Domicile
    ) -> None:
        """Whoever asks learns that it does not count. The one that counts stays confirmed."""
        leaver(domicile)
        old = settle(domicile)
        assert confirm(domicile, old).state is ExitState.CONFIRMED

        choose(domicile, days=50)

        with pytest.raises(ExitRefused) as caught:
            confirm(domicile, old)
        assert caught.value.reasons == ("replaced",)

    def test_malformed_arguments_are_invalid(self, domicile: Domicile) -> None:
        """And what nobody chose is not found."""
        api = domicile.store.admin.exits
        leaver(domicile)
        on = today(domicile) + timedelta(1)
        moment = datetime.now(UTC)

        for given in (
            {"kind": "delete", "on": on, "document": ASKED},
            {"kind": ExitKind.DELETE, "on": moment, "document": ASKED},
            {"kind": ExitKind.DELETE, "on": on, "document": "x"},
        ):
            with pytest.raises(InvalidRequest):
                api.choose("acme-eu", **given)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            api.notify("0" * 32, document="x")
        with pytest.raises(NotFound):
            api.confirm("0" * 32)


def test_each_step_is_in_the_log(domicile: Domicile) -> None:
    """With who did it, and the digests of what the customer asked for and was told."""
    leaver(domicile)
    settle(domicile)

    lines = domicile.store.admin.log.lines(HOME, kind=LineKind.AGREEMENT)
    states = [line.text for line in lines if line.text and '"exit"' in line.text]
    assert len(states) == 3
    assert [s for s in ("chosen", "notified", "confirmed") if any(s in x for x in states)] == [
        "chosen",
        "notified",
        "confirmed",
    ]
    assert TOLD in states[-1]
    assert '"confirmed_by":"bob"' in states[-1]


def test_a_line_about_a_recovery_that_a_login_adds_stops_no_exit(domicile: Domicile) -> None:
    """Whatever time it says: what counts is what the catalog noted itself."""
    leaver(domicile)
    settle(domicile)
    region = home(domicile)
    for later in (timedelta(hours=1), timedelta(days=365 * 7000)):
        with region.catalog.begin() as connection:
            at = region.clock.now() + later
            log.append(connection, LineKind.RECOVERY, {}, at, region.entropy)

    work(domicile, days=5)

    assert len(erasures(domicile)) == 1


def test_a_confirmation_from_before_a_recovery_does_not_count(domicile: Domicile) -> None:
    """An agreement may be lost with the catalog: people look again, and confirm again."""
    leaver(domicile)
    choice = settle(domicile)
    region = home(domicile)
    domicile.pass_time(hours=1)
    with region.catalog.begin() as connection:
        identity.begin_recovery(connection)
    with region.catalog.begin() as connection:
        identity.accept(connection)
    work(domicile, days=5)
    assert erasures(domicile) == []
    (found,) = domicile.store.admin.exits.list("acme-eu")
    assert found.state is ExitState.NOTIFIED
    assert status(domicile).overdue_exits == 1

    confirm(domicile, choice)
    work(domicile, hours=1)

    assert len(erasures(domicile)) == 1
