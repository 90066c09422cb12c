"""What must hold of how long a record is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from regions.model import WRITE_WINDOW, Bounds, ClassRule, Epoch
from regions.words import begun_with_article
from storage.model import RecordId
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.epochs import of_day

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """A case. ``setting``: what the tenant set for the class, in days. ``rule``: None: unknown.

    ``origin``: when data from before Domicile came in.
    """

    rule: ClassRule | None
    bounds: Bounds
    setting: int | None
    written: datetime
    epochs: Sequence[Epoch] = ()
    origin: date | None = None

    @property
    def subject(self) -> str:
        """The record that the case is about, in words."""
        name = self.rule.name if self.rule is not None else "record of an unknown class"
        set_to = "no retention of its own" if self.setting is None else f"{self.setting} days set"
        came = "" if self.origin is None else f"of {self.origin} "
        written = f"{self.written:%Y-%m-%d %H:%M:%S.%f}"
        return f"{begun_with_article(name)} {came}of a tenant with {set_to}, written at {written},"

    @property
    def begins(self) -> datetime:
        """From when its days count."""
        if self.origin is None:
            return self.written
        return datetime.combine(self.origin, time.min, UTC)

    @property
    def epoch_ceiling(self) -> int | None:
        """The ceiling of the epoch of its origin."""
        assert self.rule is not None
        epoch = of_day(self.epochs, self.begins.date())
        return None if epoch is None else epoch.ceiling_days.get(self.rule.name)

    @property
    def least(self) -> int | None:
        """The fewest days with which its floor is kept; None: it has no floor."""
        assert self.rule is not None
        return None if self.rule.floor_days is None else self.bounds.least(self.rule.floor_days)

    @property
    def wanted(self) -> int | None:
        """The days that the tenant set, or those of the class, before any ceiling."""
        assert self.rule is not None
        if self.setting is None:
            return self.rule.retention_days
        return max(self.setting, self.least or 0)

    @property
    def days(self) -> int | None:
        """How many days it may be kept; None: until it is deleted."""
        assert self.rule is not None
        bounds = [self.wanted, self.epoch_ceiling]
        if self.setting is not None:
            bounds.append(self.rule.ceiling_days)
        return min((one for one in bounds if one is not None), default=None)


@dataclass(frozen=True, slots=True)
class Kept:
    """The term that was decided."""

    stored: bool
    expiry_day: date | None
    readable_until: datetime | None
    deadline: datetime | None
    reason: str


def of_term(facts: Facts, kept: Kept | None, refused: str | None) -> Iterator[Violation]:
    """Yield each violation of a term. ``refused``: why there is none; its class or its origin."""
    against = tuple(_against_origin(facts))
    if kept is None:
        if refused not in against:
            which = Property.REASONS if against else Property.USABLE
            yield Violation(which, f"{facts.subject} would be refused ({refused}).")
        return
    for why in against:
        which = Property.DEADLINE if facts.rule is not None else Property.TERMS
        yield Violation(which, f"{facts.subject} would be kept, although it is {why}.")
    if not against:
        yield from _of_kept(facts, kept)


def _against_origin(facts: Facts) -> Iterator[str]:
    """Yield why data of that class and origin is not taken in."""
    ahead = facts.origin is not None and facts.origin > facts.written.date()
    if ahead:
        yield "origin_ahead"
    if facts.rule is None:
        yield "unknown_class"
    if ahead or facts.rule is None or facts.origin is None or not facts.days:
        return
    end = facts.begins + timedelta(days=facts.days)
    if end <= facts.written:
        yield "past_its_end"
    elif (end - facts.bounds.purge).date() <= facts.written.date():
        yield "never_readable"


def _of_kept(facts: Facts, kept: Kept) -> Iterator[Violation]:
    days = facts.days
    if days is None:
        yield from _of_endless(facts, kept)
        return
    if kept.stored:
        yield from _of_stored(facts, kept, days)
    elif facts.bounds.allow(days) and days and facts.origin is None:
        yield Violation(Property.READABLE, f"{facts.subject} would not be stored.")
    elif _dates(kept) != (None, None, None):
        yield Violation(Property.DEADLINE, f"{facts.subject} would be stored nowhere, yet end.")
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
    end = facts.begins + timedelta(days=days)
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
    floor = facts.rule.floor_days if facts.rule is not None else None
    if floor is not None and kept.readable_until < facts.begins + timedelta(days=floor):
        yield Violation(
            Property.READABLE, f"{facts.subject} would end before its floor of {floor} days."
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
    wanted = facts.wanted
    ceiling = facts.rule.ceiling_days if facts.rule and facts.setting is not None else None
    by_class = wanted if ceiling is None or wanted is None else min(wanted, ceiling)
    if by_class is None or days < by_class:
        return "epoch_ceiling"
    if facts.setting is None:
        return "class_retention"
    if facts.setting == days:
        return "tenant_retention"
    return "floor" if facts.setting < days else "ceiling"


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
    nowhere = facts.origin is None and not _lasts(facts, write)
    if kept is None and nowhere and not tuple(_against_window(write)):
        yield Violation(Property.USABLE, f"{subject} would be refused, not stored nowhere.")
    if kept is None or not stored:
        return
    if kept.expiry_day != day:
        yield Violation(Property.IDS, f"{subject} would be kept until {kept.expiry_day}.")
    if day is not None and kept.readable_until != datetime.combine(day, time.min, UTC):
        yield Violation(Property.IDS, f"{subject} would be readable until {kept.readable_until}.")
    last = min((end - facts.bounds.purge for end in _ends(facts, write)), default=None)
    own = day is not None and (last is None or day < last.date())
    if own is not (kept.reason == "record_retention"):
        yield Violation(Property.REASONS, f"{subject} would be kept by {kept.reason}.")


def _moment(write: Write) -> datetime:
    """The later of the two clocks."""
    return max(write.now, write.id.minted)


def _lasts(facts: Facts, write: Write) -> bool:
    """Whether a record that is written now could be read at all."""
    days = replace(facts, written=_moment(write)).days
    if days is None:
        return True
    if days == 0:
        return False
    begins = _moment(write) if facts.origin is None else facts.begins
    last = begins + timedelta(days=days) - facts.bounds.purge
    return last.date() > _moment(write).date()


def _ends(facts: Facts, write: Write) -> Iterator[datetime]:
    """Yield by when its bytes must be gone: by its minting, and as if it were written now."""
    for begins in (write.id.minted, _moment(write)):
        counted = replace(facts, written=begins)
        if counted.days is not None:
            yield counted.begins + timedelta(days=counted.days)


def _against_window(write: Write) -> Iterator[str]:
    if write.now - write.id.minted > WRITE_WINDOW:
        yield "it is older than the write window"
    if write.id.minted - write.now > write.error:
        yield "it comes from the future"


def _against(facts: Facts, write: Write) -> Iterator[str]:
    day, ends = write.id.day, tuple(_ends(facts, write))
    yield from _against_window(write)
    if facts.origin is not None and facts.origin > _moment(write).date():
        yield "its origin is ahead"
    if facts.origin is not None and facts.days and not _lasts(facts, write):
        yield "too little is left of its time"
    if day is None:
        if ends:
            yield "it has no day, but the retention of today ends"
        return
    midnight = datetime.combine(day, time.min, UTC)
    if midnight <= _moment(write):
        yield "its day has begun"
    begins = write.id.minted if facts.origin is None else facts.begins
    floor = facts.rule.floor_days if facts.rule is not None else None
    if floor is not None and midnight < begins + timedelta(days=floor):
        yield "its day comes before its floor is over"
    if any(midnight + facts.bounds.purge > end for end in ends):
        yield "its day is later than today's retention allows, counted from its minting"
