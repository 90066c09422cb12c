"""``domicile scrub``."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import loads

import pytest
from typer.testing import CliRunner, Result

from storage.cli.app import app
from storage.cli.commands import scrub as command
from storage.cli.exit_codes import Exit
from storage.client.homes import Homes
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.scrubs import keys_of, of_the_log, overwrite


@pytest.fixture
def scrub(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner on the test's store, with a record on both EU backends."""

    @contextmanager
    def opened_homes() -> Iterator[Homes]:
        yield domicile.homes

    monkeypatch.setattr(command, "opened_homes", opened_homes)
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    domicile.run_worker()
    return CliRunner()


def ran(scrub: CliRunner, *args: str) -> Result:
    """Run it at the highest rate."""
    return scrub.invoke(app, ["scrub", "--rate", "1000", *args])


def test_an_intact_system(scrub: CliRunner, domicile: Domicile) -> None:
    """It checks every backend of every region and ends with 0."""
    told = loads(ran(scrub, "--full", "--json").stdout)
    text = ran(scrub)

    assert [b["backend"] for b in told["backends"]] == ["eu-a", "eu-b", "us-a", "us-b"]
    assert told["unrepaired"] == 0
    of_records = [b["read"] - of_the_log(domicile, b["backend"]) for b in told["backends"]]
    assert of_records == [2, 2, 0, 0]
    assert all(b["findings"] == [] and b["finished"] for b in told["backends"])
    assert text.exit_code == Exit.DONE
    assert "The backends match the catalog" in text.stderr


def test_repaired_findings(scrub: CliRunner, domicile: Domicile) -> None:
    """It ends with 0; JSON has the kind, the count, the repair and some keys."""
    keys = [f"orphan/{number:02}" for number in range(12)]
    for key in keys:
        domicile.backends["eu-b"].inner.put(key, b"whose", timeout=30)
    (pack,) = keys_of(domicile, "eu-b")
    domicile.backends["eu-b"].inner.purge(pack)

    result = ran(scrub, "--region", "eu-central-1", "--backend", "eu-b", "--json")
    (told,) = loads(result.stdout)["backends"]

    assert result.exit_code == Exit.DONE
    assert told["findings"] == [
        {"found": "missing", "done": "replacing", "count": 1, "keys": [pack]},
        {"found": "orphan", "done": "waiting", "count": 12, "keys": keys[:10]},
    ]


def test_irreparable_damage_has_its_own_exit_code(scrub: CliRunner, domicile: Domicile) -> None:
    """Status still reports it afterwards."""
    for name in ("eu-a", "eu-b"):
        (key,) = keys_of(domicile, name)
        overwrite(domicile.backends[name].inner, key, b"x")

    result = ran(scrub, "--backend", "eu-a")

    assert result.exit_code == Exit.UNREPAIRED
    assert "wrong size" in result.stdout
    assert "UNREPAIRED" in result.stdout
    assert '"done": "unrepaired"' in result.stderr  # the log has the same word
    assert "Records affected: 1 record, of acme-eu." in result.stderr
    assert "Restore these keys on a backend" in " ".join(result.stderr.split())
    told = loads(ran(scrub, "--backend", "eu-a", "--json").stdout)
    assert told["affected"] == {"records": {"at_least": 1, "exact": True}, "tenants": ["acme-eu"]}
    (region, _) = domicile.store.status().regions
    assert [backend.unrepaired for backend in region.backends] == [1, 0]


def test_an_unavailable_backend(scrub: CliRunner, domicile: Domicile) -> None:
    """The others are scrubbed; the exit code says that a retry may help."""
    domicile.take_down("eu-a")

    result = ran(scrub, "--json")
    told = {b["backend"]: b for b in loads(result.stdout)["backends"]}

    assert result.exit_code == Exit.UNAVAILABLE
    assert told["eu-a"]["error"] == "BackendUnavailable"
    assert told["eu-a"]["finished"] is None
    assert told["eu-b"]["finished"] is not None


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--backend", "eu-z"], Exit.INVALID),
        (["--region", "eu-central-1", "--backend", "us-a"], Exit.INVALID),
        (["--region", "mars"], Exit.REFUSED),
        (["--sample", "2"], Exit.INVALID),
        (["--rate", "0"], Exit.INVALID),
    ],
)
def test_invalid_options_are_refused(scrub: CliRunner, args: list[str], code: Exit) -> None:
    """Nothing is scrubbed."""
    assert scrub.invoke(app, ["scrub", *args]).exit_code == code
