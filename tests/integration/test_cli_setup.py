"""The command line: setting up a home, and checking it with doctor."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

import regions
from storage.cli import packages
from storage.cli.commands import doctor
from storage.cli.exit_codes import Exit
from storage.cli.findings import Finding, failed
from storage.errors import SettingsError
from tests.support.cli_harness import CommandLine


class TestSettingUp:
    def test_init_can_be_repeated(self, line: CommandLine) -> None:
        """A second ``init`` replaces nothing."""
        key = line.home / "keys" / "eu-central-1.toml"
        before = key.read_bytes()

        told = line.told("init")

        assert told["regions"] == ["eu-central-1", "us-east-1"]
        assert told["embedded"]
        assert key.read_bytes() == before

    def test_init_names_the_key_files_that_it_made(self, line: CommandLine) -> None:
        """They must be backed up, once."""
        fresh = {"DOMICILE_HOME": str(line.home / "fresh")}

        first, again = line("init", environment=fresh), line("init", environment=fresh)

        for name in ("eu-central-1", "us-east-1"):
            assert str(line.home / "fresh" / "keys" / f"{name}.toml") in first.stderr
        assert "Back up" in first.stderr
        assert "Back up" not in again.stderr
        assert line.told("init")["new_key_files"] == []

    def test_regions_are_listed(self, line: CommandLine) -> None:
        """Each with its backends, and whether this process serves it."""
        told = line.told("region", "list")
        text = line("region", "list").stdout

        assert [r["region"] for r in told["regions"]] == ["eu-central-1", "us-east-1"]
        assert [b["backend"] for b in told["regions"][0]["backends"]] == ["eu-a", "eu-b"]
        assert all(r["served"] for r in told["regions"])
        assert "eu-a (lindenhost, local), eu-b (meerspeicher, local)" in text

    def test_the_policy_is_explained_from_the_configuration(self, line: CommandLine) -> None:
        """Every step names its setting, steps add up, and a failure sets the exit code."""
        told = line.told("policy", "explain", "--region", "eu-central-1")
        shown = line("policy", "explain")
        slow = line("policy", "explain", "--pause", str(24 * 3600))

        expiry, erasure, shortened, *copies = told["regions"]["eu-central-1"]
        compaction = {
            "what": "a pack with survivors is rewritten",
            "at_most": 72 * 3600,
            "set_by": "bounds.compaction_hours = 72",
        }
        assert compaction in erasure["steps"]
        assert [bound["begins"] for bound in (shortened, *copies)] == [
            "a shortened retention ends reading",
            "deletion of the copies at klarblick is requested",
            "deletion of the copies at handverlesen is requested",
            "deletion of the copies at vier-augen is requested",
        ]
        for bound in (expiry, erasure, shortened, *copies):
            assert bound["at_most"] == sum(step["at_most"] for step in bound["steps"])
            assert bound["fits"]
        assert expiry["limit"] == 24 * 3600
        assert "30 days; readable until 24 to 48 h before" in shown.stdout
        assert "7 days later" in shown.stdout
        assert told["receipts"]["EU"]["days"] == 1461
        assert told["holds"]["EU"]["days"] == 1096
        assert "CCPA" in shown.stdout
        assert (shown.exit_code, slow.exit_code) == (Exit.DONE, Exit.CONFIGURATION)
        assert "THE PROMISE CANNOT BE KEPT" in slow.stdout

    def test_a_misspelled_setting_is_reported(self, line: CommandLine) -> None:
        """The error names the setting and shows no value."""
        result = line("status", environment={"DOMICILE_HOMER": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "Unknown setting DOMICILE_HOMER" in result.stderr
        assert "Did you mean DOMICILE_HOME?" in result.stderr
        assert "hunter2" not in result.output

    def test_a_setting_that_is_not_json_is_reported(self, line: CommandLine) -> None:
        """The same, where the library that reads settings raises."""
        result = line("region", "list", environment={"DOMICILE_REGIONS": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "hunter2" not in result.output

    def test_an_invalid_topology_is_reported(self, line: CommandLine, tmp_path: Path) -> None:
        """The error names the file."""
        (tmp_path / "sub_processors.toml").write_text("sub_processors = 1")

        result = line("status", environment={"DOMICILE_TOPOLOGY": str(tmp_path)})

        assert result.exit_code == Exit.CONFIGURATION
        assert "sub_processors.toml" in result.stderr

    def test_a_topology_that_is_no_directory_is_named(self, line: CommandLine) -> None:
        """There is no file to correct: the setting is wrong."""
        result = line("status", environment={"DOMICILE_TOPOLOGY": "/nope"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_TOPOLOGY /nope is not a directory" in result.stderr
        assert "at that key" not in result.stderr

    def test_credentials_of_a_directory_are_refused(self, line: CommandLine) -> None:
        """They would be ignored: another backend was meant."""
        keys = {f"DOMICILE_BACKENDS__EU_A__{k}_KEY": "hunter2" for k in ("ACCESS", "SECRET")}
        result = line("status", environment=keys)

        assert result.exit_code == Exit.CONFIGURATION
        assert "credentials for eu-a: a directory backend takes none" in result.stderr
        assert "hunter2" not in result.output

    def test_an_unusable_home_is_reported(self, line: CommandLine) -> None:
        """The error names the setting, and no bug is reported."""
        result = line("init", environment={"DOMICILE_HOME": "/dev/null/home"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOME" in result.stderr

    @pytest.mark.parametrize("command", ["init", "status"])
    @pytest.mark.parametrize("home", ["/dev/null", "/proc/x", "a-file"])
    def test_a_home_that_cannot_be_a_directory_is_named(
        self,
        line: CommandLine,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        command: str,
        home: str,
    ) -> None:
        """The error has the absolute path and the reason, and no bug is reported."""
        monkeypatch.chdir(tmp_path)
        Path("a-file").touch()

        result = line(command, environment={"DOMICILE_HOME": home})

        assert result.exit_code == Exit.CONFIGURATION
        why = (
            "cannot be made a directory: "
            if command == "init"
            else "has nothing yet. Run: domicile init"
        )
        assert f"DOMICILE_HOME {tmp_path / home} {why}" in " ".join(result.stderr.split())

    def test_an_empty_home_is_refused(self, line: CommandLine) -> None:
        """It is not the current directory."""
        result = line("status", environment={"DOMICILE_HOME": ""})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOME: It is empty." in result.stderr


class TestDoctor:
    def test_all_checks_pass(self, line: CommandLine) -> None:
        """Every area is checked, and no check fails."""
        told = line.told("doctor")

        assert told["ok"]
        assert {f["check"] for f in told["findings"]} == {
            "versions",
            "packages",
            "settings",
            "keys",
            "catalog",
            "log",
            "backends",
        }
        assert {f["what"] for f in told["findings"] if f["check"] == "packages"} == {
            "storage",
            "regions",
        }

    def test_how_each_connection_is_protected(self, line: CommandLine) -> None:
        """The embedded server has a unix socket."""
        said = [f["says"] for f in line.told("doctor")["findings"] if f["check"] == "catalog"]

        assert said.count("The connection is protected by a unix socket.") == 2

    @pytest.mark.parametrize("width", [40, 60, 80])
    def test_no_word_is_broken(self, width: int) -> None:
        """A path that does not fit beside the columns goes below them, in one piece."""
        path = "/srv/app/.venv/lib/python3.12/site-packages/storage"
        finding = Finding(
            "packages", "storage", "fail", f"Files differ in {path}.", "Reinstall it."
        )

        shown = doctor._shown(finding, "fail  packages  storage       ", width).plain

        assert (
            shown.split() == f"fail packages storage Files differ in {path}. Reinstall it.".split()
        )
        assert all(len(line) <= width or path in line for line in shown.splitlines())

    def test_columns_stay_apart(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Whatever the length of a name."""
        doctor._show([Finding("key service", "eu", "ok", "It answers.")])

        assert "key service  eu  It answers." in capsys.readouterr().out

    def test_a_readable_key_file_fails(self, line: CommandLine) -> None:
        """The advice is a command to run; the other region is still checked."""
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

    def test_missing_backends(self, line: CommandLine) -> None:
        """The check of each fails with the backend's own message and advice."""
        one, other = line.home / "backends" / "eu-a", line.home / "backends" / "eu-b"
        away = line.home / "away"
        one.rename(away)
        one.mkdir()  # what is left of a disk that is not mounted
        first = line("doctor", "--json")
        other.rename(line.home / "away-too")
        second = line("doctor", "--json")
        (line.home / "away-too").rename(other)
        one.rmdir()
        away.rename(one)

        found = {f["what"]: f for f in json.loads(first.stdout)["findings"]}
        assert (first.exit_code, second.exit_code) == (Exit.CONFIGURATION, Exit.CONFIGURATION)
        assert found["eu-a"]["state"] == "fail"
        assert "no .domicile file" in found["eu-a"]["says"]
        assert "Is the disk mounted?" in found["eu-a"]["advice"]
        assert found["eu-b"]["state"] == "ok"
        told = [f["says"] for f in json.loads(second.stdout)["findings"] if f["state"] == "fail"]
        assert any("its directory does not exist" in says for says in told)
        assert "A write needs 1 backend; 0 can be used." in told

    @pytest.mark.parametrize(
        ("advice", "shown"),
        [
            ("See: domicile doctor", ""),
            ("Try again. See: domicile doctor", "Try again."),
            ("See https://x/settings/ and: domicile doctor", "See https://x/settings/"),
        ],
    )
    def test_no_advice_leads_back_to_doctor(self, advice: str, shown: str) -> None:
        """Its reader has just run it."""
        error = SettingsError("Wrong.", advice=advice)

        assert failed("settings", "x", error).advice == shown

    def test_a_catalog_that_does_not_answer(self, line: CommandLine) -> None:
        """The report has the driver's message, but not the password."""
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

    def test_nothing_is_set_up_yet(self, line: CommandLine) -> None:
        """Doctor tries the embedded default in a temporary directory, and removes it."""
        home = line.home / "new"

        result = line("doctor", environment={"DOMICILE_HOME": str(home)})

        assert result.exit_code == 0
        assert "Nothing is set up yet" in result.stdout
        assert not home.exists()


class TestPackages:
    @pytest.mark.parametrize("name", packages.NAMES)
    def test_ours_are_ours(self, name: str) -> None:
        """In this source tree, however it is installed."""
        found = [f for f in packages.findings() if (f.check, f.what) == ("packages", name)]

        assert [f.state for f in found] == ["ok"]

    def test_a_foreign_one_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """PyPI has a ``regions`` about astronomy."""
        monkeypatch.setattr(regions, "__file__", str(tmp_path / "regions" / "__init__.py"))

        found = packages.package("regions", (), tmp_path)

        assert found.state == "fail"
        assert str(tmp_path / "regions") in found.says

    @pytest.mark.parametrize("file", ["regions.py", "regions/__init__.py"])
    def test_one_that_hides_ours_is_named(self, tmp_path: Path, file: str) -> None:
        """A service that starts in that directory imports its own package instead."""
        hiding = tmp_path / file
        hiding.parent.mkdir(exist_ok=True)
        before = packages.package("regions", (), tmp_path)
        hiding.touch()

        found = packages.package("regions", (), tmp_path)

        assert (before.state, found.state) == ("ok", "warn")
        assert str(hiding) in found.says
        assert "namespace" in found.advice

    @pytest.mark.parametrize("name", packages.NAMES)
    def test_an_overwritten_file_is_seen(self, tmp_path: Path, name: str) -> None:
        """The path is ours, but the file is not what pip recorded. Nor is a deleted one."""
        files = _installed(tmp_path, name)

        before = packages.package(name, files, tmp_path / "elsewhere")
        (tmp_path / name / "__init__.py").write_text("theirs")
        after = packages.package(name, files, tmp_path / "elsewhere")
        (tmp_path / name / "model.py").unlink()
        worse = packages.package(name, files, tmp_path / "elsewhere")

        assert [f.state for f in (before, after, worse)] == ["ok", "fail", "fail"]
        assert "overwrote 1 of its files" in after.says
        assert "overwrote 2 of its files" in worse.says


def _installed(site: Path, name: str) -> Sequence[metadata.PackagePath]:
    """Return the files of a distribution that is installed in ``site``, one of them compiled."""
    lines = [f"{name}/__pycache__/model.pyc,,"]
    (site / name).mkdir()
    for file in ("__init__.py", "model.py"):
        (site / name / file).write_text("ours")
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"ours").digest()).rstrip(b"=").decode()
        lines.append(f"{name}/{file},sha256={digest},4")
    info = site / "domicile-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: domicile\nVersion: 0.1.0\n")
    (info / "RECORD").write_text("\n".join(lines))
    return metadata.Distribution.at(info).files or ()
