"""The verdict on a region for a monitor, with the exit codes that monitoring plugins have."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from storage.model import RegionStatus
from storage.text import plural


class Level(IntEnum):
    """How a region is. The number is the exit code."""

    OK = 0
    WARNING = 1  # a person should look at it in the next days
    CRITICAL = 2  # a promise is broken, or soon will be
    UNKNOWN = 3  # nobody knows: the question could not be asked


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be. ``code`` names it for programs."""

    level: Level
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All problems of a region, the worst first."""

    problems: tuple[Problem, ...]

    @property
    def level(self) -> Level:
        """The level of the worst."""
        return max((problem.level for problem in self.problems), default=Level.OK)


def judge(region: RegionStatus) -> Verdict:
    """Return the verdict on a region that answered."""
    found = [*_late(region), *_stopped(region), *_to_look_at(region)]
    return Verdict(tuple(sorted(found, key=lambda problem: -problem.level)))


def _late(region: RegionStatus) -> Iterator[Problem]:
    """Yield what is overdue."""
    critical = Level.CRITICAL
    for backend in region.backends:
        if backend.oldest_overdue:
            yield Problem(critical, "overdue_purge", f"a purge on {backend.backend} is overdue")
    for processor in region.processors:
        if processor.overdue:
            text = f"{plural(processor.overdue, 'deletion')} at {processor.processor} overdue"
            yield Problem(critical, "overdue_copies", text)
    if region.overdue_erasure:
        yield Problem(critical, "overdue_erasure", "an erasure is overdue")
    if region.overdue_days:
        text = f"{plural(region.overdue_days, 'expiry day')} overdue"
        yield Problem(critical, "overdue_days", text)
    yield from _late_promises(region)


def _late_promises(region: RegionStatus) -> Iterator[Problem]:
    """Yield what should be gone from a company, or decided by a person."""
    critical = Level.CRITICAL
    for leaving in region.leaving:
        if leaving.overdue:
            text = f"{leaving.backend} should be empty: {plural(leaving.left, 'replica')} left"
            yield Problem(critical, "overdue_leaving", text)
    if region.objections_overdue:
        text = f"{plural(region.objections_overdue, 'objection')} overdue"
        yield Problem(critical, "overdue_objections", text)
    if region.overdue_exits:
        text = f"{plural(region.overdue_exits, 'exit')} overdue: nobody has confirmed what happens"
        yield Problem(critical, "overdue_exits", text)
    if region.overdue_confirmations:
        text = f"{plural(region.overdue_confirmations, 'hold')} without a second person"
        yield Problem(critical, "unconfirmed_holds", text)


def _stopped(region: RegionStatus) -> Iterator[Problem]:
    """Yield what does not go on, or will not."""
    critical = Level.CRITICAL
    if region.blocked:
        yield Problem(critical, "blocked", "too few backends take anything new")
    if region.horizon_alarm:
        yield Problem(critical, "partitions", "too few partitions ahead: does a worker run?")
    if region.clocks_disagree:
        yield Problem(critical, "clocks", "the clocks of this machine and of the database disagree")
    if region.log_waits_since:
        yield Problem(critical, "log_waits", "lines of the log wait for a checkpoint")
    if region.forged_checkpoints:
        text = f"{plural(region.forged_checkpoints, 'checkpoint')} that the region did not sign"
        yield Problem(critical, "forged_checkpoints", text)
    for name in region.unread:
        yield Problem(critical, "unread", f"the ledger on {name} is unread after a recovery")
    for backend in region.backends:
        if backend.unrepaired:
            text = f"{plural(backend.unrepaired, 'fault')} on {backend.backend} not repaired"
            yield Problem(critical, "unrepaired", text)


def _to_look_at(region: RegionStatus) -> Iterator[Problem]:
    """Yield what a person should see."""
    warning = Level.WARNING
    for backend in region.backends:
        if backend.missing:
            text = f"{plural(backend.missing, 'replica')} missing on {backend.backend}"
            yield Problem(warning, "missing", text)
        if backend.orphans:
            text = f"{plural(backend.orphans, 'key')} on {backend.backend} that no row knows"
            yield Problem(warning, "orphans", text)
    for posture in region.postures:
        if posture.closed or posture.findings:
            rest = "takes nothing new" if posture.closed else "has findings"
            yield Problem(warning, "posture", f"the posture of {posture.backend}: it {rest}")
    if region.overdue_reviews:
        text = f"{plural(region.overdue_reviews, 'hold')} to be reviewed"
        yield Problem(warning, "unreviewed_holds", text)
    if region.unpinned:
        yield Problem(warning, "unpinned", "no approver's key is pinned: people open nothing")
    if region.ended_agreements:
        text = f"the agreements of {plural(region.ended_agreements, 'tenant')} have ended"
        yield Problem(warning, "ended_agreements", text)
    if region.stored_without_agreement:
        text = f"{plural(region.stored_without_agreement, 'record')} stored without an agreement"
        yield Problem(warning, "without_agreement", text)
