"""The commands ``keyservice`` and ``key split``: files are made and moved, and nothing is lost."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from storage.crypto.root import OF_KEY_SERVICE, OF_SERVICE, LocalRootKeys, create
from storage.errors import SettingsError
from tests.support.cli_harness import CommandLine

HOME, URL = "eu-central-1", "postgresql://keys@127.0.0.1:1/none"
SECRET = "a-password-that-nobody-sees"
CONTEXT = b"context"


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line without any region."""
    return CommandLine(tmp_path)


def settings(folder: Path, **changed: str | None) -> Mapping[str, str | None]:
    """Return the environment of a key service."""
    approvers = folder / "approvers.toml"
    approvers.write_text("[approvers]\n")
    given: dict[str, str | None] = {
        "REGION": HOME,
        "LISTEN": f"unix:{folder / 'keys.sock'}",
        "CATALOG_URL": URL,
        "KEYS_FILE": str(folder / "root.json"),
        "APPROVERS_FILE": str(approvers),
    }
    return {f"DOMICILE_KEYSERVICE__{name}": value for name, value in (given | changed).items()}


def test_a_new_region_gets_a_root_key_alone(cli: CommandLine, tmp_path: Path) -> None:
    """``init`` makes the key file, once. Without a catalog for the line ``rotate`` adds nothing."""
    given = settings(tmp_path)
    made = cli("keyservice", "init", "--json", environment=given)
    again = cli("keyservice", "init", "--json", environment=given)
    rotated = cli("keyservice", "rotate", "--json", environment=given)
    keys = LocalRootKeys.load(
        tmp_path / "root.json", os.urandom, region=HOME, needs=OF_KEY_SERVICE, refuses=OF_SERVICE
    )

    assert json.loads(made.stdout)["created"] == str(tmp_path / "root.json")
    assert again.exit_code == Exit.CONFIGURATION
    assert rotated.exit_code == Exit.UNAVAILABLE
    assert keys.current == 1


KMS_IN_AMERICA = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("changed", "exit_code", "says"),
    [
        ({"REGION": "moon-1"}, Exit.REFUSED, "does not have the region"),
        ({"LISTEN": "tcp://here:1"}, Exit.CONFIGURATION, "address of the key service"),
        ({"LISTEN": "tls://127.0.0.1:7443"}, Exit.CONFIGURATION, "TLS is missing"),
        ({"KEYS_FILE": None}, Exit.CONFIGURATION, "KEYS_FILE or KMS is missing"),
        ({"KEYS_FILE": "/nowhere/keys"}, Exit.CONFIGURATION, "does not exist"),
        ({"APPROVERS_FILE": None}, Exit.CONFIGURATION, "APPROVERS_FILE: Field required"),
        ({"KMS__KEY": KMS_IN_AMERICA}, Exit.CONFIGURATION, "in US, not in EU"),
        (
            {"KMS__KEY": KMS_IN_AMERICA, "KMS__COLOUR": "red"},
            Exit.CONFIGURATION,
            "Known parts: KEY, ENDPOINT_URL",
        ),
        ({"COLOUR": "red"}, Exit.CONFIGURATION, "Known parts: REGION, LISTEN"),
        ({"CATALOG_URL": f"mysql://u:{SECRET}@h/d"}, Exit.CONFIGURATION, "PostgreSQL"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_settings_are_one_clear_error(
    cli: CommandLine,
    tmp_path: Path,
    changed: dict[str, str | None],
    exit_code: Exit,
    says: str,
) -> None:
    """It does not listen, says what to correct, and shows no secret."""
    create(tmp_path / "root.json", os.urandom, region=HOME, sections=OF_KEY_SERVICE)
    given = settings(tmp_path, **changed)
    result = cli("keyservice", "serve", "--json", environment=given)

    assert result.exit_code == exit_code, result.output
    error = json.loads(result.stdout)["error"]
    assert says in error["message"] + error["advice"]
    assert SECRET not in result.output


def test_without_its_file_of_approvers_it_starts(cli: CommandLine, tmp_path: Path) -> None:
    """Services need no approver: it comes as far as the socket, and the log has the file."""
    create(tmp_path / "root.json", os.urandom, region=HOME, sections=OF_KEY_SERVICE)
    given = settings(tmp_path, APPROVERS_FILE="/nowhere", LISTEN="unix:/nowhere/keys.sock")
    result = cli("keyservice", "serve", "--json", environment=given)

    assert "cannot listen" in json.loads(result.stdout)["error"]["message"]
    assert "key_service_without_approvers" in result.stderr
    assert "/nowhere cannot be read" in result.stderr


def test_a_file_of_approvers_that_others_can_write_is_in_its_log(
    cli: CommandLine, tmp_path: Path
) -> None:
    """It starts, and says who can pin a key of his own."""
    create(tmp_path / "root.json", os.urandom, region=HOME, sections=OF_KEY_SERVICE)
    given = settings(tmp_path, LISTEN="unix:/nowhere/keys.sock")
    said = []
    for mode in (0o644, 0o664, 0o666):
        (tmp_path / "approvers.toml").chmod(mode)
        said.append(cli("keyservice", "serve", environment=given).stderr)

    assert "key_service_approvers_writable" not in said[0]
    assert '"by": "its group"' in said[1]
    assert '"by": "everybody"' in said[2]
    assert str(tmp_path / "approvers.toml") in said[2]


def test_without_settings_it_says_which(cli: CommandLine) -> None:
    """The variables that it needs are named."""
    code, error = cli.error("keyservice", "serve")

    assert code == Exit.CONFIGURATION
    assert "DOMICILE_KEYSERVICE__REGION" in error["advice"]


@pytest.mark.parametrize("name", ["KMS__KEY", "APPROVERS_FILE"])
def test_a_service_has_nothing_of_its_key_service(
    cli: CommandLine, tmp_path: Path, name: str
) -> None:
    """What the key service checks with is not beside the service too."""
    region = {
        "CATALOG_URL": URL,
        "KEYS_FILE": str(tmp_path / "keys"),
        "KEY_SERVICE": "unix:/run/keys.sock",
        name: "x",
    }
    given = {f"DOMICILE_REGIONS__EU_CENTRAL_1__{key}": value for key, value in region.items()}
    result = cli("status", "--json", environment=given)

    assert result.exit_code == Exit.CONFIGURATION
    assert "belong to the key service" in json.loads(result.stdout)["error"]["message"]


class TestSplit:
    @pytest.fixture
    def whole(self, tmp_path: Path) -> Path:
        """The key file of a region with all its keys."""
        path = tmp_path / "keys"
        create(path, os.urandom, region=HOME)
        return path

    def command(self, cli: CommandLine, path: Path, target: Path) -> int:
        """Split; return the exit code."""
        given = {"CATALOG_URL": URL, "KEYS_FILE": str(path)}
        environment = {f"DOMICILE_REGIONS__EU_CENTRAL_1__{k}": v for k, v in given.items()}
        return cli("key", "split", HOME, target, "--json", environment=environment).exit_code

    def test_moves_the_root_keys_alone(self, cli: CommandLine, whole: Path) -> None:
        """What they wrapped opens as before; pseudonyms and signatures stay what they were."""
        target = whole.with_name("root")
        before = LocalRootKeys.load(whole, os.urandom, region=HOME)
        sealed = before.wrap(b"k" * 32, CONTEXT)
        assert self.command(cli, whole, target) == Exit.DONE
        root = LocalRootKeys.load(target, os.urandom, region=HOME, needs=OF_KEY_SERVICE)
        rest = LocalRootKeys.load(whole, os.urandom, region=HOME, needs=OF_SERVICE)

        assert root.unwrap(sealed, CONTEXT) == b"k" * 32
        assert rest.pseudonym_keys() == before.pseudonym_keys()
        assert "root" not in rest
        assert {path.stat().st_mode & 0o777 for path in (whole, target)} == {0o600}
        with pytest.raises(SettingsError, match="no root keys"):
            LocalRootKeys.load(whole, os.urandom, region=HOME)

    def test_goes_on_after_a_crash(self, cli: CommandLine, whole: Path) -> None:
        """The new file was written, the old one not yet changed: the same command ends it."""
        target, before = whole.with_name("root"), whole.read_bytes()
        self.command(cli, whole, target)
        whole.write_bytes(before)

        assert self.command(cli, whole, target) == Exit.DONE
        assert b"root" not in whole.read_bytes()

    def test_loses_no_key(self, cli: CommandLine, whole: Path) -> None:
        """A target with other keys is left, and the root keys stay where they are."""
        target, before = whole.with_name("root"), whole.read_bytes()
        create(target, os.urandom, region=HOME, sections=OF_KEY_SERVICE)
        other = target.read_bytes()

        assert self.command(cli, whole, target) == Exit.CONFIGURATION
        assert (whole.read_bytes(), target.read_bytes()) == (before, other)
