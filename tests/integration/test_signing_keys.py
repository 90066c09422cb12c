"""Keys that are rotated by command, and their published history."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc.jwk import KeySet
from sqlalchemy import text
from typer.testing import CliRunner

from storage.catalog import signing_keys
from storage.cli.app import app
from storage.cli.exit_codes import Exit
from storage.errors import CatalogForbidden, SettingsError
from storage.evidence.keys import import_public_keys, key_id
from storage.evidence.receipts import verify
from storage.model import Scope
from storage.testing import Domicile
from tests.support.actions import duty, erase, work
from tests.support.catalogs.databases import catalog_of, opened
from tests.support.inspect.stored import HOME, home
from tests.support.keyservice.apart import apart
from tests.support.receipt_verifier import read_receipt
from tests.support.second_store import second_store

Command = Callable[..., Any]

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


@pytest.fixture
def command(domicile: Domicile) -> Command:
    """Run a command with the Domicile's settings; return its JSON."""
    environment = {"DOMICILE_HOME": str(domicile.settings.home)}
    for name, given in domicile.settings.regions.items():
        prefix = f"DOMICILE_REGIONS__{name.upper().replace('-', '_')}"
        environment[f"{prefix}__CATALOG_URL"] = given.catalog_url.get_secret_value()
        environment[f"{prefix}__KEYS_FILE"] = str(given.keys_file)

    def run(*args: str | Path, code: int = 0) -> Any:  # noqa: ANN401
        ended = CliRunner(env=environment).invoke(app, [*map(str, args), "--json"])
        assert ended.exit_code == code, ended.output
        return json.loads(ended.stdout)

    return run


def receipt(domicile: Domicile, subject: str) -> str:
    """Return the receipt of an erasure that found nothing."""
    erasure = erase(domicile.tenant(), Scope.subject(subject))
    work(domicile)
    found = domicile.store.erasure(erasure.id).receipt
    assert found is not None
    return found


def test_every_receipt_is_verified_by_what_is_published(
    domicile: Domicile, command: Command, tmp_path: Path
) -> None:
    """By our command and by other software, for each version. Older keys stay listed."""
    before = receipt(domicile, "a")
    rotated = command("key", "rotate", HOME, "--section", "signing")
    domicile.open()
    after = receipt(domicile, "b")
    keys = command("receipt", "key", "--region", HOME)
    published, pem = tmp_path / "keys.json", tmp_path / "keys.pem"
    published.write_text(json.dumps(keys))
    pem.write_text("".join(each["pem"] for each in _as_pem(keys)))

    assert rotated == {"region": HOME, "section": "signing", "version": 2}
    assert [key["version"] for key in keys["keys"]] == [2, 1]
    kids = []
    for number, token in enumerate((before, after)):
        file = tmp_path / str(number)
        file.write_text(f"{token}\n")
        told = [command("receipt", "verify", file, "--key", key) for key in (published, pem)]
        assert told[0] == told[1]
        assert told[0]["receipt"]["erasure"] == read_receipt(token, keys)["erasure"]
        kids.append(told[0]["kid"])
    assert kids == [key["kid"] for key in reversed(keys["keys"])]


def _as_pem(keys: Any) -> list[dict[str, str]]:  # noqa: ANN401
    """Return the same keys as another library writes them."""
    return [
        {"pem": key.as_pem(private=False).decode()}  # type: ignore[union-attr]
        for key in KeySet.import_key_set({"keys": keys["keys"]}).keys
    ]


def test_the_history_says_from_when_to_when_each_key_signed(
    domicile: Domicile, command: Command
) -> None:
    """As it happened: a worker that was not restarted still signs with the older key."""
    times = []
    command("key", "rotate", HOME, "--section", "signing")
    unused = command("receipt", "key", "--region", HOME)["keys"]
    with second_store(domicile) as newer:  # started after the rotation, unlike the first
        for store in (domicile.store, newer, domicile.store, newer):
            domicile.pass_time(hours=1)
            erase(domicile.tenant(), Scope.subject("nobody"))
            duty(domicile, "plan", store)
            duty(domicile, "complete", store)
            times.append(domicile.clock.now())
    history = command("receipt", "key", "--region", HOME)["keys"]

    assert [(key["first_signed"], key["last_signed"]) for key in unused] == [(None, None)] * 2
    older, new = history[1], history[0]
    assert _close(older["first_signed"], older["last_signed"], times[0], times[2])
    assert _close(new["first_signed"], new["last_signed"], times[1], times[3])


def _close(first: str, last: str, *moments: Any) -> bool:  # noqa: ANN401
    """Return whether the times are the same to the minute."""
    return [first[:16], last[:16]] == [moment.isoformat()[:16] for moment in moments]


def test_a_key_that_the_file_has_lost_is_still_published(
    domicile: Domicile, command: Command
) -> None:
    """Its receipts exist, though a restored key file lacks it."""
    file = domicile.settings.regions[HOME].keys_file
    older = file.read_bytes()
    command("key", "rotate", HOME, "--section", "signing")
    domicile.open()
    token = receipt(domicile, "a")
    file.write_bytes(older)
    keys = command("receipt", "key", "--region", HOME)

    assert [key["version"] for key in keys["keys"]] == [1, None]
    assert verify(token, import_public_keys(json.dumps(keys))).region == HOME


def test_of_two_workers_the_earlier_and_the_later_moment_count(domicile: Domicile) -> None:
    """Whichever commits last: their clocks may differ a little."""
    region = home(domicile)
    key = region.signing.public_key()
    now = domicile.clock.now()
    domicile.pass_time(seconds=1)
    later = domicile.clock.now()
    with region.catalog.begin() as connection:
        for moment in (later, now, later):
            signing_keys.note(connection, key_id(key), key.public_bytes_raw(), moment)

        assert signing_keys.history(connection) == [(key.public_bytes_raw(), now, later)]


@pytest.mark.parametrize("section", ["root", "pseudonym", "signing"])
def test_a_rotation_is_usable_at_once(domicile: Domicile, command: Command, section: str) -> None:
    """The catalog knows the version, and a restarted process uses it."""
    told = command("key", "rotate", HOME, "--section", section)
    domicile.open()

    assert told["version"] == 2
    assert home(domicile).pseudonyms.current == (2 if section == "pseudonym" else 1)
    assert home(domicile).roots.current == (2 if section == "root" else 1)


def rotated(domicile: Domicile) -> list[int]:
    """Return the versions of the root key that the log has lines about. No store need be open."""
    query = text("SELECT text FROM log_line WHERE kind = 'key_rotation' ORDER BY at, id")
    with catalog_of(domicile.settings) as connection:
        found = [json.loads(line) for line in connection.scalars(query)]
    return [line["version"] for line in found if line["section"] == "root"]


def test_the_log_says_that_the_root_key_was_rotated(domicile: Domicile, command: Command) -> None:
    """Once for each version."""
    for version in (2, 3):
        assert command("key", "rotate", HOME, "--section", "root")["version"] == version

    assert rotated(domicile) == [2, 3]


def test_the_log_says_that_a_key_service_rotated_its_key(
    domicile: Domicile, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the login of the key service, which can add no other line."""
    with apart(domicile) as other:
        for name, value in {
            "REGION": HOME,
            "LISTEN": f"unix:{other.path}",
            "CATALOG_URL": other.url,
            "KEYS_FILE": str(other.root_file),
            "APPROVERS_FILE": str(domicile.settings.regions[HOME].approvers_file),
        }.items():
            monkeypatch.setenv(f"DOMICILE_KEYSERVICE__{name}", value)
        assert command("keyservice", "rotate")["version"] == 2

        insert = "INSERT INTO log_line (id, kind, at, commitment) VALUES (:id, 'lost', now(), '')"
        with pytest.raises(CatalogForbidden), opened(HOME, other.url) as connection:
            connection.execute(text(insert), {"id": uuid4()})
    assert rotated(domicile) == [2]


def test_pseudonym_keys_of_another_catalog_are_not_rotated(
    domicile: Domicile, command: Command
) -> None:
    """No version is added to a file that the catalog would refuse."""
    file = domicile.settings.regions[HOME].keys_file
    document = json.loads(file.read_text())
    document["pseudonym"]["1"] = document["root"]["1"]
    file.write_text(json.dumps(document))
    before = file.read_bytes()

    error = command("key", "rotate", HOME, "--section", "pseudonym", code=Exit.CONFIGURATION)

    assert error["error"]["code"] == SettingsError.__name__
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["key", "rotate", "mars-1", "--section", "root"], Exit.REFUSED),
        (["key", "rotate", HOME, "--section", "all"], Exit.INVALID),
        (["key", "rotate", HOME], Exit.INVALID),
    ],
)
def test_what_is_not_rotated(command: Command, args: list[str], code: Exit) -> None:
    """Regions that are not served, unknown sections, and no section are refused."""
    command(*args, code=code)
