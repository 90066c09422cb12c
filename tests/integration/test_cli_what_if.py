"""``what-if``: counted in the catalogs, with nothing changed."""

import csv
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant

BY = ("--by", "officer-7", "--ticket", "CASE-1")
NEW = """
[[sub_processors]]
name = "neu"
title = "Neu GmbH"
service = "hosting"
jurisdictions = ["EU"]
agreement = "A-1"
since = 2025-01-01

[[backends.eu-central-1]]
name = "eu-n"
kind = "directory"
sub_processor = "neu"
path = "backends/eu-n"
"""


@pytest.fixture(scope="module")
def filled(line: CommandLine) -> CommandLine:
    """Two tenants of the EU, of which one objects to meerspeicher, and one of the US."""
    line.put("one")
    line.put("two, which is longer")
    line.told("processor", "copies")
    ensure_tenant(line, "keen-eu", "eu-central-1", "EU")
    line.told("tenant", "object", "keen-eu", "meerspeicher", *BY)
    line.told("put", "keen-eu", "--class", "completion", stdin="three")
    ensure_tenant(line, "acme-us", "us-east-1", "US")
    return line


def rows(told: dict[str, object]) -> dict[tuple[str, str], dict[str, object]]:
    """Return the rows of a report by tenant and class."""
    found: list[dict[str, object]] = told["rows"]  # type: ignore[assignment]
    return {(str(row["tenant"]), str(row["data_class"])): row for row in found}


def test_a_host_less(filled: CommandLine) -> None:
    """What is there is counted; who has no other place would be refused, for every class."""
    told = filled.told("what-if", "--remove", "lindenhost")

    found = rows(told)
    prompts = found["acme-eu", "prompt"]
    assert (prompts["records"], prompts["leaves"], prompts["to"]) == (2, ["eu-a"], ["eu-b"])
    assert prompts["bytes"] > len("one" + "two, which is longer")  # type: ignore[operator]
    assert ("acme-eu", "completion") not in found
    keen = {name: row for (tenant, name), row in found.items() if tenant == "keen-eu"}
    assert set(keen) == {"prompt", "completion", "fine_tuning_file", "event"}
    assert [keen[name]["records"] for name in ("prompt", "completion")] == [0, 1]
    assert "agreement has ended" in str(keen["prompt"]["refused"])
    assert (told["tenants"], told["refused_tenants"], told["more"]) == (2, 1, False)
    assert not any(tenant == "acme-us" for tenant, _ in found)
    (total,) = (x for x in told["totals"] if x["data_class"] == "prompt" and not x["refused"])
    assert (total["tenants"], total["records"]) == (1, 2)


def test_one_for_another(filled: CommandLine, tmp_path: Path) -> None:
    """The new place takes what would be refused, and every row is in the file."""
    (tmp_path / "new.toml").write_text(NEW)
    rest = ("--add", tmp_path / "new.toml", "--output", tmp_path / "all.csv")
    result = filled("what-if", "--remove", "lindenhost", *rest, "--limit", "1")

    assert result.exit_code == Exit.DONE
    assert "These are the first rows" in result.stderr
    with (tmp_path / "all.csv").open() as file:
        every = list(csv.DictReader(file))
    assert {(row["tenant"], row["to"], row["reached"]) for row in every} == {
        ("acme-eu", "eu-b eu-n", "neu"),
        ("keen-eu", "eu-n", "neu"),
    }
    assert not any(row["refused"] for row in every)
    assert filled("what-if", "--remove", "lindenhost", *rest).exit_code == Exit.INVALID


def test_nothing_is_changed(filled: CommandLine) -> None:
    """The same question has the same answer, and nobody is told that a company goes."""
    first = filled.told("what-if", "--remove", "lindenhost")

    assert filled.told("what-if", "--remove", "lindenhost") == first
    assert filled("what-if", "--remove", "tidewater-vaults").exit_code == Exit.DONE


def test_what_is_wrong_says_what_to_do(filled: CommandLine, tmp_path: Path) -> None:
    """No change, an unknown company, and a file that could not be part of the topology."""
    assert filled.error("what-if")[0] == Exit.INVALID
    code, error = filled.error("what-if", "--remove", "lindenhst")
    assert (code, "lindenhost" in error["advice"]) == (Exit.INVALID, True)
    (tmp_path / "new.toml").write_text(NEW.replace('["EU"]', '["US"]'))
    code, error = filled.error("what-if", "--add", str(tmp_path / "new.toml"))
    assert code == Exit.CONFIGURATION
    assert "backends.eu-n" in error["message"]
