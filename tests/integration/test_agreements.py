"""The history of agreements: by the API, in the catalog, and for processes of older versions."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from regions.model import AgreementKind
from storage.catalog import agreements as stored
from storage.errors import (
    AgreementMissing,
    AgreementRefused,
    DomicileError,
    InvalidRequest,
    NotFound,
    PurposeRefused,
    UnknownTenant,
)
from storage.model import (
    Agreement,
    DataClass,
    Dpa,
    FineTuning,
    LineKind,
    Purpose,
    RecordedAgreement,
    RegionStatus,
    TenantSpec,
    Trait,
)
from storage.testing import Domicile
from tests.support.actions import duty, work
from tests.support.catalogs.databases import HOME, catalog_of
from tests.support.inspect.stored import home
from tests.support.topologies import with_baas

pytestmark = pytest.mark.one_region

DOCUMENT = "d" * 64
SIGNED = date(2026, 1, 5)
NEVER = "no agreement"


def agreement(kind: AgreementKind = "dpa", **other: object) -> Agreement:
    """Return an agreement that may be recorded."""
    given: dict[str, object] = {"signed": SIGNED, "document": DOCUMENT, "signatory": "Ada Example"}
    return Agreement(kind, **(given | other))  # type: ignore[arg-type]


def add(domicile: Domicile, one: Agreement, tenant: str = "acme-eu") -> RecordedAgreement:
    """Record an agreement."""
    return domicile.store.admin.agreements.add(tenant, one)


def today(domicile: Domicile) -> date:
    """Return the UTC day of the fixture."""
    return domicile.clock.now().date()


def everything(domicile: Domicile) -> list[object]:
    """Return the rows that an agreement leaves in the catalog."""
    with home(domicile).catalog.begin() as connection:
        return [
            connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all()  # noqa: S608
            for table in ("agreement_entry", "log_line", "tenant")
        ]


class TestHistory:
    def test_what_is_recorded_is_there_with_who_and_when(self, domicile: Domicile) -> None:
        """In the history, in the terms, and in the log, which does not name who signed."""
        domicile.tenant(agreements=[])
        new = add(domicile, agreement(since=date(2026, 2, 1), until=date(2029, 1, 1)))

        (found,) = domicile.store.admin.agreements.list("acme-eu")
        assert found == new
        assert found.agreement == agreement(since=date(2026, 2, 1), until=date(2029, 1, 1))
        assert (found.recorded_by, found.supersedes) == ("postgres", None)
        assert domicile.store.admin.tenants.get("acme-eu").agreements == (found.agreement,)
        line = domicile.store.admin.log.lines(HOME, kind=LineKind.AGREEMENT)[-1]
        assert line.text is not None
        assert DOCUMENT in line.text
        assert str(new.id) in line.text
        assert "Ada" not in line.text

    def test_an_end_is_another_entry_and_counts_from_its_day(self, domicile: Domicile) -> None:
        """Also from a day that has passed. What was in force before stays known."""
        domicile.tenant(agreements=[])
        first = add(domicile, agreement())
        ended = domicile.store.admin.agreements.end(first.id, until=date(2026, 2, 1))

        history = domicile.store.admin.agreements.list("acme-eu")
        assert [entry.id for entry in history] == [first.id, ended.id]
        assert ended.supersedes == first.id
        assert ended.agreement == replace(first.agreement, until=date(2026, 2, 1))
        listed = domicile.store.admin.agreements.list
        assert [e.id for e in listed("acme-eu", on=date(2026, 1, 31))] == [ended.id]
        assert listed("acme-eu", on=date(2026, 2, 1)) == []
        with pytest.raises(AgreementRefused) as caught:
            domicile.store.admin.agreements.end(first.id, until=date(2026, 3, 1))
        assert caught.value.reasons == ("superseded_already",)

    def test_ensure_deletes_no_history(self, domicile: Domicile) -> None:
        """What is not in the terms stays; a repetition from before an end undoes nothing."""
        domicile.tenant()
        add(domicile, agreement(signed=date(2026, 1, 9)))
        (before, other) = domicile.store.admin.agreements.list("acme-eu")
        domicile.tenant()
        domicile.tenant(agreements=[])
        domicile.store.admin.agreements.end(before.id, until=date(2026, 2, 1))
        domicile.store.admin.agreements.end(other.id, until=date(2026, 2, 1))
        domicile.tenant()

        history = domicile.store.admin.agreements.list("acme-eu")
        assert len(history) == 4
        assert {e.until for e in domicile.store.admin.tenants.get("acme-eu").agreements} == {
            date(2026, 2, 1)
        }

    def test_ensure_with_another_end_supersedes(self, domicile: Domicile) -> None:
        """As ``domicile tenant ensure --dpa DATE --dpa-until DATE`` does."""
        domicile.tenant()
        domicile.tenant(agreements=[Dpa(signed=SIGNED, until=date(2026, 2, 1))])

        before, after = domicile.store.admin.agreements.list("acme-eu")
        assert after.supersedes == before.id
        with pytest.raises(AgreementMissing):
            domicile.store.tenant("acme-eu").put(DataClass.PROMPT, b"late")

    def test_a_tenant_that_is_made_again_begins_without_a_history(self, domicile: Domicile) -> None:
        """The old one stays in the catalog, as evidence; the same terms count again."""
        domicile.tenant()
        add(domicile, agreement("enterprise"))
        domicile.store.admin.tenants.remove("acme-eu")
        domicile.tenant()

        (only,) = domicile.store.admin.agreements.list("acme-eu")
        assert only.agreement == Dpa(signed=SIGNED)
        with home(domicile).catalog.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM agreement_entry")) == 3
        domicile.store.tenant("acme-eu").put(DataClass.PROMPT, b"again")


ADDED = {
    "signed_in_future": agreement(signed=date(2026, 3, 2)),
    "before_founded": agreement(signed=date(1999, 1, 1)),
    "ends_before_it_begins": agreement(until=SIGNED),
    "baa_without_enterprise": agreement("baa"),
}


@pytest.mark.parametrize("reason", ADDED)
def test_what_cannot_be_is_refused_by_name_and_leaves_nothing(
    domicile: Domicile, reason: str
) -> None:
    """Neither a row, nor a line, nor other terms: by itself and in the terms of a tenant."""
    domicile.tenant()
    before = everything(domicile)
    wrong = ADDED[reason]
    assert today(domicile) == date(2026, 3, 1)

    refusals = []
    for act in (lambda: add(domicile, wrong), lambda: domicile.tenant(agreements=[wrong])):
        with pytest.raises(AgreementRefused) as caught:
            act()
        refusals.append(caught.value.reasons)

    assert refusals == [(reason,)] * 2
    assert everything(domicile) == before
    with pytest.raises(AgreementRefused):
        domicile.tenant("new", agreements=[wrong])
    with pytest.raises(UnknownTenant):
        domicile.store.admin.tenants.get("new")


def test_a_superseding_entry_must_fit(domicile: Domicile) -> None:
    """It is of the same kind and tenant; what nobody recorded is not found."""
    domicile.tenant()
    domicile.tenant("other")
    (dpa,) = domicile.store.admin.agreements.list("acme-eu")
    add = domicile.store.admin.agreements.add
    before = everything(domicile)

    with pytest.raises(AgreementRefused) as caught:
        add("acme-eu", agreement("use_case"), supersedes=dpa.id)
    with pytest.raises(NotFound):
        add("other", agreement(), supersedes=dpa.id)
    with pytest.raises(NotFound):
        domicile.store.admin.agreements.end("0" * 32, until=SIGNED)

    assert caught.value.reasons == ("another_kind",)
    assert everything(domicile) == before


WRONG = {
    "no agreement": NEVER,
    "an unknown kind": agreement("nda"),  # type: ignore[arg-type]
    "no document": agreement(document=None),
    "a document that is no digest": agreement(document="x"),
    "no signatory": agreement(signatory=None),
    "a long signatory": agreement(signatory="x" * 201),
    "a date in text": agreement(signed="2026-01-05"),
    "a first day in text": agreement(since="2026-01-05"),
    "an end in text": agreement(until="2026-01-05"),
}


@pytest.mark.parametrize("what", WRONG)
def test_malformed_ones_are_invalid(domicile: Domicile, what: str) -> None:
    """The error shows no value."""
    domicile.tenant()

    with pytest.raises(InvalidRequest) as caught:
        domicile.store.admin.agreements.add("acme-eu", WRONG[what])  # type: ignore[arg-type]

    assert "x" * 201 not in str(caught.value)


class TestAfterTheEnd:
    """An agreement that ended: writes stop, reads go on, and status counts what is stored."""

    def test_writes_stop_reads_go_on_and_status_counts_what_is_stored(
        self, domicile: Domicile
    ) -> None:
        """From the day of the end on; a renewal that is recorded late finds everything there."""
        t = domicile.tenant(agreements=[Dpa(signed=SIGNED)])
        put = t.put(DataClass.PROMPT, b"mine", subject="u")
        t.put(DataClass.PROMPT, b"mine too")
        (dpa,) = domicile.store.admin.agreements.list("acme-eu")
        domicile.store.admin.agreements.end(dpa.id, until=today(domicile) + timedelta(2))
        assert status(domicile).stored_without_agreement == 0

        domicile.pass_time(days=3)
        work(domicile)

        with pytest.raises(AgreementMissing) as caught:
            t.put(DataClass.PROMPT, b"late")
        assert caught.value.reasons == ("dpa_expired",)
        assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"
        state = status(domicile)
        assert (state.stored_without_agreement, state.ended_agreements) == (2, 1)
        assert state.overdue_exits == 1

        add(domicile, agreement(signed=today(domicile)))
        assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"
        t.put(DataClass.PROMPT, b"again")
        state = status(domicile)
        assert (state.stored_without_agreement, state.overdue_exits) == (0, 0)

    def test_other_kinds_that_lapse_only_stop_writes(self, phi: Domicile) -> None:
        """What is stored is read for every purpose, and no exit is due."""
        t = phi.tenant(agreements=FOR_PHI, traits=frozenset({Trait.PHI}))
        put = t.put(DataClass.PROMPT, b"mine")
        lapsed = phi.store.admin.agreements.list("acme-eu", on=today(phi))
        (baa,) = (entry for entry in lapsed if entry.agreement.kind == "baa")
        phi.store.admin.agreements.end(baa.id, until=today(phi))

        with pytest.raises(AgreementMissing) as caught:
            t.put(DataClass.PROMPT, b"late")
        assert caught.value.reasons == ("baa_expired",)
        assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"
        state = status(phi)
        assert (state.stored_without_agreement, state.overdue_exits) == (1, 0)

    def test_it_is_read_for_return_alone(self, domicile: Domicile) -> None:
        """No fine-tuning and no copy to a processor; reading to return it goes on."""
        t = domicile.tenant(agreements=[Dpa(signed=SIGNED)])
        file, job = t.put(DataClass.FINE_TUNING_FILE, b"mine"), FineTuning("job-1", "model-1")
        t.models.add(job.model, by="ops")
        assert t.get(file.id, purpose=Purpose.FINE_TUNE, tuning=job).body == b"mine"
        (dpa,) = domicile.store.admin.agreements.list("acme-eu")
        domicile.store.admin.agreements.end(dpa.id, until=today(domicile))

        with pytest.raises(PurposeRefused) as caught:
            t.get(file.id, purpose=Purpose.FINE_TUNE, tuning=job)
        assert caught.value.reasons == ("for_return_alone",)
        with pytest.raises(DomicileError):
            t.hand_over(file.id, "handverlesen")
        assert t.get(file.id, purpose=Purpose.SERVE).body == b"mine"


FOR_PHI = [agreement(kind) for kind in ("dpa", "enterprise", "baa", "use_case")]


@pytest.fixture
def phi(domicile: Domicile, tmp_path: Path) -> Domicile:
    """The fixture with a business associate agreement of each company."""
    domicile.settings = domicile.settings.model_copy(update={"topology": with_baas(tmp_path)})
    domicile.open()
    return domicile


def status(domicile: Domicile) -> RegionStatus:
    """Return the status of the home region."""
    return next(one for one in domicile.store.status().regions if one.region == HOME)


def test_hipaa_needs_a_baa_an_enterprise_agreement_and_a_qualifying_use_case(
    phi: Domicile,
) -> None:
    """Each is missing by its name, until all are recorded."""
    t = phi.tenant(traits=frozenset({Trait.PHI}))
    missing = []
    kinds: tuple[AgreementKind, ...] = ("enterprise", "baa", "use_case")
    for kind in kinds:
        with pytest.raises(AgreementMissing) as caught:
            t.put(DataClass.PROMPT, b"health")
        missing.append(caught.value.reasons)
        add(phi, agreement(kind))

    assert missing == [
        ("baa_missing", "enterprise_missing", "use_case_missing"),
        ("baa_missing", "use_case_missing"),
        ("use_case_missing",),
    ]
    t.put(DataClass.PROMPT, b"health")


class TestOlderCode:
    """A process of an older version runs on: what it deletes stays, what it inserts is added."""

    DELETE = "DELETE FROM agreement WHERE tenant = 'acme-eu'"
    INSERT = (
        "INSERT INTO agreement (tenant, kind, signed, until) VALUES "
        "('acme-eu', 'dpa', :signed, :until)"
    )

    def ensure_as_before(
        self, domicile: Domicile, signed: date, until: date | None = None
    ) -> list[tuple[object, ...]]:
        """Replace the agreements as older code does; return what older code then reads."""
        with catalog_of(domicile.settings) as connection:
            connection.execute(text("SET ROLE domicile_admin"))
            given = {"signed": signed, "until": until}
            connection.execute(text(self.DELETE))
            connection.execute(text(self.INSERT), given)
            read = "SELECT kind, signed, until FROM agreement WHERE tenant = 'acme-eu' ORDER BY 2"
            return [tuple(row) for row in connection.execute(text(read))]

    def test_a_repetition_changes_nothing(self, domicile: Domicile) -> None:
        """The row that it knows is the row that it finds."""
        domicile.tenant()

        found = self.ensure_as_before(domicile, SIGNED)

        assert found == [("dpa", SIGNED, None)]
        assert len(domicile.store.admin.agreements.list("acme-eu")) == 1

    def test_an_end_supersedes_and_is_not_undone(self, domicile: Domicile) -> None:
        """It finds what it wrote; and the older terms do not come back."""
        domicile.tenant()
        ended = date(2026, 2, 1)

        found = self.ensure_as_before(domicile, SIGNED, ended)
        again = self.ensure_as_before(domicile, SIGNED)

        assert found == again == [("dpa", SIGNED, ended)]
        before, after = domicile.store.admin.agreements.list("acme-eu")
        assert after.supersedes == before.id

    def test_another_one_is_added(self, domicile: Domicile) -> None:
        """Also one that it believes to be signed later: it begins then."""
        domicile.tenant()
        later = date(2100, 1, 1)

        found = self.ensure_as_before(domicile, later)

        assert found == [("dpa", SIGNED, None), ("dpa", later, None)]
        new = domicile.store.admin.agreements.list("acme-eu")[-1].agreement
        assert new.begins == later > new.signed


class TestForgetting:
    KEPT = 1096  # days in the EU: as long as holds

    def left(self, domicile: Domicile) -> int:
        """Return how many entries are in the catalog."""
        with home(domicile).catalog.begin() as connection:
            return connection.scalar(text("SELECT count(*) FROM agreement_entry")) or 0

    def ended(self, domicile: Domicile) -> None:
        """Make a tenant whose agreement ends tomorrow."""
        domicile.tenant()
        (dpa,) = domicile.store.admin.agreements.list("acme-eu")
        until = today(domicile) + timedelta(1)
        domicile.store.admin.agreements.end(dpa.id, until=until)

    def test_it_is_forgotten_when_the_jurisdiction_says_counted_from_its_end(
        self, domicile: Domicile
    ) -> None:
        """To the day, with what it supersedes."""
        self.ended(domicile)
        renewed = add(domicile, agreement())
        domicile.pass_time(days=self.KEPT + 1)
        duty(domicile, "prune")
        assert self.left(domicile) == 3

        domicile.pass_time(days=1)
        duty(domicile, "prune")

        assert self.left(domicile) == 1
        assert domicile.store.admin.agreements.list("acme-eu") == [renewed]

    def test_the_last_of_its_kind_stays_as_long_as_the_tenant(self, domicile: Domicile) -> None:
        """What the tenant may do rests on it; one of another kind is no reason to forget it."""
        self.ended(domicile)
        add(domicile, agreement("enterprise"))
        domicile.pass_time(days=self.KEPT + 9)
        duty(domicile, "prune")

        assert self.left(domicile) == 3

    def test_those_of_a_removed_tenant_go_that_long_after_its_end(self, domicile: Domicile) -> None:
        """Not before; and a tenant of the same id that came later keeps its own."""
        domicile.tenant()
        with home(domicile).catalog.begin() as connection:
            removed = (
                "SELECT remove_tenant('acme-eu')",
                "UPDATE tenant_removal SET at = :now",
            )
            connection.execute(text(removed[0]))
            connection.execute(text(removed[1]), {"now": domicile.clock.now()})
        domicile.store._homes.invalidate("acme-eu")
        domicile.tenant()
        domicile.pass_time(days=self.KEPT)
        work(domicile)
        assert self.left(domicile) == 2

        domicile.pass_time(days=2)
        work(domicile)

        assert self.left(domicile) == 1
        with home(domicile).catalog.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM tenant_removal")) == 0
            assert len(stored.of_tenant(connection, "acme-eu")) == 1


def test_the_terms_of_many_tenants_are_told_apart(domicile: Domicile) -> None:
    """Each has its own history."""
    dpa = Dpa(signed=SIGNED)
    for name in ("a", "b"):
        spec = TenantSpec(name, "acme", HOME, "EU", agreements=[dpa])
        domicile.store.admin.tenants.ensure(spec)
    add(domicile, agreement("enterprise"), "b")

    kinds = {
        spec.id: [one.kind for one in spec.agreements]
        for spec in domicile.store.admin.tenants.list(HOME)
    }
    assert kinds == {"a": ["dpa"], "b": ["dpa", "enterprise"]}


def test_what_a_record_may_be_used_for_goes_by_the_agreements_of_the_day_asked(
    domicile: Domicile,
) -> None:
    """Before it ends a file may be used; from that day on it is only read to be returned."""
    tenant = domicile.tenant()
    put = tenant.put_file([b"lines"])
    (dpa,) = domicile.store.admin.agreements.list("acme-eu")
    ends = today(domicile) + timedelta(days=10)
    domicile.store.admin.agreements.end(dpa.id, until=ends)

    def asked(at: date | None) -> tuple[bool, bool]:
        found = tenant.explain_purpose(put.id, purpose=Purpose.FINE_TUNE, at=at)
        return found.allowed, found.to_return

    assert asked(None) == (True, False)
    assert asked(ends - timedelta(days=1)) == (True, False)
    assert asked(ends) == (False, True)
    domicile.pass_time(days=11)
    assert asked(None) == (False, True)
    assert asked(ends - timedelta(days=1)) == (True, False)
