"""A monitor is told the worst of a region, and the code that monitors read."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from storage.cli.commands.status import late
from storage.model import (
    BackendState,
    LeavingState,
    PlacementReason,
    PostureState,
    ProcessorState,
    RegionStatus,
)
from storage.watching.verdict import Level, judge

AT = datetime(2026, 3, 1, tzinfo=UTC)
FINE = RegionStatus(
    region="eu-central-1",
    records=1,
    files=1,
    bytes=1,
    open_erasures=3,
    overdue_erasure=None,
    overdue_days=0,
    backends=(BackendState("eu-a", 1, 1, 0, 5, None, AT),),
    partition_horizon=date(2026, 5, 1),
    horizon_alarm=False,
    clocks_disagree=False,
    holds=2,
    unconfirmed_holds=1,
    deferred_erasures=1,
    processors=(ProcessorState("hand", 4, 1, 0, None),),
    leaving=(LeavingState("eu-b", 7, 1, date(2026, 9, 1), overdue=False, statement=None),),
    objections_moving=1,
)
BACKEND = FINE.backends[0]
BAD = PlacementReason.POSTURE_BAD

CRITICAL: dict[str, dict[str, object]] = {
    "overdue_purge": {"backends": (replace(BACKEND, oldest_overdue=AT),)},
    "overdue_copies": {"processors": (ProcessorState("hand", 4, 1, 2, AT),)},
    "overdue_erasure": {"overdue_erasure": AT},
    "overdue_days": {"overdue_days": 1},
    "overdue_leaving": {"leaving": (replace(FINE.leaving[0], overdue=True),)},
    "overdue_objections": {"objections_overdue": 1},
    "overdue_exits": {"overdue_exits": 1},
    "unconfirmed_holds": {"overdue_confirmations": 1},
    "blocked": {"blocked": True},
    "partitions": {"horizon_alarm": True},
    "clocks": {"clocks_disagree": True},
    "log_waits": {"log_waits_since": AT},
    "forged_checkpoints": {"forged_checkpoints": 1},
    "unread": {"unread": ("eu-a",)},
    "unrepaired": {"backends": (replace(BACKEND, unrepaired=1),)},
}
WARNING: dict[str, dict[str, object]] = {
    "missing": {"backends": (replace(BACKEND, missing=1),)},
    "orphans": {"backends": (replace(BACKEND, orphans=1),)},
    "posture": {"postures": (PostureState("eu-a", AT, {}, BAD),)},
    "unreviewed_holds": {"overdue_reviews": 1},
    "unpinned": {"unpinned": True},
    "ended_agreements": {"ended_agreements": 1},
    "without_agreement": {"stored_without_agreement": 1},
}


def test_work_that_is_in_time_is_fine() -> None:
    """Open and deferred erasures, holds, copies, and what is being moved are no problem."""
    verdict = judge(FINE)
    assert (verdict.level, verdict.problems) == (Level.OK, ())


@pytest.mark.parametrize("code", [*CRITICAL, *WARNING])
def test_each_problem_has_its_level(code: str) -> None:
    """Alone it is the whole verdict, and its text is one line."""
    change = (CRITICAL | WARNING)[code]
    found = judge(replace(FINE, **change))  # type: ignore[arg-type]
    assert [problem.code for problem in found.problems] == [code]
    assert found.level == (Level.CRITICAL if code in CRITICAL else Level.WARNING)
    assert "\n" not in found.problems[0].text


def test_the_worst_counts_and_comes_first() -> None:
    """Many warnings stay warnings."""
    some = replace(FINE, overdue_reviews=1, unpinned=True, ended_agreements=1)
    assert judge(some).level is Level.WARNING
    worse = judge(replace(some, overdue_days=1))
    assert (worse.level, worse.problems[0].code) == (Level.CRITICAL, "overdue_days")


@pytest.mark.parametrize("code", CRITICAL)
def test_what_the_whole_status_calls_overdue_is_critical(code: str) -> None:
    """One word means one thing in both."""
    status = replace(FINE, **CRITICAL[code])  # type: ignore[arg-type]
    told = code.startswith("overdue_") and code != "overdue_exits"
    assert late(status) is told


def test_the_codes_are_those_of_monitoring_plugins() -> None:
    """Which Nagios and its kin define."""
    assert [*map(int, Level)] == [0, 1, 2, 3]
