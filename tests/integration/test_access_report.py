"""The report on who opened what: from the library, and as a table, JSON and CSV."""

import csv
import io
import json
from datetime import timedelta

import pytest

from storage.catalog import log
from storage.cli.opening import opened_homes
from storage.errors import InvalidRequest, PurposeRefused
from storage.model import GrantSpec, LineKind, Purpose, Scope
from storage.testing import INVESTIGATOR, Domicile
from tests.integration.test_recorded_reads import LOOK, person, put
from tests.support.cli_harness import CommandLine


def test_who_saw_what(domicile: Domicile) -> None:
    """Two records under one case, one refusal; not what is outside of the span."""
    records = [put(domicile, b"%d" % n) for n in range(3)]
    looking = person(domicile)
    begin = domicile.clock.now()
    looking.get(records[0], purpose=LOOK)
    domicile.pass_time(minutes=1)
    looking.get(records[1], purpose=LOOK)
    with pytest.raises(PurposeRefused):
        looking.get(records[2], purpose=LOOK)
    end = domicile.clock.now() + timedelta(seconds=1)
    report = domicile.store.admin.access.report

    found = report("eu-central-1", since=begin, until=end)

    (one,) = found.looked
    assert (one.actor, one.tenant, one.purpose) == ("investigator", "acme-eu", LOOK)
    assert (one.case, one.approved_by) == ("case-1", ("approver",))
    assert (one.openings, one.records) == (2, 2)
    assert begin < one.first < begin + timedelta(minutes=1) < one.last < end
    assert found.refused == {"grant_exhausted": 1}
    assert (found.staff, found.staff_max) == (3, 25)
    assert report("eu-central-1", since=end, until=end + timedelta(days=1)).looked == ()
    with pytest.raises(InvalidRequest):
        report("eu-central-1", since=end, until=end)


def say(line: CommandLine, facts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a line about an opening, as code of a version that took any text for an id."""
    monkeypatch.setenv("DOMICILE_HOME", str(line.home))
    with opened_homes() as homes:
        region = homes.served("eu-central-1").region
        with region.catalog.begin() as connection:
            log.append(connection, LineKind.OPENING, facts, region.clock.now(), region.entropy)


def test_a_formula_in_an_older_line_stays_a_text(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spreadsheet that opens the CSV runs nothing that somebody chose as an id."""
    facts = {"actor": "=chat", "actor_kind": "customer", "tenant": "acme-eu", "purpose": "serve"}
    say(line, facts | {"employer": "acme", "location": "EU", "record": "r"}, monkeypatch)

    told = line("access", "report", "--from", "2000-01-01", "--format", "csv").stdout

    assert "'=chat" in [row["actor"] for row in csv.DictReader(io.StringIO(told))]


def test_the_command(line: CommandLine) -> None:
    """A read by the command line is in it, in each form."""
    put_id = line("put", "acme-eu", "-", "--class", "prompt", stdin="hello").stdout.strip()
    read = ["get", "acme-eu", put_id, "--purpose", "serve", "--actor", "chat"]
    assert line(*read).stdout == "hello"
    wrong = ["get", "acme-eu", put_id, "--purpose", "abuse_investigation", "--actor", "me"]
    assert line.error(*wrong)[1]["reasons"] == ["unknown_actor"]
    span = ["access", "report", "--from", "2000-01-01"]

    table = line(*span).stdout
    told = json.loads(line(*span, "--format", "json", "--region", "eu-central-1").stdout)
    assert (
        line.told(*span, "--region", "eu-central-1")["reports"][0]["looked"]
        == (told["reports"][0]["looked"])
    )
    rows = list(csv.DictReader(io.StringIO(line(*span, "--format", "csv").stdout)))

    assert "chat (customer)" in table
    assert "postgres" in table
    assert "1 unknown_actor" in table
    (report,) = told["reports"]
    assert report["looked"][0]["purpose"] == "serve"
    assert ("chat", "1", "") in [(row["actor"], row["records"], row["case"]) for row in rows]


def test_grants_for_other_purposes_are_rows_of_their_own(domicile: Domicile) -> None:
    """A subject's request beside an investigation."""
    record = put(domicile)
    person(domicile).get(record, purpose=LOOK)
    request = Purpose.SUBJECT_REQUEST
    spec = GrantSpec("acme-eu", request, INVESTIGATOR.id, Scope.subject("u"), "x", 1, 1, "t-1")
    tenant = domicile.store.tenant("acme-eu")
    tenant.bind(INVESTIGATOR, grant=domicile.grant(spec).id).get(record, purpose=request)
    day = timedelta(days=1)
    now = domicile.clock.now()

    found = domicile.store.admin.access.report("eu-central-1", since=now - day, until=now + day)

    assert [one.purpose for one in found.looked] == [LOOK, request]
