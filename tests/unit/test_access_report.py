"""What a report on openings says of the lines of a log."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.cli.commands import access, log
from storage.cli.output import print_json, print_table
from storage.model import AccessReport, LineKind, LogLine, Looked
from storage.policy import Summary

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def line(kind: LineKind, minutes: int = 0, **said: object) -> LogLine:
    """Return a line of some minutes after noon."""
    text = json.dumps(said)
    return LogLine(UUID(int=1), kind, NOON + timedelta(minutes=minutes), text, b"", b"", 0)


def opening(minutes: int, record: str, **other: object) -> LogLine:
    """Return a line about anna, who opened a record under a grant."""
    said: dict[str, object] = {
        "actor": "anna",
        "actor_kind": "employee",
        "employer": "operator",
        "location": "EU",
        "tenant": "acme-eu",
        "purpose": "abuse_investigation",
        "grant": "g-1",
        "case": "case-1",
        "approved_by": ["dora"],
        "record": record,
    }
    return line(LineKind.OPENING, minutes, **(said | other))


def revoked(minutes: int, approved_at: str | None) -> LogLine:
    """Return a line about a grant that was revoked, and when it was approved last."""
    return line(LineKind.GRANT_REVOKED, minutes, grant="a", approved_at=approved_at)


def summed(*lines: LogLine) -> Summary:
    """Sum up lines."""
    found = Summary()
    found.add(lines)
    return found


def test_openings_are_summed_by_who_and_why() -> None:
    """The same record twice is one record; another grant, purpose or actor is another row."""
    found = summed(
        opening(0, "r-1"),
        opening(1, "r-1"),
        opening(2, "r-2"),
        opening(3, "r-3", grant="g-2", case="case-2"),
        opening(4, "r-3", actor="ben"),
    ).looked()

    assert [(one.actor, one.case, one.openings, one.records) for one in found] == [
        ("anna", "case-1", 3, 2),
        ("anna", "case-2", 1, 1),
        ("ben", "case-1", 1, 1),
    ]
    assert found[0] == Looked(
        "anna",
        "employee",
        "operator",
        "EU",
        "acme-eu",
        "abuse_investigation",
        "g-1",
        "case-1",
        ("dora",),
        3,
        2,
        NOON,
        NOON + timedelta(minutes=2),
    )


def test_a_service_has_no_case_and_no_approval() -> None:
    """Its line has neither."""
    said = json.loads(opening(0, "r", grant=None, actor="chat").text or "")
    own = {name: said[name] for name in said if name not in {"case", "approved_by"}}
    (one,) = summed(line(LineKind.OPENING, 0, **own)).looked()

    assert (one.grant, one.case, one.approved_by) == (None, None, ())


def test_refusals_are_counted_by_reason() -> None:
    """By the error where there is no reason."""
    found = summed(
        line(LineKind.REFUSAL, error="PurposeRefused", reasons=["no_grant"]),
        line(LineKind.REFUSAL, error="PurposeRefused", reasons=["no_grant"]),
        line(LineKind.REFUSAL, error="Erased", reasons=[]),
    )

    assert found.refused == {"no_grant": 2, "Erased": 1}


def test_the_mean_time_to_revoke_counts_from_the_last_approval() -> None:
    """Of those that were approved: one that nobody approved was never open."""
    found = summed(
        line(LineKind.GRANT_REQUESTED, 0, grant="a"),
        line(LineKind.GRANT_APPROVED, 0, grant="a"),
        line(LineKind.GRANT_APPROVED, 5, grant="a"),
        revoked(15, (NOON + timedelta(minutes=5)).isoformat()),
        revoked(40, (NOON + timedelta(minutes=20)).isoformat()),
        revoked(50, None),
        line(LineKind.HOLD_PLACED, 60, hold="h"),
    )

    assert (found.requested, len(found.approved), found.revoked) == (1, 1, 3)
    assert found.mean_to_revoke == timedelta(minutes=15)
    assert summed().mean_to_revoke is None


def test_a_line_whose_text_is_forgotten_is_counted() -> None:
    """So that nobody takes the report for complete."""
    forgotten = LogLine(UUID(int=1), LineKind.OPENING, NOON, None, None, b"", 0)
    found = summed(forgotten, opening(0, "r-1"))

    assert (found.forgotten, len(found.looked())) == (1, 1)


def test_a_line_that_is_not_ours_is_counted_and_stops_nothing() -> None:
    """Any login may append one by raw SQL."""
    strange = LogLine(UUID(int=1), LineKind.OPENING, NOON, '{"actor": ["x"]}', b"", b"", 0)
    broken = LogLine(UUID(int=1), LineKind.REFUSAL, NOON, "no json", b"", b"", 0)
    found = summed(strange, broken, opening(0, "r-1"))

    assert (found.unreadable, len(found.looked())) == (2, 1)


def test_the_login_is_that_of_the_session() -> None:
    """Whoever the line says that it was."""
    text = opening(0, "r-1").text
    lines = [
        LogLine(UUID(int=1), LineKind.OPENING, NOON, text, b"", b"", 0, login)
        for login in ("svc", "anna", "svc")
    ]
    (one,) = summed(*lines).looked()

    assert one.logins == ("anna", "svc")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.sampled_from(
    [
        "actor",
        "actor_kind",
        "employer",
        "location",
        "tenant",
        "purpose",
        "grant",
        "case",
        "approved_by",
        "record",
        "reasons",
        "error",
        "approved_at",
        "line",
        "kind",
        "at",
    ]
)
MOMENTS = st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-03-01T12:00:00", "2026-W01"]
)
OBJECTS = st.dictionaries(NAMES | st.text(), JSON | MOMENTS).map(json.dumps)
DEEP = f'{{"record": {"[" * 3000}{"]" * 3000}}}'
TEXTS = (
    OBJECTS
    | st.text()
    | st.sampled_from([DEEP, f'{{"x": {"1" * 5000}}}', '{"x": NaN}', "[]", '{"x": "\\ud800"}'])
)
OURS = (
    opening(0, "r-1"),
    opening(2, "r-2"),
    line(LineKind.REFUSAL, 2, error="PurposeRefused", reasons=["no_grant"]),
    line(LineKind.REFUSAL, 3, error="Erased", reasons=[]),
    line(LineKind.GRANT_APPROVED, 5, grant="g-1"),
    revoked(15, (NOON + timedelta(minutes=5)).isoformat()),
)
SOUND = summed(*OURS)


def stray(kind: LineKind, text: str, login: str = "mallory") -> LogLine:
    """Return a line that somebody added by raw SQL."""
    return LogLine(UUID(int=2), kind, NOON, text, b"", b"", 7, login)


def report(found: Summary) -> AccessReport:
    """Return the report with a sum."""
    return AccessReport(
        "eu",
        NOON,
        NOON,
        found.looked(),
        dict(found.refused),
        found.requested,
        len(found.approved),
        found.revoked,
        found.mean_to_revoke,
        staff=1,
        staff_max=9,
        forgotten=found.forgotten,
        unreadable=found.unreadable,
        unreadable_lines=tuple(found.unreadable_lines),
    )


def put_out(found: Summary, lines: list[LogLine]) -> None:
    """Print the report and the lines in each form."""
    one = report(found)
    access._print(one)
    access._print_csv([one])
    print_json([access._as_json(one), *(log._as_json("eu", each) for each in lines)])
    print_table(("number", "time (UTC)", "kind", "line", "says"), [*map(log._row, lines)])


@given(st.lists(st.tuples(st.sampled_from(LineKind), TEXTS), max_size=5))
def test_whatever_a_line_says_nothing_fails_and_nothing_is_taken_away(
    strays: list[tuple[LineKind, str]],
) -> None:
    """What is ours counts as without the others, and all of it can be printed."""
    others = [stray(kind, text) for kind, text in strays]
    found = summed(*others, *OURS, *others)
    put_out(found, others)

    assert set(SOUND.looked()) <= set(found.looked())
    assert all(found.refused[reason] >= count for reason, count in SOUND.refused.items())
    assert (found.approved >= SOUND.approved, found.revoked >= SOUND.revoked) == (True, True)
    assert len(found.unreadable_lines) == found.unreadable
    if found.unreadable == 2 * len(others):
        assert report(found) == replace(
            report(SOUND),
            unreadable=found.unreadable,
            unreadable_lines=tuple(found.unreadable_lines),
        )


STRANGE = {
    "counts below nothing": (LineKind.REFUSAL, '{"reasons": {"no_grant": -2}}'),
    "reasons that are no list": (LineKind.REFUSAL, '{"reasons": {"x": "y"}}'),
    "a reason that is a number": (LineKind.REFUSAL, '{"reasons": [1, null]}'),
    "an approver that is a number": (LineKind.OPENING, opening(0, "r", approved_by=[1]).text),
    "an actor that is null": (LineKind.OPENING, opening(0, "r", actor=None).text),
    "no actor": (LineKind.OPENING, '{"record": "x"}'),
    "a lone surrogate": (LineKind.OPENING, opening(0, "r", actor="\ud800").text),
    "a name twice": (LineKind.HOLD_PLACED, '{"hold": "a", "hold": "b"}'),
    "a fraction": (LineKind.HOLD_PLACED, '{"hold": 1.5}'),
    "true": (LineKind.HOLD_PLACED, '{"hold": true}'),
    "too large a number": (LineKind.HOLD_PLACED, f'{{"hold": {2**63}}}'),
    "nested": (LineKind.OPENING, DEEP),
    "long ago": (LineKind.GRANT_REVOKED, revoked(0, "0001-01-01T00:00:00+23:59").text),
    "far off": (LineKind.GRANT_REVOKED, revoked(0, "9999-01-01T00:00:00+00:00").text),
    "no time zone": (LineKind.GRANT_REVOKED, revoked(0, "2026-03-01T12:00:00").text),
    "no grant": (LineKind.GRANT_APPROVED, "{}"),
}


@pytest.mark.parametrize(("kind", "text"), STRANGE.values(), ids=STRANGE)
def test_what_is_of_no_form_of_ours_counts_for_nothing(
    kind: LineKind, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report and the log say by number and login whose line it is, and nothing of it."""
    other = stray(kind, text)
    found = summed(other, *OURS)
    put_out(found, [other])
    out, err = capsys.readouterr()
    told = " ".join(err.split())

    assert (found.unreadable, found.looked()) == (1, SOUND.looked())
    assert (found.refused, found.approved) == (SOUND.refused, SOUND.approved)
    assert (found.revoked, found.mean_to_revoke) == (SOUND.revoked, SOUND.mean_to_revoke)
    assert "1 line in it cannot be read" in told
    assert f"{other.id} (number 7), added by the login mallory" in told
    shown = out.splitlines()[-1]
    assert shown.endswith("(cannot be read: added by the login mallory)")
    assert shown.startswith("7 ")


def test_a_thousand_strange_lines_are_counted_and_the_first_are_named() -> None:
    """The report does not grow with what anybody adds."""
    found = summed(*[stray(LineKind.OPENING, "{}")] * 1000)

    assert (found.unreadable, len(found.unreadable_lines)) == (1000, 100)


def test_a_revocation_before_its_approval_takes_no_time() -> None:
    """Clocks differ; and no line makes the mean of the others less than nothing."""
    early = revoked(0, (NOON + timedelta(hours=9)).isoformat())

    assert summed(early).mean_to_revoke == timedelta()
    ages = [replace(revoked(0, "1970-01-01T00:00:00+00:00"), at=datetime(9998, 1, 1, tzinfo=UTC))]
    assert (summed(*ages * 1000).mean_to_revoke or timedelta()).days > 2_900_000


def test_a_formula_stays_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever opens the table in a spreadsheet runs nothing."""
    access._print_csv([report(summed(opening(0, "r", actor="=1+1")))])

    assert "eu,'=1+1," in capsys.readouterr().out


def test_what_a_line_says_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Its login chose the text."""
    evil = replace(opening(0, "r", actor="a\x1b[31mX\nalice\u202e"), login="\x1b[2J")
    put_out(summed(evil), [evil])
    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert "actor a\\x1b[31mX\\nalice\\u202e" in out
