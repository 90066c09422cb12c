"""Training: what is handed out to a run, under which consent, and what it must not use again."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from storage.catalog import contents
from storage.catalog import tables as t
from storage.client.aio.store import AsyncStore
from storage.client.tenant import BoundTenant
from storage.client.training import Training
from storage.errors import (
    InvalidRequest,
    NotFound,
    PurposeRefused,
    ReceiptInvalid,
    UnknownTenant,
)
from storage.evidence.manifests import verify_manifests
from storage.model import (
    ActorKind,
    DataClass,
    ErasureState,
    ExclusionReason,
    LineKind,
    Purpose,
    Scope,
    Trait,
)
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.rows import all_state
from tests.support.inspect.stored import home
from tests.support.people import enter, person
from tests.support.screening import MILL, Watchful, flagged, machine, put_all
from tests.support.training import (
    FILES,
    PROMPTS,
    bodies,
    consent,
    opt_out,
    train,
    withdraw,
)
from tests.support.transparency import lines

pytestmark = pytest.mark.one_region

PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE
EARLY = datetime(2022, 6, 1, tzinfo=UTC)


@pytest.fixture
def tenant(training: Domicile) -> BoundTenant:
    """The tenant, bound to its own service."""
    return training.tenant()


def manifest_of(read: Training) -> list[str]:
    """Read everything, and return the lines of the manifest."""
    with read:
        entries = [one.entry for one in read]
    return [*entries, *read.manifests]


def listed(domicile: Domicile, run: str = "run-1") -> dict[str, ExclusionReason]:
    """Return what a run must not use any more, and why."""
    found = domicile.store.training_runs.exclusions(run)
    return {str(one.record): one.reason for one in found.records}


def test_not_used_for_training_unless_you_explicitly_decide_to_share(
    training: Domicile, tenant: BoundTenant
) -> None:
    """Nothing by default; from a consent on, what is submitted from that day on."""
    tenant.put(PROMPT, b"before the consent")
    read = train(training)
    assert bodies(read) == []
    assert read.skipped == {"not_opted_in": 1}

    training.pass_time(days=1)
    consent(training)
    tenant.put(PROMPT, b"after the consent")
    read = train(training)
    assert bodies(read) == [b"after the consent"]
    assert read.skipped == {"not_opted_in": 1}


def test_an_explicit_consent_may_cover_what_was_submitted_before(
    training: Domicile, tenant: BoundTenant
) -> None:
    """If it says from which day on."""
    tenant.put(PROMPT, b"of the day before")
    day = training.clock.now().date()
    training.pass_time(days=1)
    consent(training, covers_from=day)
    assert bodies(train(training)) == [b"of the day before"]


def test_files_are_not_trained_on_unless_the_wording_names_them(
    training: Domicile, tenant: BoundTenant
) -> None:
    """A consent to prompts says nothing about files."""
    tenant.put_file([b"a file"])
    consent(training)
    assert bodies(train(training, "r", "acme-eu", FILE)) == []
    consent(training, wording=FILES, classes=(FILE,))
    assert bodies(train(training, "r", "acme-eu", FILE)) == [b"a file"]


def test_the_shipped_topology_trains_on_nothing(domicile: Domicile) -> None:
    """Whatever is consented to: no class names the purpose."""
    tenant = domicile.tenant()
    tenant.put(PROMPT, b"mine")
    machine(domicile)
    (wording,) = home(domicile).topology.wordings
    consent(domicile, wording=wording)
    with pytest.raises(PurposeRefused) as caught:
        bodies(train(domicile))
    assert caught.value.reasons == ("purpose_not_allowed",)


def test_what_must_not_be_trained_on_is_left_out(training: Domicile, tenant: BoundTenant) -> None:
    """Erased, flagged, held, or refused by its subject; with the reasons, and nothing noted."""
    consent(training)
    tenant.put(PROMPT, b"good")
    put_all(tenant, b"bad")
    flagged(machine(training).screen(Watchful().as_classifier()))
    tenant.put(PROMPT, b"of ann", subject="ann")
    tenant.put(PROMPT, b"held", subject="u")
    tenant.put(PROMPT, b"erased", subject="gone")
    withdraw(training, subject="ann")
    erase(tenant, Scope.subject("gone"))
    placed = place_hold(training)

    read = train(training)
    assert bodies(read) == [b"good"]
    assert read.skipped == {"flagged": 1, "held": 1, "opted_out": 1}
    release_holds(training, placed)
    assert bodies(train(training)) == [b"good", b"held"]
    training.pass_time(days=40)
    assert bodies(train(training)) == []


def test_each_subject_is_asked_where_the_tenant_says_so(training: Domicile) -> None:
    """A record of nobody is not used, whatever the tenant consents to."""
    tenant = training.tenant(traits=frozenset({Trait.CONSENT_PER_SUBJECT}))
    for subject in ("ann", "ben", None):
        tenant.put(PROMPT, f"of {subject}".encode(), subject=subject)
    consent(training)
    consent(training, subject="ann")
    read = train(training)
    assert bodies(read) == [b"of ann"]
    assert read.skipped == {"not_opted_in": 1, "no_subject": 1}


@pytest.mark.parametrize(
    ("actor", "reason"),
    [
        (SERVICE, "actor_not_allowed"),
        (replace(MILL, kind=ActorKind.EMPLOYEE), "actor_not_allowed"),
        (replace(MILL, id="saw"), "unknown_actor"),
        (replace(MILL, employer="others"), "actor_differs"),
    ],
)
def test_machines_of_the_roster_alone_train(
    training: Domicile, tenant: BoundTenant, actor: object, reason: str
) -> None:
    """Nobody else is handed anything."""
    consent(training)
    tenant.put(PROMPT, b"mine")
    before = all_state(training)
    with pytest.raises(PurposeRefused) as caught:
        bodies(train(training, actor=actor))  # type: ignore[arg-type]
    assert caught.value.reasons == (reason,)
    assert all_state(training) == before


@pytest.mark.parametrize("stored", [False, True])
def test_a_machine_outside_the_roster_is_refused_by_a_tenant_without_records_too(
    training: Domicile, tenant: BoundTenant, *, stored: bool
) -> None:
    """Nothing is signed for it, not even that it was given nothing."""
    consent(training)
    if stored:
        tenant.put(PROMPT, b"mine")
    read = train(training, actor=replace(MILL, id="mill-9"))
    with pytest.raises(PurposeRefused) as caught:
        bodies(read)
    assert caught.value.reasons == ("unknown_actor",)
    assert read.manifests == ()
    assert bodies(train(training)) == ([b"mine"] if stored else [])


def test_a_machine_of_a_company_to_which_the_tenant_objects_trains_on_nothing(
    training: Domicile, tenant: BoundTenant
) -> None:
    """Its data does not go there, for training neither."""
    mill = person(MILL.id, kind=ActorKind.MACHINE, login=None, employer="klarblick")
    enter(training.settings, training.clock.now(), mill)
    consent(training)
    tenant.put(PROMPT, b"mine")
    actor = replace(MILL, employer="klarblick")
    assert bodies(train(training, actor=actor)) == [b"mine"]
    tenant.object("klarblick", by="ann", ticket="T-1")
    with pytest.raises(PurposeRefused) as caught:
        bodies(train(training, actor=actor))
    assert caught.value.reasons == ("company_objected_to",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenants": None},
        {"tenants": 5},
        {"tenants": []},
        {"tenants": [5]},
        {"classes": None},
        {"classes": 5},
        {"classes": []},
        {"since": "2026-01-01"},
        {"until": 5},
    ],
)
def test_malformed_arguments_of_a_training_read_are_invalid(
    training: Domicile, tenant: BoundTenant, wrong: dict[str, Any]
) -> None:
    """None is a read of nothing."""
    asked = {"tenants": "acme-eu", "classes": [PROMPT]} | wrong
    with pytest.raises(InvalidRequest):
        training.store.training(run="run-1", actor=MILL, **asked)


@pytest.mark.parametrize("run", [" run-1", "run-1 "])
def test_a_run_has_one_spelling(training: Domicile, tenant: BoundTenant, run: str) -> None:
    """Two that look alike would have two lists of what to give back."""
    with pytest.raises(InvalidRequest, match="must not begin or end with a space"):
        training.store.training("acme-eu", run=run, actor=MILL, classes=[PROMPT])


@pytest.mark.parametrize("listed", [datetime(2026, 1, 1, tzinfo=UTC).date(), None, "2026-01-01", 5])
def test_a_confirmation_names_a_moment(
    training: Domicile, tenant: BoundTenant, listed: object
) -> None:
    """Of a run, and of a model."""
    tenant.models.add("acme-model", by="ann")
    given: dict[str, Any] = {"listed": listed, "document": "d" * 64, "by": "ann"}
    with pytest.raises(InvalidRequest, match="listed must be a moment"):
        training.store.training_runs.confirm("run-1", **given)
    with pytest.raises(InvalidRequest, match="listed must be a moment"):
        tenant.models.confirm("acme-model", **given)


def test_a_tenant_that_is_named_twice_is_read_once(training: Domicile, tenant: BoundTenant) -> None:
    """As a class is."""
    consent(training)
    tenant.put(PROMPT, b"mine")
    read = training.store.training(
        ["acme-eu", "acme-eu"], run="run-1", actor=MILL, classes=[PROMPT, PROMPT]
    )
    assert bodies(read) == [b"mine"]
    assert len(read.manifests) == 1


def test_a_training_read_without_a_run_is_refused(training: Domicile, tenant: BoundTenant) -> None:
    """By argument, and by any other way to read."""
    consent(training)
    put = tenant.put(PROMPT, b"mine").id
    before = all_state(training)
    with pytest.raises(InvalidRequest, match="names its run"):
        train(training, None)  # type: ignore[arg-type]
    with pytest.raises(UnknownTenant):
        train(training, "run-1", "nobody-eu")
    with pytest.raises(PurposeRefused) as caught:
        training.store.tenant("acme-eu").bind(MILL).get(put, purpose=Purpose.TRAIN)
    assert caught.value.reasons == ("no_run",)
    assert all_state(training) == before


class TestWhileItRuns:
    def test_nothing_is_handed_out_seconds_after_a_withdrawal(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """What the page was permitted on is read again after two seconds."""
        consent(training)
        put_all(tenant, *(b"%d" % n for n in range(5)))
        with train(training) as read:
            records = iter(read)
            next(records)
            withdraw(training)
            training.pass_time(seconds=2)
            assert list(records) == []
        assert read.skipped == {"opted_out": 4}

    def test_a_page_that_is_read_slowly_is_decided_again_as_a_whole(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """The records that are left take no transaction each."""
        consent(training)
        put_all(tenant, *(b"%d" % n for n in range(40)))
        begun: list[Connection] = []
        note = begun.append
        with train(training) as read:
            records = iter(read)
            next(records)
            training.pass_time(seconds=2)
            event.listen(home(training).catalog.engine, "begin", note)
            assert len(list(records)) == 39
            event.remove(home(training).catalog.engine, "begin", note)
        assert 0 < len(begun) < 10

    def test_later_pages_are_not_handed_out_after_a_withdrawal(
        self, training: Domicile, tenant: BoundTenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At once: each page reads what was said."""
        monkeypatch.setattr("storage.training.reading._MOST", 2)
        monkeypatch.setattr("storage.policy.training.CONSENT_AGE", timedelta(hours=1))
        consent(training)
        put_all(tenant, *(b"%d" % n for n in range(6)))
        with train(training) as read:
            records = iter(read)
            next(records)
            withdraw(training)
            assert len(list(records)) == 1
        assert read.skipped == {"opted_out": 4}

    def test_what_is_erased_or_held_meanwhile_is_not_handed_out(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Of the same page, within two seconds."""
        consent(training)
        tenant.put(PROMPT, b"first")
        tenant.put(PROMPT, b"second", subject="ann")
        tenant.put(PROMPT, b"third", subject="u")
        tenant.put(PROMPT, b"fourth")
        with train(training) as read:
            records = iter(read)
            next(records)
            erase(tenant, Scope.subject("ann"))
            place_hold(training)
            training.pass_time(seconds=2)
            assert [one.record.body for one in records] == [b"fourth"]
        assert read.skipped == {"erased": 1, "held": 1}

    def test_what_was_not_noted_is_not_handed_out(self, training: Domicile) -> None:
        """Though it was consented to in the meantime: a later read has it. Each counts once."""
        tenant = training.tenant(traits=frozenset({Trait.CONSENT_PER_SUBJECT}))
        for subject in ("ann", "ann", "ben"):
            tenant.put(PROMPT, subject.encode(), subject=subject)
            training.pass_time(seconds=1)
        consent(training, subject="ann")
        with train(training) as read:
            records = iter(read)
            next(records)
            consent(training, subject="ben")
            training.pass_time(seconds=2)
            assert [one.record.body for one in records] == [b"ann"]
        assert read.skipped == {"not_opted_in": 1}
        with home(training).catalog.begin() as connection:
            assert len(contents.rows(connection, t.training_use)) == 2

    def test_a_machine_that_is_suspended_stops(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """In the middle of a page; what came before is in the manifest."""
        consent(training)
        put_all(tenant, *(b"%d" % n for n in range(4)))
        read = train(training)
        records = iter(read)
        entry = next(records).entry
        stopped = person(MILL.id, kind=ActorKind.MACHINE, login=None, suspended=True)
        enter(training.settings, training.clock.now(), stopped)
        training.pass_time(seconds=2)
        with pytest.raises(PurposeRefused) as caught:
            list(records)
        assert caught.value.reasons == ("actor_not_in_force",)
        keys = home(training).signing.public_key()
        (stated,) = verify_manifests([entry, *read.manifests], keys)
        assert stated.records == 1


class TestManifest:
    def test_it_says_what_was_handed_out_under_which_consent(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Signed with the region's key, for anybody to verify."""
        said = consent(training)
        put = put_all(tenant, b"one", b"two")
        text = manifest_of(train(training))

        (stated,) = verify_manifests(text, home(training).signing.public_key())
        assert (stated.run, stated.tenant, stated.records) == ("run-1", "acme-eu", 2)
        assert stated.actor == MILL.id
        entries = [json.loads(line) for line in text[:-1]]
        assert [x["record"] for x in entries] == [str(i) for i in put]
        assert {x["consent"] for x in entries} == {str(said.id)}
        assert {x["wording"] for x in entries} == {PROMPTS}

    @pytest.mark.parametrize("change", ["line", "order", "missing", "signature", "no end"])
    def test_one_change_shows(self, training: Domicile, tenant: BoundTenant, change: str) -> None:
        """Of a line, of their order, of the signature, or a manifest that is cut off."""
        consent(training)
        put_all(tenant, b"one", b"two")
        one, two, end = manifest_of(train(training))
        wrong = {
            "line": [one.replace("prompt", "prompts", 1), two, end],
            "order": [two, one, end],
            "missing": [one, end],
            "signature": [one, two, end[:-4] + ("AAAA" if end[-4:] != "AAAA" else "BBBB")],
            "no end": [one, two],
        }[change]
        with pytest.raises(ReceiptInvalid):
            list(verify_manifests(wrong, home(training).signing.public_key()))

    def test_it_is_signed_when_the_read_is_closed_early(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """For what was handed out, and no more."""
        consent(training)
        put_all(tenant, b"one", b"two", b"three")
        with train(training) as read:
            entry = next(iter(read)).entry
        (stated,) = verify_manifests([entry, *read.manifests], home(training).signing.public_key())
        assert stated.records == 1

    def test_each_tenant_has_its_own(self, training: Domicile, tenant: BoundTenant) -> None:
        """In one text, one after the other."""
        other = training.tenant("beta-eu")
        for name, one in (("acme-eu", tenant), ("beta-eu", other)):
            consent(training, name)
            one.put(PROMPT, name.encode())
        text: list[str] = []
        read = training.store.training(
            ["acme-eu", "beta-eu"], run="both", actor=MILL, classes=[PROMPT]
        )
        for one_record in read:
            text += [*read.manifests[len([x for x in text if x[0] != "{"]) :], one_record.entry]
        text.append(read.manifests[-1])
        found = list(verify_manifests(text, home(training).signing.public_key()))
        assert [x.tenant for x in found] == ["acme-eu", "beta-eu"]

    def test_the_log_has_a_line_for_each_run_and_tenant(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Not for each record."""
        consent(training)
        put_all(tenant, b"one", b"two")
        manifest_of(train(training))
        (line,) = lines(training, LineKind.TRAINING)
        assert (line["run"], line["tenant"], line["purpose"]) == ("run-1", "acme-eu", "train")


class TestExclusions:
    def test_a_withdrawal_puts_it_on_the_list_of_the_run(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Of each run that had it; a later consent does not take it off."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        tenant.put(PROMPT, b"of ben", subject="ben")
        assert len(bodies(train(training))) == 2
        assert listed(training) == {}
        said = withdraw(training, subject="ann")
        assert listed(training) == {str(mine): ExclusionReason.WITHDRAWN}
        (found,) = training.store.training_runs.exclusions("run-1").records
        assert found.statement == said.id
        with pytest.raises(NotFound):
            listed(training, "run-2")
        training.pass_time(minutes=1)
        consent(training, subject="ann")
        assert list(listed(training)) == [str(mine)]

    def test_an_opt_out_that_is_found_later_counts(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """It was recorded after the run, whatever its date."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        bodies(train(training))
        opt_out(training, EARLY, subject="ann")
        assert list(listed(training)) == [str(mine)]

    def test_an_erasure_waits_until_the_run_has_deleted_it(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """A person confirms it with a document, which the receipt names."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        bodies(train(training))
        erasure = erase(tenant, Scope.subject("ann"))
        assert listed(training) == {str(mine): ExclusionReason.ERASED}
        for _ in range(3):
            work(training, hours=24 * 4)
        assert training.store.erasure(erasure.id).state is not ErasureState.COMPLETE
        (waits,) = training.store.erasure(erasure.id).outstanding
        assert (waits.backend, waits.replicas) == ("training run run-1", 1)
        early = training.clock.now() - timedelta(days=30)
        runs = training.store.training_runs
        runs.confirm("run-1", listed=early, document="d" * 64, by="ben")
        work(training)
        assert training.store.erasure(erasure.id).state is not ErasureState.COMPLETE

        when = runs.exclusions("run-1").listed
        runs.confirm("run-1", listed=when, document="e" * 64, by="ben")
        work(training)
        done = training.store.erasure(erasure.id)
        assert done.state is ErasureState.COMPLETE
        assert "e" * 64 in str(_receipt(done.receipt))
        assert list(listed(training)) == [str(mine)]
        with home(training).catalog.begin() as connection:
            (use,) = contents.rows(connection, t.training_use)
        assert (use.subject, use.ancestors) == (None, None)

    def test_what_was_not_handed_out_keeps_no_erasure_waiting(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Of another subject, or that was put later."""
        consent(training)
        tenant.put(PROMPT, b"of ben", subject="ben")
        bodies(train(training))
        tenant.put(PROMPT, b"of ann", subject="ann")
        erasure = erase(tenant, Scope.subject("ann"))
        for _ in range(3):
            work(training, hours=24 * 4)
        assert training.store.erasure(erasure.id).state is ErasureState.COMPLETE
        assert listed(training) == {}

    def test_a_restored_catalog_knows_what_was_handed_out(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """The ledger has it: the list is whole, and an erasure waits for the run."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        dump = Dump.of(training)
        bodies(train(training))
        erasure = erase(tenant, Scope.subject("ann"))

        dump.restore(training)
        assert recover_catalog(training).events == 2

        assert listed(training) == {str(mine): ExclusionReason.ERASED}
        for _ in range(3):
            work(training, hours=24 * 4)
        assert training.store.erasure(erasure.id).state is not ErasureState.COMPLETE
        assert len(lines(training, LineKind.TRAINING)) == 1


def test_the_asynchronous_store_does_the_same(training: Domicile, tenant: BoundTenant) -> None:
    """It reads, signs, lists and confirms."""
    consent(training)
    tenant.put(PROMPT, b"of ann", subject="ann")

    async def run() -> None:
        store = AsyncStore(training.store)
        try:
            read = await store.training("acme-eu", run="r", actor=MILL, classes=[PROMPT])
            async with read:
                entries = [one.entry async for one in read]
            found = list(
                verify_manifests([*entries, *read.manifests], home(training).signing.public_key())
            )
            assert [x.records for x in found] == [1]
            assert read.skipped == {}
            withdraw(training)
            excluded = await store.training_runs.exclusions("r")
            assert len([one async for one in excluded]) == 1
            await store.training_runs.confirm(
                "r", listed=excluded.listed, document="d" * 64, by="ben"
            )
        finally:
            await store.close()

    asyncio.run(run())


def _receipt(token: str | None) -> bytes:
    assert token is not None
    part = token.split("~")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
