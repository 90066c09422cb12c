"""What each process may do in a catalog: the database roles."""

from collections.abc import Iterator, Sequence
from datetime import date

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from storage.catalog import days
from storage.errors import (
    CatalogForbidden,
    HoldRefused,
)
from storage.model import (
    CopyState,
    DataClass,
    ErasureState,
    KeyScope,
    NewRecord,
    Purpose,
    Reason,
    Scope,
)
from storage.retirement import retire
from storage.settings import Settings
from storage.testing import SERVICE, Domicile
from tests.support.catalogs.databases import as_role, catalog_of, with_urls
from tests.support.holds import SOON, place_hold, release_holds
from tests.support.holds import open_held as opened_for_counsel
from tests.support.screening import MILL, Watchful, flagged, machine

DAY, OLD = date(2027, 5, 1), date(2027, 4, 30)


def turn_into(domicile: Domicile, role: str, original: Settings) -> None:
    """Open the store as a process with the role."""
    urls = {n: as_role(r.catalog_url.get_secret_value(), role) for n, r in original.regions.items()}
    domicile.settings = with_urls(original, urls)
    domicile.open()


@pytest.fixture
def roles(domicile: Domicile) -> Iterator[Domicile]:
    """A Domicile whose settings are restored at the end."""
    original = domicile.settings
    yield domicile
    domicile.settings = original


def is_forbidden(connection: Connection, statement: str) -> bool:
    """Return whether the database refuses it for lack of a right."""
    try:
        connection.execute(text(statement))
    except ProgrammingError as error:
        return isinstance(error.orig, InsufficientPrivilege)
    return False


OF_PEOPLE = (
    "INSERT INTO hold_change SELECT * FROM hold_change",
    "UPDATE hold_change SET approved = now()",
    "INSERT INTO hold_carve_out (hold_id) VALUES (gen_random_uuid())",
    "DELETE FROM hold_carve_out",
    "UPDATE hold SET confirmed = now()",
    "UPDATE hold SET narrowed = now()",
    "SELECT release_hold(gen_random_uuid(), '', now())",
    "SELECT note_confirmation(gen_random_uuid(), '', now())",
    "SELECT place_hold('{}', '[]')",
    "SELECT confirm_hold(gen_random_uuid(), now())",
    "SELECT request_hold_change('{}', now())",
    "SELECT approve_hold_change(gen_random_uuid(), now())",
)
"""What only people do about holds, and only through the functions for them."""


class TestRoles:
    def test_each_process_can_do_its_work(self, roles: Domicile) -> None:
        """Admin makes a tenant, service writes, reads and requests an erasure, worker destroys."""
        original = roles.settings
        turn_into(roles, "domicile_admin", original)
        roles.tenant(retention={DataClass.FINE_TUNING_FILE: 400})
        turn_into(roles, "domicile_service", original)
        t = roles.store.tenant("acme-eu").bind(SERVICE)
        kept, gone = (t.new_id(DataClass.PROMPT) for _ in range(2))
        both = [NewRecord(DataClass.PROMPT, b"hello", i, str(i)) for i in (kept, gone)]
        assert [result.id for result in t.put_many(both)] == [kept, gone]
        t.put_file([b"far away"], subject=str(gone))  # makes a partition that no worker has made
        roles.take_down("eu-a")
        t.put(DataClass.COMPLETION, b"to be replicated", derived_from=[gone])
        roles.bring_back("eu-a")
        asked, attested = (t.hand_over(gone, name) for name in ("klarblick", "handverlesen"))
        body = t.get(kept, purpose=Purpose.SERVE).body
        erasure = t.erase(Scope.subject(str(gone)), reason=Reason.SUBJECT_REQUEST)
        turn_into(roles, "domicile_admin", original)
        roles.pass_time(hours=1)
        attest = roles.store.admin.processors.attest
        confirmed = attest(attested.copy, digest=bytes(32), actor="officer-7")
        turn_into(roles, "domicile_worker", original)
        for hours in (1, 73, 24 * 30, 1):
            roles.run_worker()
            roles.pass_time(hours=hours)
        roles.run_worker()
        turn_into(roles, "domicile_admin", original)

        assert body == b"hello"
        assert (confirmed.state, asked.copy in roles.processors["klarblick"].copies) == (
            CopyState.CONFIRMED,
            False,
        )
        assert roles.store.erasure(erasure.id).state is ErasureState.COMPLETE
        assert [status.overdue_days for status in roles.store.status().regions] == [0, 0]
        assert not roles.store.tenant("acme-eu").list()

    def test_a_service_alone_writes_flags(self, roles: Domicile) -> None:
        """A login of a person reads what a grant allows, and says nothing of records itself."""
        original = roles.settings
        put = roles.tenant().put(DataClass.PROMPT, b"bad").id
        machine(roles)
        found = {}
        for role in ("domicile_admin", "domicile_service"):
            turn_into(roles, role, original)
            mill = roles.store.tenant("acme-eu").bind(MILL)
            if role == "domicile_admin":
                with pytest.raises(CatalogForbidden):
                    list(mill.screen(Watchful().as_classifier()))
            else:
                found = flagged(mill.screen(Watchful().as_classifier()))

        assert [len(flags) for flags in found.values()] == [1]
        assert [one.id for one in roles.store.tenant("acme-eu").list(flagged=True)] == [put]

    def test_a_hold_needs_admin_and_worker_and_no_more(self, roles: Domicile) -> None:
        """Admin places, opens and releases; the worker relocates, defers and resumes."""
        original = roles.settings
        t = roles.tenant(retention=SOON)
        mine = t.put(DataClass.PROMPT, b"mine", subject="u").id
        erasure = t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
        turn_into(roles, "domicile_service", original)
        with pytest.raises(CatalogForbidden):
            place_hold(roles)
        turn_into(roles, "domicile_admin", original)
        placed = place_hold(roles)
        turn_into(roles, "domicile_worker", original)
        for hours in (13, 1, 1):
            roles.pass_time(hours=hours)
            roles.run_worker()
        with pytest.raises(CatalogForbidden):
            roles.store.admin.holds.release(placed.hold.id, why="nobody asked")
        turn_into(roles, "domicile_admin", original)
        with pytest.raises(HoldRefused):  # it is the login of a process too
            roles.store.admin.holds.release(placed.hold.id, why="nobody asked")
        roles.settings = original  # only the owner's login can act as people do
        assert opened_for_counsel(roles, placed, mine) == b"mine"
        release_holds(roles, placed)
        turn_into(roles, "domicile_worker", original)
        for hours in (1, 73, 1):
            roles.run_worker()
            roles.pass_time(hours=hours)
        roles.run_worker()

        assert roles.store.erasure(erasure.id).state is ErasureState.COMPLETE

    def test_an_objection_needs_admin_and_worker_and_no_more(self, roles: Domicile) -> None:
        """Admin objects and withdraws; the service heeds it; the worker moves what is there."""
        original, by = roles.settings, {"by": "officer-7", "ticket": "CASE-1"}
        t = roles.tenant()
        t.put(DataClass.PROMPT, b"mine")
        turn_into(roles, "domicile_service", original)
        with pytest.raises(CatalogForbidden):
            roles.store.tenant("acme-eu").object("lindenhost", **by)
        turn_into(roles, "domicile_admin", original)
        roles.store.tenant("acme-eu").object("lindenhost", **by)
        turn_into(roles, "domicile_service", original)
        later = roles.store.tenant("acme-eu").put(DataClass.PROMPT, b"later").id
        turn_into(roles, "domicile_worker", original)
        with pytest.raises(CatalogForbidden):
            roles.store.tenant("acme-eu").withdraw("lindenhost", **by)
        for _ in range(4):
            roles.run_worker()
            roles.pass_time(hours=1)
        turn_into(roles, "domicile_admin", original)

        t = roles.store.tenant("acme-eu").bind(SERVICE)
        (found,) = t.objections()
        assert found.left == 0
        assert found.gone is not None
        assert {replica.backend for replica in t.explain(later).replicas} == {"eu-b"}
        t.withdraw("lindenhost", **by)

    def test_a_service_destroys_nothing(self, roles: Domicile) -> None:
        """The duties of a worker raise one error of our tree, and everything is still stored."""
        original = roles.settings
        t = roles.tenant()
        put = t.put(DataClass.PROMPT, b"hello", subject="u")
        t.put(DataClass.PROMPT, b"bye", subject="v")
        t.erase(Scope.subject("v"), reason=Reason.SUBJECT_REQUEST)
        turn_into(roles, "domicile_service", original)

        with pytest.raises(CatalogForbidden) as caught:
            roles.run_worker()
        with pytest.raises(CatalogForbidden):
            roles.tenant("other")
        roles.pass_time(days=31)
        with pytest.raises(CatalogForbidden):
            roles.run_worker()

        assert not caught.value.retryable
        with catalog_of(original) as connection:
            here = connection.execute(text("SELECT tenant FROM record")).all()
        assert len(here) == 2
        assert put.stored

    @pytest.mark.parametrize(
        ("role", "statements"),
        [
            (
                "domicile_service",
                [
                    "DELETE FROM object",
                    "DELETE FROM day",
                    "DELETE FROM receipt",
                    "DELETE FROM erasure",
                    "DELETE FROM fence",
                    "DELETE FROM record",
                    "DELETE FROM file",
                    "DELETE FROM replica",
                    "DELETE FROM public_partitions.record_20260401",
                    "SELECT * FROM public_partitions.record_20260401",
                    "TRUNCATE record",
                    "DROP TABLE record",
                    "DROP TABLE public_partitions.record_20260401",
                    "DROP TABLE tenant",
                    "CREATE TABLE mine ()",
                    "ALTER TABLE record DETACH PARTITION public_partitions.record_20260401",
                    "UPDATE replica SET gone_at = now()",
                    "UPDATE erasure SET state = 'complete'",
                    "UPDATE fence SET until = now()",
                    "UPDATE day SET state = 'dropped'",
                    "UPDATE record SET wrapped_key = ''",
                    "UPDATE catalog_info SET region = ''",
                    "INSERT INTO receipt VALUES (gen_random_uuid(), '', now())",
                    "INSERT INTO directory VALUES ('a', 'b', 'c')",
                    "DELETE FROM agreement",
                    "UPDATE processor_copy SET acknowledged = now()",
                    "DELETE FROM processor_copy",
                    "DELETE FROM erasure_copy",
                    "UPDATE tenant SET dedicated = true",
                    "DROP FUNCTION make_partition",
                    "SET ROLE domicile_worker",
                    "SELECT forget_erasures(now(), 1)",
                    "INSERT INTO signing_key VALUES ('', '', now(), now())",
                    "UPDATE signing_key SET last_signed = now()",
                    *OF_PEOPLE,
                    "SELECT replay_hold('{}', '[]', '', '')",
                    "SELECT replay_confirmation(gen_random_uuid(), '', now())",
                    "SELECT replay_hold_change('{}', now())",
                    "DELETE FROM held",
                    "DELETE FROM hold",
                    "UPDATE hold SET released = now()",
                    "INSERT INTO audit SELECT * FROM audit",
                    "UPDATE deferral SET until = now()",
                    "SELECT forget_holds(now(), 1)",
                    "DELETE FROM departure",
                    "INSERT INTO statement SELECT * FROM statement",
                    "DELETE FROM topology_seen",
                    "UPDATE topology_seen SET first_seen = now()",
                    "UPDATE topology_seen SET sub_processors = '[]'",
                    "INSERT INTO region_statement SELECT * FROM region_statement",
                    "UPDATE receipt SET exported = now()",
                    "SELECT remove_tenant('acme-eu')",
                    "UPDATE objection SET actor = ''",
                    "DELETE FROM objection",
                    "UPDATE objection_in_force SET since = now()",
                    "INSERT INTO api_key SELECT * FROM api_key",
                    "UPDATE api_key SET scope = 'write'",
                    "UPDATE api_key SET revoked = NULL",
                    "DELETE FROM api_key",
                ],
            ),
            (
                "domicile_worker",
                [
                    "DELETE FROM statement",
                    "UPDATE statement SET token = ''",
                    "DELETE FROM topology_seen",
                    "UPDATE topology_seen SET first_seen = now()",
                    "UPDATE topology_seen SET sub_processors = '[]'",
                    "DELETE FROM region_statement",
                    "UPDATE region_statement SET token = ''",
                    "UPDATE region_stage SET stage = 'routable'",
                    "SELECT remove_tenant('acme-eu')",
                    "UPDATE objection SET actor = ''",
                    "DELETE FROM objection",
                    "UPDATE objection_in_force SET since = now()",
                    "INSERT INTO api_key SELECT * FROM api_key",
                    "UPDATE api_key SET digest = digest",
                    "DELETE FROM receipt",
                    "UPDATE receipt SET token = ''",
                    "DELETE FROM erasure",
                    "UPDATE tenant SET dedicated = true",
                    "DELETE FROM agreement",
                    "DROP TABLE receipt",
                    "UPDATE catalog_info SET region = ''",
                    "CREATE ROLE mine",
                    "DELETE FROM signing_key",
                    "UPDATE hold SET released = now()",
                    "DELETE FROM hold",
                    *OF_PEOPLE,
                    "DELETE FROM audit",
                    "UPDATE audit SET actor = ''",
                ],
            ),
            (
                "domicile_admin",
                [
                    "DELETE FROM object",
                    "DELETE FROM tenant",
                    "INSERT INTO region_stage (stage, digest) VALUES ('retired', '')",
                    "DELETE FROM record",
                    "DELETE FROM processor_copy",
                    "DELETE FROM erasure_copy",
                    "INSERT INTO receipt VALUES (gen_random_uuid(), '', now())",
                    "DROP TABLE record",
                    "UPDATE erasure SET state = 'complete'",
                    "UPDATE catalog_info SET region = ''",
                    "SELECT forget_erasures(now(), 1)",
                    "DELETE FROM erasure",
                    "INSERT INTO signing_key VALUES ('', '', now(), now())",
                    "DELETE FROM held",
                    "DELETE FROM hold",
                    "UPDATE hold SET sought = NULL",
                    "UPDATE hold SET released = now()",
                    "INSERT INTO hold (id, sponsor) VALUES (gen_random_uuid(), 'bob')",
                    "INSERT INTO hold (id, account) VALUES (gen_random_uuid(), 'acme')",
                    "INSERT INTO hold_change SELECT * FROM hold_change",
                    "UPDATE hold_change SET approved = now()",
                    "INSERT INTO hold_carve_out (hold_id) VALUES (gen_random_uuid())",
                    "DELETE FROM hold_carve_out",
                    "UPDATE hold SET confirmed = now()",
                    "UPDATE hold SET narrowed = now()",
                    "SELECT release_hold(gen_random_uuid(), '', now())",
                    "SELECT note_confirmation(gen_random_uuid(), '', now())",
                    "SELECT replay_hold('{}', '[]', '', '')",
                    "SELECT replay_confirmation(gen_random_uuid(), '', now())",
                    "SELECT replay_hold_change('{}', now())",
                    "DELETE FROM topology_seen",
                    "UPDATE topology_seen SET first_seen = now()",
                    "UPDATE topology_seen SET sub_processors = '[]'",
                    "UPDATE objection SET actor = ''",
                    "DELETE FROM objection",
                    "UPDATE objection_in_force SET since = now()",
                    "UPDATE api_key SET digest = digest",
                    "UPDATE api_key SET scope = 'write'",
                    "DELETE FROM api_key",
                    "DELETE FROM audit",
                    "UPDATE audit SET actor = ''",
                    "SELECT forget_holds(now(), 1)",
                ],
            ),
        ],
    )
    def test_what_a_role_may_not_do(
        self, domicile: Domicile, role: str, statements: Sequence[str]
    ) -> None:
        """The database itself refuses to destroy or forge."""
        allowed = []
        with catalog_of(domicile.settings) as connection:
            connection.execute(text(f"SET SESSION AUTHORIZATION {role}"))
            for statement in statements:
                with connection.begin_nested() as savepoint:
                    if not is_forbidden(connection, statement):
                        allowed.append(statement)
                    savepoint.rollback()
            connection.rollback()

        assert allowed == []

    def test_no_partition_is_made_with_what_the_caller_has_put_in_its_way(
        self, domicile: Domicile
    ) -> None:
        """A temporary table of the same name is not used instead of the catalog's own."""
        with catalog_of(domicile.settings) as connection:
            connection.execute(text("SET ROLE domicile_service"))
            connection.execute(text("CREATE TEMP TABLE day (day date, state text)"))
            days.make(connection, [DAY])
            made = connection.scalar(
                text("SELECT state FROM public.day WHERE day = :day"), {"day": DAY}
            )
            owner = connection.scalar(
                text("SELECT tableowner FROM pg_tables WHERE tablename = 'record_20270501'")
            )
            connection.rollback()

        assert (made, owner) == ("open", "domicile_worker")

    def test_an_admin_makes_keys_and_a_service_takes_them(self, roles: Domicile) -> None:
        """A service that is broken into makes itself no key, and has no key stay good."""
        original = roles.settings
        roles.tenant()
        turn_into(roles, "domicile_admin", original)
        new = roles.store.admin.api_keys.create("acme-eu", KeyScope.READ)
        turn_into(roles, "domicile_service", original)

        keys = roles.store.admin.api_keys
        assert keys.identify(new.secret).id == new.key.id
        with pytest.raises(CatalogForbidden):
            keys.create("acme-eu", KeyScope.READ)
        with pytest.raises(CatalogForbidden):
            keys.revoke(new.key.id)
        turn_into(roles, "domicile_admin", original)
        assert roles.store.admin.api_keys.revoke(new.key.id).last_used is not None

    def test_an_admin_removes_a_tenant_and_a_worker_ends_its_region(self, roles: Domicile) -> None:
        """And neither does what the other does. A service does none of it."""
        original = roles.settings
        roles.tenant()
        roles.pass_time(hours=1)
        for role in ("domicile_service", "domicile_worker"):
            turn_into(roles, role, original)
            with pytest.raises(CatalogForbidden):
                roles.store.admin.tenants.remove("acme-eu")
        turn_into(roles, "domicile_admin", original)
        roles.store.admin.tenants.remove("acme-eu")

        for role in ("domicile_service", "domicile_admin"):
            with pytest.raises(CatalogForbidden):
                end_region(roles, role, original)
        roles.pass_time(hours=1)
        assert isinstance(end_region(roles, "domicile_worker", original), str)


def end_region(domicile: Domicile, role: str, original: Settings) -> object:
    """Retire the region as a process with the role."""
    urls = {n: as_role(r.catalog_url.get_secret_value(), role) for n, r in original.regions.items()}
    settings, means = with_urls(original, urls), domicile.dependencies
    return retire(settings, "eu-central-1", domicile.log, dependencies=means)
