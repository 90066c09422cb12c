"""What must hold of how long a record is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from regions.model import WRITE_WINDOW, Bounds, ClassRule
from storage.model import RecordId
from storage.policy.proof.properties import Property, Violation

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """A case. ``setting``: what the tenant set for the class, in days. ``rule``: None: unknown."""

    rule: ClassRule | None
    bounds: Bounds
    setting: int | None
    written: datetime

    @property
    def subject(self) -> str:
        """The record that the case is about, in words."""
        name = self.rule.name if self.rule is not None else "record of an unknown class"
        set_to = "no retention of its own" if self.setting is None else f"{self.setting} days set"
        return (
            f"A {name} of a tenant with {set_to}, written at {self.written:%Y-%m-%d %H:%M:%S.%f},"
        )

    @property
    def days(self) -> int | None:
        """How many days it may be kept; None: until it is deleted."""
        assert self.rule is not None
        ceiling = self.rule.ceiling_days
        wanted = self.rule.retention_days if self.setting is None else self.setting
        if wanted is None:
            return None
        return wanted if ceiling is None else min(wanted, ceiling)


@dataclass(frozen=True, slots=True)
class Kept:
    """The term that was decided."""

    stored: bool
    expiry_day: date | None
    readable_until: datetime | None
    deadline: datetime | None
    reason: str


def of_term(facts: Facts, kept: Kept | None) -> Iterator[Violation]:
    """Yield each violation of a term. None: the class was refused."""
    if facts.rule is None or kept is None:
        if (facts.rule is None) is not (kept is None):
            verb = "be kept, although the class is unknown" if kept else "be refused"
            yield Violation(Property.TERMS, f"{facts.subject} would {verb}.")
        return
    days = facts.days
    if days is None:
        yield from _of_endless(facts, kept)
        return
    if not kept.stored:
        if facts.bounds.allow(days) and days:
            yield Violation(Property.READABLE, f"{facts.subject} would not be stored.")
        if _dates(kept) != (None, None, None):
            yield Violation(Property.DEADLINE, f"{facts.subject} would be stored nowhere, yet end.")
    else:
        yield from _of_stored(facts, kept, days)
    if kept.reason != _reason(facts, kept, days):
        yield Violation(Property.REASONS, f"{facts.subject} would be kept by {kept.reason}.")


def _of_endless(facts: Facts, kept: Kept) -> Iterator[Violation]:
    if not kept.stored or _dates(kept) != (None, None, None):
        yield Violation(
            Property.READABLE, f"{facts.subject} would end before the customer deletes it."
        )
    if kept.reason != "until_deleted":
        yield Violation(Property.REASONS, f"{facts.subject} would be kept by {kept.reason}.")


def _of_stored(facts: Facts, kept: Kept, days: int) -> Iterator[Violation]:
    end = facts.written + timedelta(days=days)
    if kept.deadline is None or kept.deadline > end or kept.readable_until is None:
        yield Violation(
            Property.DEADLINE,
            f"{facts.subject} would be gone by {kept.deadline or 'no time'}, but must be by {end}.",
        )
        return
    midnight = datetime.combine(kept.expiry_day or date.max, time.min, UTC)
    if kept.readable_until != midnight or kept.deadline != midnight + facts.bounds.purge:
        yield Violation(
            Property.DEADLINE,
            f"{facts.subject} would be readable until {kept.readable_until} and gone by "
            f"{kept.deadline}, which are not its day {kept.expiry_day} and the purge bound.",
        )
    if kept.readable_until <= facts.written:
        yield Violation(Property.READABLE, f"{facts.subject} would never be readable.")
    if kept.deadline <= end - _DAY:
        yield Violation(
            Property.READABLE,
            f"{facts.subject} would end on {kept.expiry_day}, a day or more before it must.",
        )


def _dates(kept: Kept) -> tuple[object, object, object]:
    return kept.expiry_day, kept.readable_until, kept.deadline


def _reason(facts: Facts, kept: Kept, days: int) -> str:
    if not kept.stored:
        return "zero_retention" if days == 0 else "too_short"
    if facts.setting is None:
        return "class_retention"
    return "tenant_retention" if facts.setting == days else "ceiling"


@dataclass(frozen=True, slots=True)
class Write:
    """An id that is used for a write ``now``. ``error``: how far the minting clock may be."""

    id: RecordId
    now: datetime
    error: timedelta


def of_id(facts: Facts, write: Write, kept: Kept | None) -> Iterator[Violation]:
    """Yield each violation of the acceptance of an id. None: it was refused."""
    minted, day = write.id.minted, write.id.day
    subject = f"{facts.subject} under an id of {minted:%Y-%m-%d %H:%M:%S.%f} with the day {day},"
    against = tuple(_against(facts, write))
    stored = kept is not None and kept.stored
    for why in against:
        if stored:
            yield Violation(Property.IDS, f"{subject} would be accepted, although {why}.")
    if not against and not stored and _lasts(facts, write):
        yield Violation(Property.USABLE, f"{subject} would be refused.")
    if kept is None and not _lasts(facts, write) and not tuple(_against_window(write)):
        yield Violation(Property.USABLE, f"{subject} would be refused, not stored nowhere.")
    if kept is None or not stored:
        return
    if kept.expiry_day != day:
        yield Violation(Property.IDS, f"{subject} would be kept until {kept.expiry_day}.")
    if day is not None and kept.readable_until != datetime.combine(day, time.min, UTC):
        yield Violation(Property.IDS, f"{subject} would be readable until {kept.readable_until}.")


def _moment(write: Write) -> datetime:
    """The later of the two clocks."""
    return max(write.now, write.id.minted)


def _lasts(facts: Facts, write: Write) -> bool:
    """Whether a record that is written now could be read at all."""
    days = facts.days
    if days is None:
        return True
    if days == 0:
        return False
    last = _moment(write) + timedelta(days=days) - facts.bounds.purge
    return last.date() > _moment(write).date()


def _against_window(write: Write) -> Iterator[str]:
    if write.now - write.id.minted > WRITE_WINDOW:
        yield "it is older than the write window"
    if write.id.minted - write.now > write.error:
        yield "it comes from the future"


def _against(facts: Facts, write: Write) -> Iterator[str]:
    day, days = write.id.day, facts.days
    yield from _against_window(write)
    if (day is None) is not (days is None):
        yield "its day is not that of today's retention"
    if day is None or days is None:
        return
    midnight = datetime.combine(day, time.min, UTC)
    if midnight <= _moment(write):
        yield "its day has begun"
    if midnight + facts.bounds.purge > _moment(write) + timedelta(days=days):
        yield "its day is later than today's retention allows"
