"""The command line: a place is set up, looked at and found fit."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from storage.cli import packages
from storage.cli.exit_codes import Exit
from tests.support.line import Line


class TestSettingUp:
    def test_init_can_be_repeated(self, line: Line) -> None:
        """Nothing that exists is replaced."""
        key = line.home / "keys" / "eu-central-1.toml"
        before = key.read_bytes()

        told = line.told("init")

        assert told["regions"] == ["eu-central-1", "us-east-1"]
        assert told["embedded"]
        assert key.read_bytes() == before

    def test_regions_are_listed(self, line: Line) -> None:
        """With their backends, and whether this process serves them."""
        told = line.told("region", "list")
        text = line("region", "list").stdout

        assert [r["region"] for r in told["regions"]] == ["eu-central-1", "us-east-1"]
        assert [b["backend"] for b in told["regions"][0]["backends"]] == ["eu-a", "eu-b"]
        assert all(r["served"] for r in told["regions"])
        assert "eu-a (lindenhost), eu-b (meerspeicher)" in text

    def test_the_policy_is_explained_from_the_configuration(self, line: Line) -> None:
        """Every term names what sets it, they add up, and the verdict is the exit code."""
        told = line.told("policy", "explain", "--region", "eu-central-1")
        shown = line("policy", "explain")
        slow = line("policy", "explain", "--pause", str(24 * 3600))

        expiry, erasure, *copies = told["regions"]["eu-central-1"]
        compaction = {
            "what": "a pack with survivors is rewritten",
            "at_most": 72 * 3600,
            "set_by": "bounds.compaction_hours = 72",
        }
        assert compaction in erasure["steps"]
        assert [bound["begins"] for bound in copies] == [
            "copies at klarblick are asked back",
            "copies at vier-augen are asked back",
        ]
        for bound in (expiry, erasure, *copies):
            assert bound["at_most"] == sum(step["at_most"] for step in bound["steps"])
            assert bound["fits"]
        assert expiry["limit"] == 24 * 3600
        assert "30 days; readable until 24 to 48 h before their end" in shown.stdout
        assert "7 days later" in shown.stdout
        assert told["receipts"]["EU"]["days"] == 1461
        assert told["holds"]["EU"]["days"] == 1096
        assert "CCPA" in shown.stdout
        assert (shown.exit_code, slow.exit_code) == (Exit.DONE, Exit.CONFIGURATION)
        assert "THAT CANNOT BE KEPT" in slow.stdout

    def test_what_the_settings_get_wrong_is_said(self, line: Line) -> None:
        """A misspelt setting is an error of the configuration, and shows no value."""
        result = line("status", environment={"DOMICILE_HOMER": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOMER is no setting" in result.stderr
        assert "hunter2" not in result.output

    def test_a_setting_that_is_no_json_is_said(self, line: Line) -> None:
        """The same, where the library that reads settings fails."""
        result = line("region", "list", environment={"DOMICILE_REGIONS": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "hunter2" not in result.output

    def test_a_topology_that_contradicts_itself_is_said(self, line: Line, tmp_path: Path) -> None:
        """File, key and reason."""
        (tmp_path / "sub_processors.toml").write_text("sub_processors = 1")

        result = line("status", environment={"DOMICILE_TOPOLOGY": str(tmp_path)})

        assert result.exit_code == Exit.CONFIGURATION
        assert "sub_processors.toml" in result.stderr

    def test_a_home_that_cannot_be_used_is_no_bug(self, line: Line) -> None:
        """The advice says where to look."""
        result = line("init", environment={"DOMICILE_HOME": "/dev/null/home"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOME" in result.stderr


class TestDoctor:
    def test_all_is_well(self, line: Line) -> None:
        """Every area is looked at, and nothing fails."""
        told = line.told("doctor")

        assert told["ok"]
        assert {f["check"] for f in told["findings"]} == {
            "versions",
            "packages",
            "settings",
            "keys",
            "catalog",
            "backends",
        }
        assert {f["what"] for f in told["findings"] if f["check"] == "packages"} >= {
            "storage",
            "regions",
            "migrations",
        }

    def test_a_key_file_for_all_to_read_fails(self, line: Line) -> None:
        """The advice says what to type; the other region is still looked at."""
        key = line.home / "keys" / "eu-central-1.toml"
        key.chmod(0o644)
        try:
            result = line("doctor")
        finally:
            key.chmod(0o600)

        assert result.exit_code == Exit.CONFIGURATION
        assert f"chmod 600 {key}" in result.stdout
        assert "us-b" in result.stdout
        assert "1 check failed" in result.stderr

    def test_backends_that_are_not_there(self, line: Line) -> None:
        """One may be away, as long as enough others take writes."""
        one, other = line.home / "backends" / "eu-a", line.home / "backends" / "eu-b"
        away = line.home / "away"
        one.rename(away)
        first = line("doctor", "--json")
        other.rename(line.home / "away-too")
        second = line("doctor", "--json")
        (line.home / "away-too").rename(other)
        away.rename(one)

        states = [f["state"] for f in json.loads(first.stdout)["findings"] if f["what"] == "eu-a"]
        assert (first.exit_code, states) == (0, ["warn"])
        assert second.exit_code == Exit.CONFIGURATION

    def test_a_catalog_that_does_not_answer(self, line: Line) -> None:
        """With what the driver says, but not the password."""
        environment = {
            "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": "postgresql://u:hunter2@127.0.0.1:1/d",
            "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(
                line.home / "keys" / "eu-central-1.toml"
            ),
        }
        result = line("doctor", environment=environment)
        down = line("status", environment=environment)

        assert (result.exit_code, down.exit_code) == (Exit.CONFIGURATION, Exit.UNAVAILABLE)
        assert "refused" in result.stdout
        assert "hunter2" not in result.output + down.output

    def test_nothing_is_set_up_yet(self, line: Line) -> None:
        """The embedded default is tried elsewhere, and leaves nothing behind."""
        home = line.home / "new"

        result = line("doctor", environment={"DOMICILE_HOME": str(home)})

        assert result.exit_code == 0
        assert "Nothing is set up yet" in result.stdout
        assert not home.exists()


class TestPackages:
    def test_versions_are_compared(self) -> None:
        """As far as our own bounds go."""
        assert packages.fits("2.1.9", ">=2.1,<2.2")
        assert packages.fits("50", ">=50")
        assert not packages.fits("2.2.0", ">=2.1,<2.2")
        assert not packages.fits("0.9", ">=1.20,<2")

    @pytest.mark.parametrize("name", packages.NAMES)
    def test_ours_are_ours(self, name: str) -> None:
        """In this source tree, however it is installed."""
        found = [f for f in packages.findings() if (f.check, f.what) == ("packages", name)]

        assert [f.state for f in found] == ["ok"]

    def test_a_foreign_one_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """PyPI has a ``regions`` about astronomy."""
        foreign = tmp_path / "regions" / "__init__.py"
        monkeypatch.setattr(packages, "_origin", lambda _: foreign)

        found = packages.package("regions", None)

        assert found.state == "fail"
        assert str(foreign.parent) in found.says

    def test_an_overwritten_file_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The path is ours; what is in the file is not."""
        site = _installed(tmp_path)
        ours = metadata.Distribution.at(site / "domicile-0.1.0.dist-info")
        monkeypatch.setattr(packages, "_origin", lambda _: site / "regions" / "__init__.py")

        before = packages.package("regions", ours)
        (site / "regions" / "__init__.py").write_text("theirs")
        after = packages.package("regions", ours)

        assert (before.state, after.state) == ("ok", "fail")
        assert "1 of its files" in after.says


def _installed(site: Path) -> Path:
    """A place where pip has installed a distribution with one file in ``regions``."""
    (site / "regions").mkdir()
    (site / "regions" / "__init__.py").write_text("ours")
    digest = packages._digest(site / "regions" / "__init__.py", "sha256")
    info = site / "domicile-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: domicile\nVersion: 0.1.0\n")
    (info / "RECORD").write_text(f"regions/__init__.py,sha256={digest},4\n")
    return site
