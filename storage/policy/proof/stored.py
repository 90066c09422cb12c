"""What a change of retentions, ceilings and floors means for what is stored already.

A record that is stored when the new topology comes into force has the day that the old one gave it.
Its end by either is asked of the functions that decide, for tenants that set no retention, and for
those that set any of the days at which something changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from regions.model import RECORD_CLASSES, DataClass, Topology
from regions.words import begun_with_article
from storage.model import RecordId, TenantSpec
from storage.policy.proof.change import Change, Direction
from storage.policy.retention import Term, retain
from storage.policy.shortening import spared_from, term_now

TOPIC = "stored"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Ends:
    """How many days a record is readable: stored before the change, after it, or written then.

    None: until it is deleted.
    """

    before: int | None
    after: int | None
    new: int | None

    @property
    def earlier(self) -> bool:
        """Whether what is stored ends earlier than it did."""
        return _shorter(self.after, self.before)

    @property
    def fixed(self) -> bool:
        """Whether what is stored ends earlier than what is written from then on."""
        return _shorter(self.after, self.new)


def of_stored(
    old: Topology, new: Topology, settings: Mapping[DataClass, Sequence[int]], now: datetime
) -> Iterator[Change]:
    """Yield what ends earlier, what does not get longer, and what erasures leave of it."""
    for name in RECORD_CLASSES:
        if name not in old.classes or name not in new.classes:
            continue
        yield from _of_default(old, new, name, now)
        yield from _of_settings(old, new, name, settings.get(name, ()), now)
        yield from _of_deadline(old, new, name, (None, *settings.get(name, ())), now)
    yield from _of_floor(old, new, now)


def _of_default(old: Topology, new: Topology, name: DataClass, now: datetime) -> Iterator[Change]:
    ends = _ends(old, new, name, None, now)
    whose = f"{begun_with_article(name)} that is stored, of a tenant that sets no retention,"
    if ends is not None and ends.earlier:
        yield _earlier(new, whose, ends)
    elif ends is not None and ends.fixed:
        yield _no_longer(whose, ends)


def _of_settings(
    old: Topology, new: Topology, name: DataClass, settings: Sequence[int], now: datetime
) -> Iterator[Change]:
    """Yield the same of tenants that set their own days, each group of days as one."""
    groups: dict[bool, list[tuple[int, _Ends]]] = {True: [], False: []}
    for days in settings:
        ends = _ends(old, new, name, days, now)
        if ends is not None and (ends.earlier or ends.fixed):
            groups[ends.earlier].append((days, ends))
    for earlier, some in groups.items():
        if not some:
            continue
        span = _span([days for days, _ in some], settings)
        whose = f"{begun_with_article(name)} that is stored, of a tenant that set {span},"
        last = some[-1][1]
        yield _earlier(new, whose, last) if earlier else _no_longer(whose, last)


def _of_deadline(
    old: Topology, new: Topology, name: DataClass, settings: Sequence[int | None], now: datetime
) -> Iterator[Change]:
    """Yield that bytes may be there longer than was promised when they came in."""
    later = [
        (after - before, before, after)
        for before, after in (_deadlines(old, new, name, days, now) for days in settings)
        if before is not None and after is not None and after > before
    ]
    if not later:
        return
    most, before, after = max(later)
    hour = timedelta(hours=1)
    yield Change(
        Direction.BROADER,
        TOPIC,
        f"{begun_with_article(name)} that is stored is destroyed up to {most // hour} hours later "
        "than was promised when it came in, also if that is beyond its ceiling: "
        f"{(after - now) // hour} hours after it came in; before: {(before - now) // hour} hours.",
    )


def _deadlines(
    old: Topology, new: Topology, name: DataClass, days: int | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return by when the bytes of a record are gone that is stored just before the change."""
    own, stored, known = _stored(old, name, days, now)
    return stored.deadline, term_now(new, own, known).deadline


def _stored(
    old: Topology, name: DataClass, days: int | None, now: datetime
) -> tuple[dict[DataClass, int], Term, RecordId]:
    """Return what its tenant set, the term that it got, and its id."""
    own = {} if days is None else {name: days}
    stored = retain(old, _tenant(own), name, now)
    return own, stored, RecordId(name, "any-home", now, stored.expiry_day, bytes(16))


def _tenant(own: dict[DataClass, int]) -> TenantSpec:
    return TenantSpec("any-tenant", "any-account", "any-home", "any-residency", retention=own)


def _of_floor(old: Topology, new: Topology, now: datetime) -> Iterator[Change]:
    was, is_ = (_floor(topology, now) for topology in (old, new))
    if was == is_:
        return
    left = ["none" if n is None else f"those of the last {n} days" for n in (was, is_)]
    least = [_least(topology) for topology in (old, new)]
    yield Change(
        Direction.BROADER,  # more may be kept from an erasure, or less than a law wants
        TOPIC,
        f"Of the events that are stored an erasure now leaves {left[1]}; before: {left[0]}. "
        "None is kept longer for it: each ends by its day. A tenant may set a retention of "
        f"{least[1]}; before: {least[0]}.",
    )


def _least(topology: Topology) -> str:
    rule = topology.classes.get(DataClass.EVENT)
    if rule is None or rule.floor_days is None:
        return "any number of days"
    return f"{topology.bounds.least(rule.floor_days)} days or more"


def _floor(topology: Topology, now: datetime) -> int | None:
    since = spared_from(topology, now)
    return None if since is None else (now - since) // _DAY


def _ends(
    old: Topology, new: Topology, name: DataClass, days: int | None, now: datetime
) -> _Ends | None:
    """Return when a record ends that is stored just before the change; None: it is not stored."""
    own, stored, known = _stored(old, name, days, now)
    if not stored.stored:
        return None
    return _Ends(
        _days(stored, now),
        _days(term_now(new, own, known), now),
        _days(retain(new, _tenant(own), name, now), now),
    )


def _days(term: Term, now: datetime) -> int | None:
    if not term.stored:
        return 0
    return None if term.readable_until is None else (term.readable_until - now) // _DAY


def _shorter(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one < other)


def _span(some: Sequence[int], settings: Sequence[int]) -> str:
    """Return which numbers of days are meant, in words."""
    if some[-1] == settings[-1]:
        return f"{some[0]} days or more"
    return f"{some[0]} days" if len(some) == 1 else f"{some[0]} to {some[-1]} days"


def _earlier(new: Topology, whose: str, ends: _Ends) -> Change:
    gone = (new.bounds.compaction + new.bounds.purge) // timedelta(hours=1)
    before = "until it is deleted" if ends.before is None else f"for {ends.before} days"
    return Change(
        Direction.NARROWER,
        TOPIC,
        f"{whose} ends earlier: it is readable for {ends.after} days; before: "
        f"{before}. What is older ends at once, and its bytes are gone {gone} hours after its end.",
    )


def _no_longer(whose: str, ends: _Ends) -> Change:
    new = "until it is deleted" if ends.new is None else f"for {ends.new} days"
    old = "until it is deleted" if ends.after is None else f"for {ends.after} days"
    return Change(
        Direction.CHANGED,
        TOPIC,
        f"{whose} does not get longer: its id has its day, so it is readable {old}. What is "
        f"written from then on is readable {new}.",
    )
