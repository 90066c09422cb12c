"""A store whose root keys are in a key service, which looks up permits in the real catalog."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from storage.catalog import grants, kept, records
from storage.cli.examine import regions
from storage.crypto.record import associated, open_body
from storage.errors import (
    CatalogForbidden,
    Erased,
    KeyServiceUnavailable,
    PurposeRefused,
    SettingsError,
    TooFewReplicas,
)
from storage.model import (
    Actor,
    ActorKind,
    DataClass,
    ErasureState,
    Grant,
    GrantSpec,
    Purpose,
    Reason,
    RecordId,
    Scope,
    StaffPermit,
)
from storage.policy import AccessReason, PermitReason
from storage.settings import topology_of
from storage.testing import INVESTIGATOR, Domicile
from tests.support.actions import work
from tests.support.catalogs.databases import as_role, catalog_of, opened
from tests.support.cli_harness import CommandLine
from tests.support.holds import SOON, confirm, open_held, place_hold, relocated
from tests.support.inspect.stored import home
from tests.support.keyservice.apart import HOME, LOGIN, Apart, apart
from tests.support.people import approve, as_person, make_login, staff, url_for

PROMPT, SERVE, ABUSE = DataClass.PROMPT, Purpose.SERVE, Purpose.ABUSE_INVESTIGATION
KEYS = "domicile_keys"
ALICE = Actor("alice", ActorKind.EMPLOYEE, "domicile", "EU")


@pytest.fixture
def away(domicile: Domicile) -> Iterator[Apart]:
    """A Domicile whose root keys are elsewhere; no store is open yet."""
    with apart(domicile) as made:
        yield made


class TestAsAService:
    def test_does_its_work_without_root_keys(self, away: Apart, domicile: Domicile) -> None:
        """Put, read in a new process, hold, erase to the receipt: nothing needs the root keys."""
        with away.serving():
            domicile.open()
            t = domicile.tenant(retention=SOON)
            first = t.put(PROMPT, b"first", subject="u").id
            kept_one = t.put(PROMPT, b"kept", subject="v").id
            file = t.put_file([b"file"]).id
            hold = place_hold(domicile, Scope.subject("v"))
            domicile.open()
            t = domicile.tenant(retention=SOON)
            bodies = [t.get(each, purpose=SERVE).body for each in (first, kept_one, file)]
            erasure = t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
            with pytest.raises(Erased):
                t.get(first, purpose=SERVE)
            work(domicile)
            work(domicile, days=4)

            assert bodies == [b"first", b"kept", b"file"]
            assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
            assert relocated(domicile) == {kept_one.unique}
            assert open_held(domicile, hold, kept_one) == b"kept"
            domicile.stack.close()

    def test_does_nothing_without_the_key_service(self, away: Apart, domicile: Domicile) -> None:
        """While it is down nothing is opened or stored, and then all goes on by itself."""
        with away.serving():
            domicile.open()
            old = domicile.tenant().put(PROMPT, b"old").id
        domicile.open()
        t = domicile.tenant()
        with pytest.raises(KeyServiceUnavailable):
            t.get(old, purpose=SERVE)
        with pytest.raises((KeyServiceUnavailable, TooFewReplicas)):
            t.put_file([b"new"])

        with away.serving():
            assert t.get(old, purpose=SERVE).body == b"old"
            new = t.put_file([b"new"]).id
            assert t.get(new, purpose=SERVE).body == b"new"
            domicile.stack.close()

    def test_is_examined_by_doctor(self, away: Apart, domicile: Domicile) -> None:
        """It says where the root keys are, and that nobody answers there."""

        def found() -> dict[str, str]:
            topology = topology_of(domicile.settings)
            listed = regions(domicile.settings, topology)
            return {one.check: one.state for one in listed if one.check in ("keys", "key service")}

        down = found()
        with away.serving():
            up = found()

        assert down == {"keys": "ok", "key service": "fail"}
        assert up == {"keys": "ok", "key service": "ok"}

    def test_doctor_says_if_nobody_can_approve(self, away: Apart, domicile: Domicile) -> None:
        """A key service that pins nobody is right for services, and opens nothing for people."""

        def found() -> tuple[str, str]:
            topology = topology_of(domicile.settings)
            (one,) = [f for f in regions(domicile.settings, topology) if f.check == "approvers"]
            return one.state, one.advice

        with away.serving():
            pinned = found()
        with away.serving(pinned={}):
            state, advice = found()

        assert pinned == ("ok", "")
        assert state == "warn"
        assert "domicile grant keygen" in advice

    def test_doctor_says_that_the_log_cannot_go_on(self, away: Apart, domicile: Domicile) -> None:
        """If a line is in no checkpoint after an hour."""

        def found(hours: int) -> str:
            past = text("UPDATE log_line SET at = now() - make_interval(hours => :hours)")
            with catalog_of(domicile.settings) as connection:
                connection.execute(past, {"hours": hours})
            listed = regions(domicile.settings, topology_of(domicile.settings))
            return next(f"{one.state} {one.advice}" for one in listed if one.check == "log")

        with away.serving():
            domicile.open()
            domicile.tenant()  # its line waits
            assert found(0) == "ok "
            assert "Run a worker" in found(2)
            domicile.stack.close()

    def test_is_refused_with_root_keys_of_its_own(self, domicile: Domicile) -> None:
        """Root keys on the machine of the service would make the key service an ornament."""
        own = domicile.settings.regions[HOME]
        other = own.model_copy(update={"key_service": "unix:/nowhere"})
        original = domicile.settings
        domicile.settings = original.model_copy(update={"regions": {HOME: other}})
        with pytest.raises(SettingsError, match="domicile key split eu-central-1"):
            domicile.open()
        domicile.settings = original


@pytest.fixture
def granted(away: Apart, domicile: Domicile) -> Iterator[tuple[Grant, RecordId]]:
    """A record, and a grant for its subject that alice requested and bob signed."""
    with away.serving():
        domicile.open()
        record = domicile.tenant(retention=SOON).put(PROMPT, b"what he wrote", subject="u1").id
        domicile.tenant().put_file([b"of another"], subject="u2")
        staff(domicile.settings, domicile.clock.now(), "kim", "alice", "bob")
        spec = GrantSpec(
            "acme-eu", ABUSE, "alice", Scope.subject("u1"), "because", 2, 8, case="CASE-7"
        )
        with as_person(domicile, "alice") as store:
            asked = store.admin.grants.request(spec)
        approve(domicile, "bob", asked)
        yield asked, record
        domicile.stack.close()


def shown(domicile: Domicile, grant: Grant, record: RecordId, number: int = 1) -> StaffPermit:
    """Return the permit with which alice opens the record under the grant."""
    return StaffPermit(
        region=HOME,
        grant=grant.id,
        purpose=grant.purpose,
        tenant="acme-eu",
        record=record,
        actor=ALICE,
        nonce=number.to_bytes(16),
        issued=domicile.clock.now(),
    )


def count(domicile: Domicile, grant: Grant, record: RecordId) -> None:
    """Count the record against the grant, as the store does before it opens one."""
    region = home(domicile)
    with region.catalog.begin() as connection:
        grants.use(connection, grant.id, record.unique, "alice", region.clock.now())


class TestPeople:
    SPEC = GrantSpec(
        "acme-eu", ABUSE, INVESTIGATOR.id, Scope.subject("u"), "because", 1, 8, case="CASE-7"
    )

    def test_open_under_a_grant(self, away: Apart, domicile: Domicile) -> None:
        """Metadata and body come with record keys, and the process keeps no day key for it."""
        with away.serving():
            domicile.open()
            t = domicile.tenant(retention=SOON)
            record = t.put(PROMPT, b"what he wrote", subject="u", metadata={"a": 1}).id
            domicile.open()
            made = domicile.grant(self.SPEC)
            read = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=made.id)
            found = read.get(record, purpose=ABUSE)
            opened_keys = dict(domicile.homes.served(HOME).keys._opened)
            domicile.stack.close()

        assert (found.body, dict(found.metadata)) == (b"what he wrote", {"a": 1})
        assert opened_keys == {}
        assert '"event": "record_key_given"' in away.log.getvalue()

    def test_open_nothing_while_it_is_down(self, away: Apart, domicile: Domicile) -> None:
        """A person gets one clear error, and opens the record when it is back."""
        with away.serving():
            domicile.open()
            record = domicile.tenant(retention=SOON).put(PROMPT, b"body", subject="u").id
            made = domicile.grant(self.SPEC)
        read = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=made.id)
        with pytest.raises(KeyServiceUnavailable):
            read.get(record, purpose=ABUSE)
        with away.serving():
            assert read.get(record, purpose=ABUSE).body == b"body"
            domicile.stack.close()


class TestPermits:
    def test_open_the_record_of_the_grant(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """The record key that a person gets opens the bytes on the backend."""
        grant, record = granted
        count(domicile, grant, record)
        region = home(domicile)
        with region.catalog.begin() as connection:
            found = records.find(connection, "acme-eu", record)
            assert found is not None
        row = found.row
        key = region.roots.unwrap_record(
            away.sealed_key(row.key_id), shown(domicile, grant, record)
        )
        with region.catalog.begin() as connection:
            pack = away.sealed_key(row.object_id)
        sealed = pack[row.start : row.start + row.length]

        assert open_body(key, sealed, associated(row.id, row.tenant), row.size) == b"what he wrote"
        assert '"event": "record_key_given"' in away.log.getvalue()

    def test_open_nothing_else(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """Each thing that the catalog knows otherwise is a refusal of its own."""
        grant, record = granted
        region = home(domicile)
        other = domicile.tenant().put_file([b"of another"], subject="u2").id
        sealed = away.sealed_key(_key_of(domicile, record))
        permit = shown(domicile, grant, record)
        count(domicile, grant, record)
        wrong = {
            AccessReason.OUTSIDE_GRANT: replace(permit, record=other),
            PermitReason.UNKNOWN_RECORD: replace(permit, record=replace(record, unique=b"x" * 16)),
            AccessReason.UNKNOWN_ACTOR: replace(permit, actor=replace(ALICE, id="eve")),
            AccessReason.NO_GRANT: replace(permit, grant=_key_of(domicile, record)),
            PermitReason.EXPIRED: replace(permit, issued=permit.issued - timedelta(minutes=6)),
        }
        for reason, one in wrong.items():
            with pytest.raises(PurposeRefused) as caught:
                region.roots.unwrap_record(sealed, one)
            assert reason in caught.value.reasons
        assert len(region.roots.unwrap_record(sealed, permit)) == 32

    def test_before_it_is_counted(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """The catalog must have the opening before the key leaves."""
        grant, record = granted
        sealed = away.sealed_key(_key_of(domicile, record))
        with pytest.raises(PurposeRefused) as caught:
            home(domicile).roots.unwrap_record(sealed, shown(domicile, grant, record))

        assert caught.value.reasons == (PermitReason.NOT_COUNTED,)

    def test_of_a_grant_that_was_revoked(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """From the revocation on, no key leaves."""
        grant, record = granted
        count(domicile, grant, record)
        sealed = away.sealed_key(_key_of(domicile, record))
        with as_person(domicile, "alice") as store:
            store.admin.grants.revoke(grant.id)
        with pytest.raises(PurposeRefused) as caught:
            home(domicile).roots.unwrap_record(sealed, shown(domicile, grant, record))

        assert caught.value.reasons == (AccessReason.GRANT_REVOKED,)

    def test_of_a_record_that_was_erased(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """An erasure holds for the key service too, before any row is deleted."""
        grant, record = granted
        count(domicile, grant, record)
        sealed = away.sealed_key(_key_of(domicile, record))
        domicile.tenant().erase(Scope.subject("u1"), reason=Reason.SUBJECT_REQUEST)
        with pytest.raises(PurposeRefused) as caught:
            home(domicile).roots.unwrap_record(sealed, shown(domicile, grant, record))

        assert AccessReason.ERASED in caught.value.reasons

    @pytest.mark.parametrize(
        ("terms", "reason"),
        [
            ("UPDATE tenant SET traits = '{no_human_review}'", AccessReason.NO_HUMAN_REVIEW),
            ("UPDATE tenant SET retention = '{\"prompt\": 0}'", AccessReason.EXPIRED),
            (
                "UPDATE agreement_entry SET until = '2026-03-01'",
                AccessReason.FOR_RETURN_ALONE,
            ),
            ("UPDATE tenant SET traits = '{customer_approved}'", AccessReason.CUSTOMER_NOT_ASKED),
            ("UPDATE tenant SET residency = 'US'", AccessReason.OUTSIDE_RESIDENCY),
        ],
    )
    def test_of_a_tenant_whose_terms_changed(
        self,
        away: Apart,
        domicile: Domicile,
        granted: tuple[Grant, RecordId],
        terms: str,
        reason: AccessReason,
    ) -> None:
        """The key service reads the terms itself, and they count as they are now."""
        grant, record = granted
        count(domicile, grant, record)
        sealed = away.sealed_key(_key_of(domicile, record))
        with catalog_of(domicile.settings) as connection:
            connection.execute(text(terms))
        with pytest.raises(PurposeRefused) as caught:
            home(domicile).roots.unwrap_record(sealed, shown(domicile, grant, record))

        assert caught.value.reasons == (reason,)

    def test_while_its_login_may_do_more(
        self, away: Apart, domicile: Domicile, granted: tuple[Grant, RecordId]
    ) -> None:
        """Also if the role was granted after the start: people open nothing, and it says why."""
        grant, record = granted
        count(domicile, grant, record)
        sealed = away.sealed_key(_key_of(domicile, record))
        permit = shown(domicile, grant, record)
        with catalog_of(domicile.settings) as connection:
            connection.execute(text(f"GRANT domicile_service TO {LOGIN}"))
        with pytest.raises(KeyServiceUnavailable, match="is a member of domicile_service"):
            home(domicile).roots.unwrap_record(sealed, permit)
        with catalog_of(domicile.settings) as connection:
            connection.execute(text(f"REVOKE domicile_service FROM {LOGIN}"))

        assert len(home(domicile).roots.unwrap_record(sealed, permit)) == 32


class TestTheLogin:
    @pytest.mark.parametrize(
        ("login", "roles", "says"),
        [
            (LOGIN, ["domicile_keys"], "cannot listen"),  # it went on
            ("kc_service", ["domicile_service"], "is a member of domicile_service"),
            ("kc_admin", ["domicile_admin", "domicile_keys"], "is a member of domicile_admin"),
            ("kc_worker", ["domicile_worker", "domicile_keys"], "is a member of domicile_worker"),
            ("kc_nobody", [], "lacks a right"),
            ("postgres", [], "domicile_admin, domicile_lookup, domicile_service"),
        ],
    )
    def test_looks_up_and_does_nothing_else(
        self,
        away: Apart,
        domicile: Domicile,
        tmp_path: Path,
        *,
        login: str,
        roles: list[str],
        says: str,
    ) -> None:
        """With any other login the key service does not start."""
        with catalog_of(domicile.settings) as connection:
            for role in roles:
                make_login(connection, login, role)
                connection.execute(text(f"GRANT {role} TO {login}"))
            if not roles and login != "postgres":
                connection.execute(text(f"CREATE ROLE {login} LOGIN"))
        own = domicile.settings.regions[HOME].catalog_url.get_secret_value()
        (tmp_path / "approvers.toml").write_text("[approvers]\n")
        given = {
            "REGION": HOME,
            "LISTEN": "unix:/nowhere/keys.sock",
            "CATALOG_URL": url_for(own, login),
            "KEYS_FILE": str(away.root_file),
            "APPROVERS_FILE": str(tmp_path / "approvers.toml"),
        }
        environment = {f"DOMICILE_KEYSERVICE__{name}": value for name, value in given.items()}
        line = CommandLine(tmp_path)
        result = line("keyservice", "serve", "--json", environment=environment)
        error = json.loads(result.stdout)["error"]

        assert says in error["message"]
        assert error["advice"]


def _key_of(domicile: Domicile, record: RecordId) -> UUID:
    with home(domicile).catalog.begin() as connection:
        found = records.find(connection, "acme-eu", record)
        assert found is not None
        return found.row.key_id


class TestTheRole:
    def test_finds_records_wherever_they_are(self, away: Apart, domicile: Domicile) -> None:
        """In their day, as files, and held beyond their day: with the hold that covers them."""
        with away.serving():
            domicile.open()
            t = domicile.tenant(retention=SOON)
            record = t.put(PROMPT, b"record", subject="u").id
            file = t.put_file([b"file"], subject="v").id
            placed = place_hold(domicile)
            hold = confirm(domicile, placed).id
            with opened(HOME, away.url) as connection:
                before = [kept.find(connection, "acme-eu", i, hold) for i in (record, file)]
                other = kept.find(connection, "acme-us", record, hold)
            with catalog_of(domicile.settings) as connection:
                connection.execute(text("UPDATE record SET sealed_flags = 'sealed'"))
            work(domicile, days=4)
            with opened(HOME, away.url) as connection:
                after = kept.find(connection, "acme-eu", record, hold)
                without = kept.find(connection, "acme-eu", record, None)
                under_another = kept.find(connection, "acme-eu", record, uuid4())
            domicile.stack.close()

        assert [(one.held, one.covered) for one in before if one] == [(False, True), (False, False)]
        assert after is not None
        assert without is not None
        assert under_another is not None
        assert not under_another.covered
        assert (after.held, after.covered, without.covered) == (True, True, False)
        assert [one.flagged for one in (*before, after) if one] == [False, False, True]
        assert other is None

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT sealed_metadata FROM record",
            "SELECT sealed_justification FROM access_grant",
            "SELECT * FROM object",
            "SELECT * FROM tenant",
            "INSERT INTO grant_use VALUES (gen_random_uuid(), 'x', 'y', now())",
            "DELETE FROM grant_revocation",
            "UPDATE record SET wrapped_key = ''",
            "SELECT use_grant(gen_random_uuid(), 'x', 'y', now())",
        ],
    )
    def test_does_nothing_else(self, domicile: Domicile, statement: str) -> None:
        """A stolen login of a key service reads no content, and writes nothing."""
        own = domicile.settings.regions[HOME].catalog_url.get_secret_value()
        with pytest.raises(CatalogForbidden), opened(HOME, as_role(own, KEYS)) as connection:
            connection.execute(text(statement))
