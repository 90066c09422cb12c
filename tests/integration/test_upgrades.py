"""Code and schemas of different versions: each pair works, or is refused by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from storage.bootstrap import open_store
from storage.catalog import schema
from storage.catalog.engine import Catalog, revision
from storage.catalog.shipped import this_code
from storage.cli.exit_codes import Exit
from storage.errors import CatalogUnsupported, Erased, InvalidRequest, StaleId
from storage.evidence.receipts import verify
from storage.initialize import init
from storage.model import DataClass, Purpose, Reason, Scope
from storage.settings import RegionSettings, Settings
from storage.testing import SERVICE, Domicile, Server
from tests.support.actions import get
from tests.support.catalogs.databases import HOME, catalog_of
from tests.support.catalogs.versions import ALL, SHIPPED, SYNTHETIC, Versions, versions, works
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import home
from tests.support.topologies import three_backends
from tests.support.topology_files import CLASSES, edit

__all__ = ["versions"]

PRE, POST, LATER, BREAKING, LAST = (migration.revision for migration in SYNTHETIC)
NOW = SHIPPED.revision


@pytest.fixture
def new(domicile_server: Server, tmp_path: Path) -> Iterator[Domicile]:
    """Return a new Domicile of one region. Its store is not open yet."""
    urls = domicile_server._create(next(domicile_server._numbers))
    given = RegionSettings(catalog_url=urls[HOME], keys_file=tmp_path / "keys" / HOME)
    made = Domicile(Settings(home=tmp_path, regions={HOME: given}))
    init(made.settings, dependencies=made.dependencies)
    yield made
    made.close()


@contextmanager
def migrated(domicile: Domicile) -> Iterator[Connection]:
    """Migrate in a transaction; the catalog then states who can use it, as after Alembic."""
    with catalog_of(domicile.settings) as connection:
        yield connection
        schema.name_catalog(connection, HOME, uuid4())


def at(domicile: Domicile) -> str:
    """Return the revision of the schema."""
    with catalog_of(domicile.settings) as connection:
        return revision(connection)


def opens(domicile: Domicile) -> CatalogUnsupported | None:
    """Open the store, and return the error if the catalog is refused."""
    try:
        domicile.open()
    except CatalogUnsupported as error:
        return error
    return None


def checks(catalog: Catalog) -> CatalogUnsupported | None:
    """Check the catalog alone, as the code that is installed, and return the error if refused."""
    catalog.code = this_code()
    try:
        catalog.check()
    except CatalogUnsupported as error:
        return error
    return None


def use(domicile: Domicile) -> None:
    """Put, get, erase, ask for the status."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"hello", subject="u1")
    assert t.get(put.id, purpose=Purpose.SERVE).body == b"hello"
    t.erase(Scope.subject("u1"), reason=Reason.SUBJECT_REQUEST)
    with pytest.raises(Erased):
        t.get(put.id, purpose=Purpose.SERVE)
    assert [found.open_erasures > 0 for found in domicile.store.status().regions] == [True]


def test_every_code_on_every_schema(new: Domicile, versions: Versions) -> None:
    """Shipped revisions, and later ones of each kind.

    All versions run the code of today. So where the schema is older than that needs, the check of
    the catalog is all that can be tried; and where the code is older, all that differs.
    """
    versions.install(LAST)
    with migrated(new) as connection:
        schema.downgrade(connection, ALL.migrations[0].revision)
    catalog = Catalog(HOME, new.settings.regions[HOME].catalog_url.get_secret_value())
    for at_, code in product(ALL.migrations, ALL.migrations):
        pair = f"code {code.revision} on schema {at_.revision}"
        if at(new) != at_.revision:
            versions.install(LAST)
            with migrated(new) as connection:
                schema.upgrade(connection, at_.revision)
        versions.install(code.revision)
        real = min(at_.revision, code.revision) >= SHIPPED.needs
        refused = opens(new) if real else checks(catalog)
        assert (refused is None) == works(code.revision, at_.revision), pair
        if refused is not None:
            assert HOME in refused.message, pair
            assert refused.advice, pair
        elif real:
            use(new)
        new.stack.close()
    catalog.close()


class TestInit:
    def test_it_waits_before_older_code_would_stop(self, new: Domicile, versions: Versions) -> None:
        """It names the migration. Once older code is gone, ``through`` runs it."""
        versions.install(POST)
        ready = init(new.settings, dependencies=new.dependencies)[HOME]
        assert (at(new), ready.waiting) == (PRE, POST)
        for code in (NOW, POST):
            versions.install(code)
            assert opens(new) is None

        ready = init(new.settings, dependencies=new.dependencies, through=POST)[HOME]
        assert (at(new), ready.waiting) == (POST, None)
        assert opens(new) is None
        versions.install(NOW)
        error = opens(new)
        assert error is not None
        assert f"code of revision {POST} or later; this code is {NOW}" in error.message

    def test_it_does_nothing_if_all_processes_have_to_stop(
        self, new: Domicile, versions: Versions
    ) -> None:
        """The error says which ones, and the command for when they have."""
        versions.install(BREAKING)
        with pytest.raises(CatalogUnsupported, match=f"init --through {BREAKING}"):
            init(new.settings, dependencies=new.dependencies)
        assert at(new) == NOW

        init(new.settings, dependencies=new.dependencies, through=BREAKING)

        assert at(new) == BREAKING
        assert opens(new) is None

    def test_a_new_catalog_gets_all_migrations(
        self, domicile_server: Server, tmp_path: Path, versions: Versions
    ) -> None:
        """No code uses it yet."""
        versions.install(LAST)
        url = domicile_server._create(next(domicile_server._numbers))[HOME]
        given = RegionSettings(catalog_url=url, keys_file=tmp_path / "keys")
        made = Domicile(Settings(home=tmp_path, regions={HOME: given}))

        ready = init(made.settings, dependencies=made.dependencies)[HOME]

        assert (at(made), ready.waiting) == (LAST, None)

    def test_of_older_code_changes_no_schema(self, new: Domicile, versions: Versions) -> None:
        """A process that runs ``init`` whenever it starts goes on during a roll, if it may."""
        versions.install(PRE)
        init(new.settings, dependencies=new.dependencies)
        versions.install(NOW)

        ready = init(new.settings, dependencies=new.dependencies)[HOME]

        assert (at(new), ready.waiting) == (PRE, None)
        assert opens(new) is None

    def test_a_migration_that_is_not_there(self, new: Domicile) -> None:
        """A typing error migrates nothing. It is a wrong request, and gets all that there are."""
        with pytest.raises(InvalidRequest, match=f"no such migration.*0010.*{NOW}"):
            init(new.settings, dependencies=new.dependencies, through="9999")

    def test_the_command_names_what_waits(
        self, new: Domicile, versions: Versions, tmp_path: Path
    ) -> None:
        """And the command that runs it. ``doctor`` names it too."""
        line = CommandLine(tmp_path)
        own = new.settings.regions[HOME]
        environment = {
            "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": own.catalog_url.get_secret_value(),
            "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(own.keys_file),
        }
        versions.install(POST)

        waits = line("init", environment=environment)
        doctor = line("doctor", environment=environment)
        wrong = line("init", "--through", "9999", environment=environment)
        done = line("init", "--through", POST, environment=environment)

        for shown in (waits.stderr, doctor.stdout):
            assert f"domicile init --through {POST}" in " ".join(shown.split())
        assert {r.exit_code for r in (waits, doctor, done)} == {Exit.DONE}
        assert wrong.exit_code == Exit.INVALID
        assert POST not in done.output
        versions.install(NOW)
        assert line("status", environment=environment).exit_code == Exit.CONFIGURATION


class TestAProcessThatRuns:
    def test_it_stops_when_its_support_ends(self, new: Domicile, versions: Versions) -> None:
        """Somebody migrated too early: the next transaction is refused, not half understood."""
        new.open()
        versions.install(POST)
        init(new.settings, dependencies=new.dependencies, through=POST)

        catalog = new.homes.served(HOME).region.catalog.strict()
        refusal = pytest.raises(CatalogUnsupported, match=f"{POST} or later; this code is {NOW}")
        with refusal, catalog.begin():
            pass

    def test_a_column_that_went_is_no_bug(self, new: Domicile) -> None:
        """A change that no migration states, or one of just now, is named too."""
        new.open()
        t = new.tenant()
        with catalog_of(new.settings) as connection:
            connection.execute(text("ALTER TABLE replica RENAME COLUMN land_by TO other"))

        with pytest.raises(CatalogUnsupported, match=rf"{HOME} lacks a table, column or function"):
            t.put(DataClass.PROMPT, b"hello")

    def test_a_function_that_went_is_no_bug(self, new: Domicile) -> None:
        """As a column: a read uses one."""
        new.open()
        t = new.tenant()
        kept = t.put(DataClass.PROMPT, b"hello").id
        with catalog_of(new.settings) as connection:
            connection.execute(text("DROP FUNCTION readable_row"))

        with pytest.raises(CatalogUnsupported, match=rf"{HOME} lacks a table, column or function"):
            get(t, kept)


class TestTwoTopologies:
    """Nothing compares the topologies of processes: each follows its own."""

    def test_each_process_follows_its_own(self, domicile: Domicile, tmp_path: Path) -> None:
        """A record is kept as long as the topology of its writer says, and all read it."""
        topology = three_backends(tmp_path / "topology")
        edit(topology / CLASSES, "retention_days = 30", "retention_days = 7")
        settings = domicile.settings.model_copy(update={"topology": topology})
        old = domicile.tenant()
        early = old.new_id(DataClass.PROMPT)
        with open_store(settings, dependencies=domicile.dependencies) as store:
            new = store.tenant(old.id).bind(SERVICE)
            longer, shorter = (t.put(DataClass.PROMPT, b"hello") for t in (old, new))

            assert longer.deadline is not None
            assert shorter.deadline is not None
            assert longer.deadline - shorter.deadline == timedelta(days=23)
            for tenant, put in product((old, new), (longer, shorter)):
                assert tenant.get(put.id, purpose=Purpose.SERVE).body == b"hello"
            with pytest.raises(StaleId, match="shortened after the id was minted"):
                new.put(DataClass.PROMPT, b"hello", id=early)

    def test_a_receipt_names_that_of_the_worker(self, domicile: Domicile, tmp_path: Path) -> None:
        """Who reads it can tell which rules were in force."""
        digests = [home(domicile).topology.digest]
        signed = [receipt_of(domicile, "u1")]
        topology = three_backends(tmp_path / "topology")
        domicile.settings = domicile.settings.model_copy(update={"topology": topology})
        domicile.open()
        digests.append(home(domicile).topology.digest)
        signed.append(receipt_of(domicile, "u2"))

        assert signed == digests
        assert digests[0] != digests[1]


def receipt_of(domicile: Domicile, subject: str) -> str:
    """Erase a record, and return the digest in the receipt."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"hello", subject=subject)
    erasure = t.erase(Scope.subject(subject), reason=Reason.SUBJECT_REQUEST)
    domicile.run_worker()
    domicile.pass_time(hours=1)
    domicile.run_worker()
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    return verify(token, home(domicile).signing.public_key()).topology
