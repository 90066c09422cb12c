"""``domicile scrub``, as a person and as a script meet it."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import loads

import pytest
from typer.testing import CliRunner, Result

from storage.cli.app import app
from storage.cli.commands import scrub as command
from storage.cli.exit_codes import Exit
from storage.client.store import Store
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.scrubs import keys_of, overwrite


@pytest.fixture
def scrub(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command, on the store of the test; there is a record on both backends of the EU."""

    @contextmanager
    def opened() -> Iterator[Store]:
        yield domicile.store

    monkeypatch.setattr(command, "opened", opened)
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    domicile.run_worker()
    return CliRunner()


def ran(scrub: CliRunner, *args: str) -> Result:
    """Run it, as fast as it may be."""
    return scrub.invoke(app, ["scrub", "--rate", "1000", *args])


def test_where_all_is_well(scrub: CliRunner) -> None:
    """It ends with 0, having looked at every backend of every region, and says so."""
    told = loads(ran(scrub, "--full", "--json").stdout)
    text = ran(scrub)

    assert [b["backend"] for b in told["backends"]] == ["eu-a", "eu-b", "us-a", "us-b"]
    assert told["unrepaired"] == 0
    assert [b["read"] for b in told["backends"]] == [2, 2, 0, 0]
    assert all(b["findings"] == [] and b["finished"] for b in told["backends"])
    assert text.exit_code == Exit.DONE
    assert "The backends match the catalog" in text.stderr


def test_what_it_finds_and_mends(scrub: CliRunner, domicile: Domicile) -> None:
    """It ends with 0, and tells kind, count, what was done and a few keys."""
    keys = [f"stray/{number:02}" for number in range(12)]
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


def test_what_it_cannot_mend_ends_with_a_code_of_its_own(
    scrub: CliRunner, domicile: Domicile
) -> None:
    """And status goes on saying it."""
    for name in ("eu-a", "eu-b"):
        (key,) = keys_of(domicile, name)
        overwrite(domicile.backends[name].inner, key, b"x")

    result = ran(scrub, "--backend", "eu-a")

    assert result.exit_code == Exit.UNREPAIRED
    assert "wrong size" in result.stdout
    assert "NOT REPAIRED" in result.stdout
    (region, _) = domicile.store.status()
    assert [backend.unrepaired for backend in region.backends] == [1, 0]


def test_a_backend_that_does_not_answer(scrub: CliRunner, domicile: Domicile) -> None:
    """The others are scrubbed, and it ends as whatever may be tried again."""
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
def test_what_is_refused(scrub: CliRunner, args: list[str], code: Exit) -> None:
    """Nothing is scrubbed then."""
    assert scrub.invoke(app, ["scrub", *args]).exit_code == code
