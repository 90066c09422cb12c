"""The report on who opened what: from the library, and as a table, JSON and CSV."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from storage.catalog import log
from storage.cli.opening import opened_homes
from storage.errors import InvalidRequest, PurposeRefused
from storage.model import GrantSpec, LineKind, Purpose, Scope
from storage.testing import INVESTIGATOR, Domicile
from storage.tlog.commitments import commit
from tests.integration.test_recorded_reads import LOOK, person, put
from tests.support.catalogs.databases import HOME, opened
from tests.support.cli_harness import CommandLine
from tests.support.people_cli import Person, people

pytestmark = pytest.mark.one_region

__all__ = ["people"]


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
    assert (found.refused, found.unreadable) == ({"grant_exhausted": 1}, 0)
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


STRANGE = [
    ("opening", '{"record": ' + "[" * 3000 + "]" * 3000 + "}"),
    ("opening", '{"record": ' + "1" * 5000 + "}"),
    ("opening", '{"record": "x", "approved_by": [1]}'),
    ("opening", '{"record": "x", "actor": "\\ud800"}'),
    ("opening", '{"record": "x"}'),
    ("opening", '{"record": "x", "actor": "a\\u001b[31mX\\nalice"}'),
    ("refusal", '{"reasons": {"no_grant": -2}}'),
    ("refusal", '{"reasons": {"x": "y"}}'),
    ("grant_revoked", '{"grant": "g", "approved_at": "0001-01-01T00:00:00+23:59"}'),
    ("grant_revoked", '{"grant": "g", "approved_at": "9999-01-01T00:00:00+00:00"}'),
]
ADD = text(
    "INSERT INTO log_line (id, kind, at, text, salt, commitment) "
    "VALUES (gen_random_uuid(), :kind, '2025-01-02', :said, :salt, :entry)"
)


def test_no_line_by_raw_sql_stops_the_report_or_the_log(
    line: CommandLine, people: Callable[[str], Person]
) -> None:
    """In each form: what was refused and revoked is there, and by whom the other lines are."""
    revoked = '{"grant": "g", "approved_at": "2025-01-01T23:00:00+00:00"}'
    sound = [("refusal", '{"error": "E", "reasons": ["no_grant"]}'), ("grant_revoked", revoked)]
    with opened(HOME, people("alice").url) as connection:
        for kind, said in STRANGE + sound:
            entry = commit(b"s" * 32, said)
            given = {"kind": kind, "said": said, "salt": b"s" * 32, "entry": entry}
            connection.execute(ADD, given)
        connection.commit()
    span = ("--region", HOME, "--from", "2025-01-02", "--to", "2025-01-03")

    table = line("access", "report", *span)
    rows = line("access", "report", *span, "--format", "csv")
    (found,) = line.told("access", "report", *span)["reports"]
    shown = line("log", "show", "--region", HOME, "--since", "2025-01-02", "--limit", "12")
    told = line.told("log", "show", "--region", HOME, "--since", "2025-01-02", "--limit", "12")

    assert (table.exit_code, rows.exit_code, shown.exit_code) == (0, 0, 0)
    assert (found["unreadable"], found["looked"]) == (len(STRANGE), [])
    assert (found["refused"], found["revoked"]) == ({"no_grant": 1}, 1)
    assert found["mean_to_revoke"] == 3600
    assert {one["login"] for one in found["unreadable_lines"]} == {"alice"}
    assert "10 lines in it cannot be read" in table.stderr
    assert table.stderr.count("added by the login alice") == len(STRANGE)
    assert shown.stdout.count("cannot be read: added by the login alice") == len(STRANGE)
    assert [one["unreadable"] for one in told["lines"]].count(True) == len(STRANGE)
    assert "\x1b" not in table.output + rows.output + shown.output
