"""``subprocessor``: the public list on a day, what changed, and the notice to customers."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import Result

from regions.load import load_topology
from storage.cli.exit_codes import Exit
from tests.support.announcements import NEW, announce
from tests.support.cli_harness import CommandLine

DAY = timedelta(days=1)


def today() -> date:
    """The day on which the commands run."""
    return datetime.now(UTC).date()


class Texts(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def run(line: CommandLine, topology: Path | None, *args: str | Path) -> Result:
    """Run ``subprocessor`` with a topology."""
    changed = {"DOMICILE_TOPOLOGY": str(topology)} if topology is not None else {}
    return line("subprocessor", *args, environment=changed)


def test_a_list_of_today_is_what_the_catalogs_have_seen(line: CommandLine) -> None:
    """With hosts, stewards and processors, and the classes whose data reaches each."""
    told = line.told("subprocessor", "list")
    found = {one["name"]: one for one in told["sub_processors"]}

    assert (told["source"], told["failed"]) == ("catalogs", [])
    assert {one["region"] for one in told["topologies"]} == set(load_topology().regions)
    assert set(found) == set(load_topology().sub_processors)
    assert {part["kind"] for part in found["quellwerk"]["parts"]} == {"catalog", "keys", "backups"}
    assert found["vier-augen"]["classes"] == ["prompt", "completion"]
    assert found["lindenhost"]["state"] == "active"


def test_what_the_topology_states_is_no_markup(line: CommandLine, tmp_path: Path) -> None:
    """A page is whole and loads nothing, whatever a title says."""
    first = today() + 40 * DAY
    topology = announce(tmp_path / "topology", first, today())

    page = Texts(run(line, topology, "list", "--html", "--at", str(first)).stdout)
    table = run(line, topology, "list", "--markdown", "--at", str(first)).stdout

    assert "Neublick <Prüfung> & Co. (invented)" in page.text
    assert not {"prüfung", "script", "link", "img"} & set(page.tags)
    assert f"{first} (announced {today()})" in page.text
    rows = [row for row in table.splitlines() if row.startswith("|")]
    assert len(rows) == 2 + len(load_topology().sub_processors) + 1
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "Neublick \\<Prüfung\\> \\& Co" in table


def test_without_catalogs_a_list_of_today_says_so(tmp_path: Path) -> None:
    """Of a past day nobody else knows, so that is refused with what to do."""
    line = CommandLine(tmp_path / "nothing")
    shown = line("subprocessor", "list")
    code, error = line.error("subprocessor", "list", "--at", str(today() - DAY))

    assert shown.exit_code == 0
    assert "Quellwerk" in shown.stdout
    assert "topology alone" in shown.stderr
    assert (code, error["advice"]) == (Exit.CONFIGURATION, "Run: domicile init")
    assert not (tmp_path / "nothing").exists()


def test_a_day_before_the_catalogs_is_refused(line: CommandLine) -> None:
    """The list of a day on which nothing was seen is not made up."""
    code, error = line.error("subprocessor", "list", "--at", "2025-02-01")

    assert code == Exit.INVALID
    assert "2025-02-01" in error["message"]


@pytest.mark.parametrize("given", ["tomorrow", "2026-02-30", ""])
@pytest.mark.parametrize("command", ["list", "diff"])
def test_a_date_that_is_none_is_refused(line: CommandLine, command: str, given: str) -> None:
    """With how to write one."""
    args = ["--at", given] if command == "list" else ["2026-01-01", given]
    code, error = line.error("subprocessor", command, *args)

    assert (code, error["message"]) == (Exit.INVALID, "Invalid date.")


def test_only_one_format_is_printed(line: CommandLine) -> None:
    """Two are a mistake."""
    assert line("subprocessor", "list", "--html", "--markdown").exit_code == Exit.INVALID


def test_a_difference_is_told_in_words(line: CommandLine, tmp_path: Path) -> None:
    """A company that comes, its first day, and no change at all."""
    first = today() + 40 * DAY
    topology = announce(tmp_path / "topology", first, today())
    days = str(today()), str(today() + DAY), str(first)

    added = run(line, topology, "diff", days[0], days[1]).stdout
    began = run(line, topology, "diff", days[1], days[2]).stdout
    same = run(line, None, "diff", days[0], days[0]).stdout

    assert added == (
        "Added: Neublick <Prüfung> & Co. (invented) (moderation) in Germany, since "
        f"{first} (announced {days[0]}): readable copies (eu-central-1).\n"
    )
    assert began == f"Began: Neublick <Prüfung> & Co. (invented), on {first}.\n"
    assert same == "No difference.\n"


def test_a_notice_is_written_with_the_tenants_that_it_concerns(
    line: CommandLine, tmp_path: Path
) -> None:
    """It refuses a typo and files that are there, and reads no region that it does not concern."""
    first = today() + 40 * DAY
    topology = announce(tmp_path / "topology", first, today())
    out = tmp_path / "out"

    shown = run(line, topology, "notice", NEW)
    written = run(line, topology, "notice", NEW, "--output", out)
    again = run(line, topology, "notice", NEW, "--output", out)
    elsewhere = json.loads(run(line, topology, "notice", "second-look", "--json").stdout)
    typo = run(line, topology, "notice", "neublik")

    assert [shown.exit_code, written.exit_code] == [0, 0]
    assert f"before {first}" in shown.stdout
    assert (out / "message.md").read_text() == shown.stdout
    with (out / "tenants.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["tenant", "account", "home"],
            ["acme-eu", "acme", "eu-central-1"],
        ]
    assert (again.exit_code, "The file exists" in again.stderr) == (Exit.INVALID, True)
    assert (elsewhere["tenants"], elsewhere["regions"]) == ([], ["us-east-1"])
    assert (typo.exit_code, "Did you mean neublick?" in typo.stderr) == (Exit.INVALID, True)


def test_a_topology_that_announces_for_yesterday_is_refused(
    line: CommandLine, tmp_path: Path
) -> None:
    """By every command that opens the region, and doctor says so; the list keeps what was."""
    topology = announce(tmp_path / "topology", today() - DAY, today() - 31 * DAY)
    changed = {"DOMICILE_TOPOLOGY": str(topology)}

    refused = [
        line(*command, environment=changed)
        for command in (["init"], ["put", "acme-eu", "--class", "prompt"], ["doctor"])
    ]
    listed = run(line, topology, "list")

    for result in refused:
        assert result.exit_code == Exit.CONFIGURATION, result.output
        assert f"sub_processors.neublick.since is {today() - DAY}" in result.output
        assert str(today() + 30 * DAY) in result.output
    assert "Neublick" not in listed.stdout
    assert "eu-central-1 has not opened with" in listed.stderr
    assert "us-east-1 has not opened with" not in listed.stderr


def test_a_notice_does_not_replace_a_file(line: CommandLine, tmp_path: Path) -> None:
    """A directory is made for it, unless the name is taken."""
    taken = tmp_path / "taken"
    taken.write_text("mine")

    code, error = line.error("subprocessor", "notice", "klarblick", "--output", taken)
    assert (code, taken.read_text()) == (Exit.INVALID, "mine"), error
