"""What a report on openings says of the lines of a log."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from storage.model import LineKind, LogLine, Looked
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
    text: dict[str, object] = {
        "actor": "chat",
        "record": "r",
        "purpose": "serve",
        "tenant": "t",
        "grant": None,
    }
    (one,) = summed(line(LineKind.OPENING, 0, **text)).looked()

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
        line(LineKind.GRANT_REQUESTED, 0),
        line(LineKind.GRANT_APPROVED, 0, grant="a"),
        line(LineKind.GRANT_APPROVED, 5, grant="a"),
        line(LineKind.GRANT_REVOKED, 15, approved_at=(NOON + timedelta(minutes=5)).isoformat()),
        line(LineKind.GRANT_REVOKED, 40, approved_at=(NOON + timedelta(minutes=20)).isoformat()),
        line(LineKind.GRANT_REVOKED, 50, approved_at=None),
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
