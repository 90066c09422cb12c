"""Alembic as its own documentation says, in every region; regions that revisions declare."""

import re
from datetime import date
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from storage.bootstrap import open_store
from storage.catalog import stages
from storage.errors import RegionNotRoutable
from storage.initialize import init
from storage.model import DataClass, Dpa, Purpose, TenantSpec
from storage.policy import Stage
from storage.settings import load_settings
from storage.testing import SERVICE
from tests.support.alembic_place import EU, NEWEST, US, Place, make, ours, theirs
from tests.support.catalogs.databases import MEANS, opened

__all__ = ["make", "ours", "theirs"]


class TestCommands:
    def test_every_line_belongs_to_a_region(self, ours: Place) -> None:
        """``upgrade`` and ``current`` name the region before what happens in it."""
        upgraded = ours.alembic("upgrade", "head")
        current = ours.alembic("current")

        assert re.search(rf"{EU}:\n  upgrade nothing -> 0010: .*\n(  .*\n)+{US}:\n", upgraded)
        assert current == f"{EU}:\n{NEWEST} (head)\n{US}:\n{NEWEST} (head)\n"
        assert (ours.at(EU), ours.at(US)) == (NEWEST, NEWEST)

    def test_x_region_acts_on_that_one_alone(self, ours: Place) -> None:
        """Also when it is given twice; the others are left as they are."""
        ours.alembic("-x", f"region={US}", "upgrade", "head")
        assert (ours.at(EU), ours.at(US)) == ("", NEWEST)

        ours.alembic("-x", f"region={US}", "-x", f"region={EU}", "upgrade", "0012")
        assert (ours.at(EU), ours.at(US)) == ("0012", NEWEST)

    @pytest.mark.parametrize(
        "argument", ["region=eu-centrl-1", "region=", "regions=eu-central-1", "eu"]
    )
    def test_another_x_is_refused(self, ours: Place, argument: str) -> None:
        """A name that is silently ignored would act on every region."""
        said = ours.refuses("-x", argument, "upgrade", "head")

        assert "Unknown" in said
        assert (ours.at(EU), ours.at(US)) == ("", "")

    def test_a_downgrade_acts_on_no_region_that_it_does_not_name(self, ours: Place) -> None:
        """It destroys; all regions are never meant by default."""
        ours.alembic("upgrade", "head")

        refused = ours.refuses("downgrade", "-1")
        assert "-x region=NAME" in refused
        assert (ours.at(EU), ours.at(US)) == (NEWEST, NEWEST)

        ours.alembic("-x", f"region={EU}", "downgrade", "0014")
        assert (ours.at(EU), ours.at(US)) == ("0014", NEWEST)

    def test_swapped_catalogs_are_refused_before_anything_runs(
        self, ours: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A downgrade of one region would destroy the other."""
        ours.alembic("upgrade", "head")
        for region, other in ((EU, US), (US, EU)):
            name = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}__CATALOG_URL"
            monkeypatch.setenv(name, ours.urls[other])

        said = ours.refuses("-x", f"region={US}", "downgrade", "base")

        assert "is the catalog of eu-central-1" in said
        assert (ours.at(EU), ours.at(US)) == (NEWEST, NEWEST)

    def test_a_catalog_with_a_tenant_is_not_dropped(self, ours: Place) -> None:
        """Whoever names the region may not know that it is in use."""
        ours.alembic("upgrade", "head")
        with opened(EU, ours.urls[EU]) as connection:
            connection.execute(
                text(
                    "INSERT INTO tenant VALUES ('t', 'a', 'eu-central-1', 'EU', 'api', false, "
                    "'{}', 1, now())"
                )
            )

        assert "1 tenants" in ours.refuses("-x", f"region={EU}", "downgrade", "base")
        assert ours.at(EU) == NEWEST

    def test_a_stamp_that_would_lie_is_refused(self, ours: Place) -> None:
        """The table would name migrations that did not run. One that changes nothing is fine."""
        ours.alembic("upgrade", "0012")

        for given in (["head"], ["0011"], ["--purge", "0012"]):
            assert "stamp is refused" in ours.refuses("stamp", *given)
        ours.alembic("stamp", "0012")

        assert ours.alembic("current").count("0012") == 2

    def test_sql_is_refused_in_one_sentence(self, ours: Place) -> None:
        """No traceback."""
        said = ours.refuses("upgrade", "head", "--sql")

        assert said.startswith("--sql is not supported")
        assert said.count(".") == 1

    def test_without_settings_it_says_what_to_set(
        self, ours: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """And starts no server."""
        for region in ours.urls:
            prefix = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}"
            monkeypatch.delenv(f"{prefix}__CATALOG_URL")
            monkeypatch.delenv(f"{prefix}__KEYS_FILE")

        said = ours.refuses("upgrade", "head")

        assert "Set DOMICILE_REGIONS__<REGION>__CATALOG_URL" in said
        assert not (tmp_path / "home").exists()

    def test_a_failing_region_leaves_the_others_done(self, ours: Place) -> None:
        """It is as it was, a table says which, and the same command resumes."""
        with opened(EU, ours.urls[EU]) as connection:
            connection.execute(text("CREATE TABLE sweep (x int)"))

        said = ours.refuses("upgrade", "head")

        assert re.search(rf"1 of 2 regions failed.*\n{EU}  .*sweep.*\n(.*\n)*{US}     done", said)
        assert (ours.at(EU), ours.at(US)) == ("", NEWEST)
        with opened(EU, ours.urls[EU]) as connection:
            connection.execute(text("DROP TABLE sweep"))
        ours.alembic("upgrade", "head")
        assert (ours.at(EU), ours.at(US)) == (NEWEST, NEWEST)

    def test_x_embedded_is_refused_beside_settings(self, ours: Place) -> None:
        """Who says it means a server of this machine, and the settings name others."""
        said = ours.refuses("-x", "embedded", "upgrade", "head")

        assert "-x embedded" in said
        assert (ours.at(EU), ours.at(US)) == ("", "")

    def test_check_compares_every_region(self, ours: Place) -> None:
        """One without a schema says so, and one whose tables differ is named."""
        ours.alembic("-x", f"region={EU}", "upgrade", "head")
        assert re.search(rf"{EU}  +done\n{US}  .*no schema", ours.refuses("check"))
        ours.alembic("upgrade", "head")
        assert ours.alembic("check") == f"{EU}:\n{US}:\nNo new upgrade operations detected.\n"

        with opened(US, ours.urls[US]) as connection:
            connection.execute(text("ALTER TABLE sweep ADD COLUMN extra int"))

        assert "extra" in ours.refuses("check")
        assert ours.printed == f"{EU}:\n{US}:\n  differs: remove_column\n"
        only = ours.alembic("-x", f"region={EU}", "check")
        assert only == f"{EU}:\nNo new upgrade operations detected.\n"


class TestDeclaredRegions:
    def test_upgrade_heads_declares_each_region_in_its_own_catalog(self, theirs: Place) -> None:
        """``head`` is Alembic's own error, because there are two."""
        assert "Multiple head revisions" in theirs.refuses("upgrade", "head")

        theirs.alembic("upgrade", "heads")

        assert [theirs.stage(region) for region in (EU, US)] == [Stage.PROPOSED, Stage.PROPOSED]
        assert [theirs.rows(region) for region in (EU, US)] == [1, 1]
        assert (theirs.at(EU), theirs.at(US)) == (NEWEST, NEWEST)
        (file,) = (theirs.directory / "versions").glob("*.py")
        ours, declares = f"{NEWEST} (head)", f"{file.name.partition('_')[0]} (head)"
        current = theirs.alembic("current").splitlines()
        assert (current[0], {*current[1:3]}) == (f"{EU}:", {ours, declares})
        assert (current[3], {*current[4:]}) == (f"{US}:", {ours, declares})
        assert "No new upgrade operations" in theirs.alembic("check")

    def test_init_does_the_same(self, theirs: Place) -> None:
        """In either order, and as often as anybody likes."""
        init(load_settings(), dependencies=MEANS)
        theirs.alembic("upgrade", "heads")
        init(load_settings(), dependencies=MEANS)

        assert [theirs.rows(region) for region in (EU, US)] == [1, 1]

    def test_no_service_opens_a_region_that_is_not_routable(self, theirs: Place) -> None:
        """It names the command that makes it so. Afterwards the revisions are not needed."""
        init(load_settings(), dependencies=MEANS)
        with pytest.raises(RegionNotRoutable, match=f"domicile region provision {EU}"):
            open_store(load_settings(), require=[EU], dependencies=MEANS).__enter__()

        for region in (EU, US):
            with opened(region, theirs.urls[region]) as connection:
                stages.add(connection, Stage.ROUTABLE, stages.declared(connection))
        (theirs.directory / "versions").rename(theirs.directory / "elsewhere")

        with open_store(load_settings(), require=[EU, US], dependencies=MEANS) as store:
            assert not store.status().failed

    def test_a_region_in_use_stays_routable_when_it_is_declared(self, theirs: Place) -> None:
        """Who declares what exists already loses no minute of service."""
        versions = theirs.directory / "versions"
        versions.rename(theirs.directory / "later")
        init(load_settings(), dependencies=MEANS)
        with opened(EU, theirs.urls[EU]) as connection:
            connection.execute(
                text(
                    "INSERT INTO tenant VALUES ('t', 'a', 'eu-central-1', 'EU', 'api', false, "
                    "'{}', 1, now())"
                )
            )
        (theirs.directory / "later").rename(versions)

        theirs.alembic("upgrade", "heads")

        assert [theirs.stage(region) for region in (EU, US)] == [Stage.ROUTABLE, Stage.PROPOSED]

    def test_a_change_is_found_written_run_and_taken_back(self, theirs: Place) -> None:
        """``--autogenerate`` writes it on the branch of the topology; ``downgrade`` undoes it."""
        theirs.alembic("upgrade", "heads")
        file = theirs.directory / "regions" / f"{EU}.toml"
        before = file.read_text()
        file.write_text(before.replace("catalog_backup_days = 7", "catalog_backup_days = 9"))

        assert theirs.refuses("check").count("('change_region', 'eu-central-1')") == 1
        assert theirs.printed == f"{EU}:\n  differs: change_region\n{US}:\n"
        refused = theirs.refuses("upgrade", "heads")
        assert f"regions/{EU}.toml is not what revision" in refused
        theirs.alembic("revision", "--autogenerate", "-m", "Keep backups longer")
        theirs.alembic("upgrade", "heads")

        assert "No new upgrade operations" in theirs.alembic("check")
        assert [theirs.rows(region) for region in (EU, US)] == [2, 1]
        theirs.alembic("-x", f"region={EU}", "downgrade", "topology@-1")
        with opened(EU, theirs.urls[EU]) as connection:
            found = connection.scalars(
                text("SELECT digest FROM region_stage ORDER BY number")
            ).all()
        assert found[0] == found[2] != found[1]

    def test_a_downgrade_asks_for_its_regions_before_it_tries_one(self, theirs: Place) -> None:
        """What a region says of it would hide that: one in use says to retire it first."""
        theirs.alembic("upgrade", "heads")
        with opened(EU, theirs.urls[EU]) as connection:
            stages.add(connection, Stage.ROUTABLE, stages.declared(connection))

        said = theirs.refuses("downgrade", "base")

        assert (said, theirs.printed) == (
            "A downgrade destroys. Name each region: -x region=NAME downgrade",
            "",
        )
        named = theirs.refuses("-x", f"region={EU}", "downgrade", "base")
        assert f"domicile region retire {EU}" in named

    def test_a_revision_whose_file_is_absent_is_refused(self, theirs: Place) -> None:
        """Its region alone, naming both."""
        (theirs.directory / "regions" / f"{US}.toml").unlink()

        said = theirs.refuses("upgrade", "heads")

        assert re.search(rf"declares {US}, and there is no\s+regions/{US}.toml", said)
        assert (theirs.stage(EU), theirs.at(US)) == (Stage.PROPOSED, "")

    def test_a_merge_of_schema_and_topology_is_refused(self, theirs: Place) -> None:
        """Else no schema could be migrated without regions. Two heads of the topology may be."""
        before = set((theirs.directory / "versions").iterdir())
        script = ScriptDirectory.from_config(Config(theirs.directory / "alembic.ini"))
        merged = script.generate_revision(
            "abcdef",
            "As alembic merge does",
            head=[NEWEST, "topology@head"],
            version_path=str(theirs.directory / "versions"),
        )
        assert merged is not None

        said = theirs.refuses("upgrade", "heads")
        assert f"Delete {merged.path}" in said
        assert theirs.at(EU) == ""
        Path(merged.path).unlink()

        (first,) = (file.name.partition("_")[0] for file in before if file.suffix == ".py")
        for message in ("One", "Other"):
            theirs.alembic("revision", "-m", message, "--head", first, "--splice")
        theirs.alembic("merge", "topology@heads", "-m", "Both")

        theirs.alembic("upgrade", "heads")
        assert (theirs.at(EU), theirs.stage(EU)) == (NEWEST, Stage.PROPOSED)

    def test_an_edited_revision_is_refused(self, theirs: Place) -> None:
        """The digest of its text says so."""
        (file,) = (theirs.directory / "versions").glob("*.py")
        # of another length: Python may have compiled a text of this length in the same second
        file.write_text(file.read_text().replace('"replicas": 2', '"replicas": 12', 1))

        assert "not the one of its digest" in theirs.refuses("upgrade", "heads")

    def test_a_region_with_tenants_is_neither_retired_nor_undeclared(self, theirs: Place) -> None:
        """The error counts what is left. Empty, it goes; the others do not notice."""
        theirs.alembic("upgrade", "heads")
        with opened(US, theirs.urls[US]) as connection:
            connection.execute(
                text(
                    "INSERT INTO tenant VALUES ('t', 'a', 'us-east-1', 'US', 'api', false, "
                    "'{}', 1, now())"
                )
            )

        said = theirs.refuses("-x", f"region={US}", "downgrade", "topology@base")
        assert re.search(r"cannot be retired: it has 1 tenants", said)
        assert theirs.stage(US) is Stage.PROPOSED

        with opened(US, theirs.urls[US]) as connection:
            connection.execute(text("DELETE FROM tenant"))
        (theirs.directory / "regions" / f"{US}.toml").unlink()
        theirs.alembic("revision", "--autogenerate", "-m", "Leave the US")
        theirs.alembic("upgrade", "heads")

        assert (theirs.stage(EU), theirs.stage(US)) == (Stage.PROPOSED, Stage.RETIRED)
        assert theirs.rows(EU) == 1

    def test_a_region_that_was_in_use_is_retired_first(self, theirs: Place) -> None:
        """Empty is not enough: nobody has seen its buckets empty. Taken back, it is not ready."""
        theirs.alembic("upgrade", "heads")
        with opened(US, theirs.urls[US]) as connection:
            stages.add(connection, Stage.ROUTABLE, stages.declared(connection))
        (theirs.directory / "regions" / f"{US}.toml").unlink()
        theirs.alembic("revision", "--autogenerate", "-m", "Leave the US")

        said = theirs.refuses("upgrade", "heads")
        assert f"Run: domicile region retire {US}" in said
        with opened(US, theirs.urls[US]) as connection:
            stages.add(connection, Stage.RETIRED, stages.declared(connection))
        theirs.alembic("upgrade", "heads")

        assert theirs.stage(US) is Stage.RETIRED
        theirs.alembic("-x", f"region={US}", "downgrade", "topology@-1")
        assert theirs.stage(US) is Stage.PROPOSED


def test_a_region_that_is_not_routable_keeps_no_tenant_from_another(theirs: Place) -> None:
    """A process may have the settings of a region before it is ready."""
    init(load_settings(), dependencies=MEANS)
    with opened(EU, theirs.urls[EU]) as connection:
        stages.add(connection, Stage.ROUTABLE, stages.declared(connection))

    with open_store(load_settings(), dependencies=MEANS) as store:
        dpa = Dpa(signed=date(2026, 1, 5))
        store.admin.tenants.ensure(TenantSpec("t", "acme", EU, "EU", agreements=[dpa]))

        put = store.tenant("t").put(DataClass.PROMPT, b"mine")
        assert store.tenant("t").bind(SERVICE).get(put.id, purpose=Purpose.SERVE).body == b"mine"
