"""What a Domicile should contain, as dictionaries, and what each call may answer.

It knows no packs, fences or workers. Where the answer depends on the progress of a worker, it
allows every answer that is right at some time during the call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from storage.model import DataClass, Origin, RecordId, ScopeKind

WINDOW = timedelta(hours=24)  # an id is good for so long
PURGE = timedelta(hours=24)
CACHED = timedelta(seconds=5)  # a write may go by terms that are so old
LATEST = datetime.max.replace(tzinfo=UTC)
MANY = 64  # ancestors
FILE = DataClass.FINE_TUNING_FILE
EVENT, EVENT_DAYS = DataClass.EVENT, 6
FLOOR = timedelta(days=4)  # so long no erasure takes an event

STORED, NOTHING = "stored", "nothing"
UNWELL = frozenset({"TooFewReplicas", "KeyUnavailable"})

Name = tuple[str, bytes]  # tenant and unique part of an id


Days = int | None
"""How long a class is kept. None: until deleted; 0: nothing is stored."""


@dataclass(frozen=True)
class Terms:
    """A tenant: ``retention`` by class at first."""

    account: str
    home: str
    retention: Mapping[DataClass, Days]
    dedicated: bool = False


def expiry(days: Days, minted: datetime) -> date | None:
    """Return the day on which reading ends of what is minted while a class is kept for so long."""
    return None if not days else (minted + timedelta(days=days) - PURGE).date()


def ended(days: Days, minted: datetime, now: datetime) -> bool:
    """Return whether a class that is kept for so long from now on leaves nothing to read."""
    return days == 0 or (days is not None and now.date() >= (expiry(days, minted) or LATEST.date()))


@dataclass(frozen=True)
class Kept:
    """For how long a class of a tenant was kept, from when, and until when at most."""

    days: Days
    since: datetime
    until: datetime = LATEST


@dataclass(frozen=True)
class Content:
    """What a caller passes for a record. A second put of the id must pass the same."""

    body: bytes = field(repr=False)
    subject: str | None = None
    group: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    parents: tuple[RecordId, ...] = ()
    origin: Origin | None = None

    def told(self) -> tuple[object, ...]:
        """Return what two puts of one id must have in common."""
        parents = tuple(dict.fromkeys(parent.unique for parent in self.parents))
        return self.body, self.subject, self.group, self.metadata, parents, self.origin

    def begins(self, minted: datetime) -> datetime:
        """Return from when on the days are counted that it can be read."""
        return minted if self.origin is None else datetime.combine(self.origin.date, time(), UTC)


@dataclass(frozen=True)
class Lineage:
    """Whom a record is about and what it derives from, including what its parents pass on."""

    subject: str | None
    group: str | None
    ancestors: frozenset[bytes]
    origin: datetime


@dataclass(eq=False)
class ErasureModel:
    """An erasure. ``value``: a name, the unique part of an id, or a class that ended."""

    id: UUID
    tenant: str
    kind: ScopeKind
    value: str | bytes
    cutoff: datetime
    asked: datetime = LATEST
    complete: bool = False

    @property
    def until(self) -> datetime:
        """Return until when its fence stands at least."""
        return self.cutoff + WINDOW

    def covers(self, tenant: str, record_id: RecordId, lineage: Lineage) -> bool:
        """Return whether the erasure covers a record, stored or about to be."""
        if tenant != self.tenant or self.spares(record_id):
            return False
        return self.is_about(record_id, lineage)

    def spares(self, record_id: RecordId) -> bool:
        """Return whether it leaves an event, because its floor is not over."""
        return record_id.data_class is EVENT and record_id.minted > self.asked - FLOOR

    def is_about(self, record_id: RecordId, lineage: Lineage) -> bool:
        """Return whether it is about a record of its tenant, also one that it leaves."""
        if self.kind is ScopeKind.CLASS:
            return record_id.data_class == self.value and record_id.minted <= self.cutoff
        if self.kind is ScopeKind.RECORD:
            return self.value in {record_id.unique, *lineage.ancestors}
        if lineage.origin > self.cutoff:
            return False
        named = {ScopeKind.SUBJECT: lineage.subject, ScopeKind.GROUP: lineage.group}
        return self.kind is ScopeKind.TENANT or named[self.kind] == self.value


@dataclass(eq=False)
class RecordModel:
    """A record that was stored, or (``written``) a write that failed and may have left bytes.

    ``sample`` is of its ciphertext. Only erasures from number ``since`` on are about it.
    """

    tenant: str
    id: RecordId
    content: Content = field(repr=False)
    lineage: Lineage
    since: int
    erased_by: ErasureModel | None = None
    sample: bytes = field(default=b"", repr=False)
    written: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> Name:
        """Return the tenant and the unique part of the id."""
        return self.tenant, self.id.unique

    @property
    def begins(self) -> datetime:
        """Return from when on the days are counted that it can be read."""
        return self.content.begins(self.id.minted)

    def expired(self, now: datetime) -> bool:
        """Return whether the record has expired."""
        return self.id.day is not None and now.date() >= self.id.day

    def covered(self, eras: Iterable[ErasureModel]) -> ErasureModel | None:
        """Return the first erasure that covers the record."""
        found = (e for e in eras if e.covers(self.tenant, self.id, self.lineage))
        return next(found, None)


@dataclass(frozen=True)
class During:
    """When a call happened: between which times, after how many erasures.

    ``changes``: how many changes of a retention there were when it began. ``can``: enough backends
    would take a write. ``well``: all are up. ``slow``: it was held up.
    """

    since: datetime
    until: datetime
    eras: int
    changes: int
    can: bool
    well: bool

    @property
    def slow(self) -> bool:
        """Return whether the call took so long that its write may have been abandoned."""
        return self.until - self.since > timedelta(seconds=10)


@dataclass(frozen=True)
class PutRequest:
    """A put whose answer is about to be checked. ``fresh``: the put itself minted the id.

    ``keep``: for how many days, if for fewer than its tenant keeps it.
    """

    tenant: str
    id: RecordId
    content: Content
    fresh: bool = False
    keep: int | None = None

    @property
    def name(self) -> Name:
        """Return the tenant and the unique part of the id."""
        return self.tenant, self.id.unique


class Model:
    """The model. ``wishes`` and ``coming`` are calls in progress."""

    def __init__(self, tenants: Mapping[str, Terms]) -> None:
        self.tenants = tenants
        self.records: dict[Name, RecordModel] = {}
        self.past: list[RecordModel] = []  # erased ones whose id is used again, and failed writes
        self.eras: list[ErasureModel] = []
        self.wishes: list[PutRequest] = []
        self.coming: list[ErasureModel] = []
        self.kept: dict[tuple[str, DataClass], list[Kept]] = {
            (name, data_class): [Kept(days, datetime.min.replace(tzinfo=UTC))]
            for name, terms in tenants.items()
            for data_class, days in {**terms.retention, EVENT: EVENT_DAYS}.items()
        }
        self.changing: list[tuple[str, Mapping[DataClass, Days]]] = []
        self.changes: list[tuple[str, DataClass, Days]] = []  # what was in force before each
        self.renewed: dict[str, datetime] = {}  # when other terms of a tenant changed last

    # how long it is kept

    def days(self, tenant: str) -> dict[DataClass, Days]:
        """Return how long a tenant keeps its classes now, those that it may keep for less."""
        return {cls: self.kept[tenant, cls][-1].days for cls in self.tenants[tenant].retention}

    def days_during(self, tenant: str, data_class: DataClass, changes: int) -> set[Days]:
        """Return how long a class was kept at some time since so many changes, and may be kept."""
        coming = self._coming_days(tenant, data_class)
        former = {days for n, c, days in self.changes[changes:] if (n, c) == (tenant, data_class)}
        return {self.kept[tenant, data_class][-1].days} | coming | former

    def days_at(
        self, tenant: str, data_class: DataClass, since: datetime, until: datetime
    ) -> set[Days]:
        """Return how long a class was kept at some time between two moments."""
        return self._coming_days(tenant, data_class) | {
            kept.days
            for kept in self.kept[tenant, data_class]
            if kept.since <= until and since <= kept.until
        }

    def _coming_days(self, tenant: str, data_class: DataClass) -> set[Days]:
        some = (terms for name, terms in self.changing if name == tenant)
        return {terms[data_class] for terms in some if data_class in terms}

    def change(
        self, tenant: str, terms: Mapping[DataClass, Days], since: datetime, until: datetime
    ) -> None:
        """Note what a tenant's retention is, since a change at some time between two moments."""
        for data_class, days in terms.items():
            history = self.kept[tenant, data_class]
            if history[-1].days != days:
                self.changes.append((tenant, data_class, history[-1].days))
                history[-1] = replace(history[-1], until=until)
                history.append(Kept(days, since))

    def over(self, rec: RecordModel, now: datetime) -> bool:
        """Return whether reading has ended, by the day of the id or by the retention of now."""
        days = self.kept[rec.tenant, rec.id.data_class][-1].days
        return rec.expired(now) or ended(days, rec.begins, now)

    def must_go(self, rec: RecordModel, now: datetime) -> bool:
        """Return whether its bytes must go. What was taken in goes as if it came in just then."""
        days = self.kept[rec.tenant, rec.id.data_class][-1].days
        return bool(rec.written or rec.erased_by or rec.expired(now)) or ended(
            days, rec.id.minted, now
        )

    def of(self, tenant: str) -> list[RecordModel]:
        """Return the tenant's records, whatever became of them."""
        return [rec for rec in self.records.values() if rec.tenant == tenant]

    def live(self, tenant: str, now: datetime) -> list[RecordModel]:
        """Return the readable records, in the order of a list."""
        found = [r for r in self.of(tenant) if not r.erased_by and not self.over(r, now)]
        return sorted(found, key=lambda r: (r.id.minted, r.id.unique))

    def any_left(self) -> bool:
        """Return whether any stored record was not erased."""
        return any(rec.erased_by is None for rec in self.records.values())

    def ever(self) -> list[RecordModel]:
        """Return everything that was ever written."""
        return [*self.records.values(), *self.past]

    # what a put may answer

    def allowed(self, wish: PutRequest, during: During) -> set[str]:
        """Return the right answers."""
        if not wish.fresh and during.since > wish.id.minted + WINDOW:
            return {"StaleId"}
        if not wish.fresh and wish.id.older and wish.content.origin is None:
            return {"StaleId"}
        late = not wish.fresh and during.until > wish.id.minted + WINDOW
        answers = {"StaleId"} if late else set()
        about = wish.tenant, wish.id.data_class, during.since - CACHED, during.until
        for days in self.days_at(*about):
            answers |= self._allowed_by(days, wish, during)
        own = [c for name, c in self.kept if name == wish.tenant]
        if any(len(self.days_at(wish.tenant, c, *about[2:])) > 1 for c in own):
            answers |= {"TermsChanged", "StaleId"} if wish.fresh else {"TermsChanged"}
        renewed = self.renewed.get(wish.tenant)
        if renewed is not None and renewed >= during.since - CACHED:
            answers |= {"TermsChanged"}
        return answers

    def _allowed_by(self, days: Days, wish: PutRequest, during: During) -> set[str]:
        """Return the right answers while a class is kept for so long."""
        refused = refusal(days, wish, during.since)
        if refused is not None:
            return {refused}
        answers, over = _by_day(days, wish, during)
        later = refusal(days, wish, during.until)
        answers |= {later} if later is not None else set()
        if over:
            return answers
        answers |= set() if during.well else UNWELL
        answers |= UNWELL | {"Abandoned"} if during.slow else set()
        if any(other.name == wish.name for other in self.wishes):
            answers |= {STORED, "IdConflict"}
        there = self.records.get(wish.name)
        if there is None or there.erased_by is not None:
            answers |= self._fresh(wish, during, row_left=there is not None)
        if there is not None and self._was_there(there, during):
            same = there.content.told() == wish.content.told()
            answers |= {STORED} if same else {"IdConflict"}
            answers |= {"Erased"} if there.erased_by or there.covered(self.coming) else set()
        return answers

    def _was_there(self, rec: RecordModel, during: During) -> bool:
        """Return whether it was not erased when the call began."""
        return rec.erased_by is None or rec.erased_by not in self.eras[: during.eras]

    def _fresh(self, wish: PutRequest, during: During, *, row_left: bool) -> set[str]:
        """Return the right answers for an id without a record, or of an erased one."""
        parents = [self.records.get((wish.tenant, p.unique)) for p in wish.content.parents]
        answers = {"Erased"} if row_left else set()
        if any(p is None or p.erased_by or p.covered(self.coming) for p in parents):
            answers |= {"LineageConflict", "Erased"}
        if any(p is None or not self._was_there(p, during) for p in parents):
            return answers
        if any(p is not None and p.expired(during.until) for p in parents):
            answers |= {"LineageConflict"}
        lineage = self.lineage(wish)
        if lineage is None:
            return answers | {"LineageConflict"}
        covered = [e for e in (*self.eras, *self.coming) if e.covers(wish.tenant, wish.id, lineage)]
        answers |= {"Erased"} if covered else set()
        stood = [e for e in covered if e in self.eras[: during.eras] and during.until <= e.until]
        if not stood and during.can:
            answers |= {STORED}
        return answers

    def lineage(self, wish: PutRequest) -> Lineage | None:
        """Return what it inherits from its parents, or None if they have two subjects or groups."""
        content = wish.content
        parents = [self.records[wish.tenant, p.unique] for p in content.parents]
        subjects = {content.subject, *(p.lineage.subject for p in parents)} - {None}
        groups = {content.group, *(p.lineage.group for p in parents)} - {None}
        ancestors = {
            uid
            for p in parents
            if _cascades(p.id.data_class, wish.id.data_class)
            for uid in (p.id.unique, *p.lineage.ancestors)
        }
        if len(subjects) > 1 or len(groups) > 1 or len(ancestors) > MANY:
            return None
        origin = min([wish.id.minted, *(p.lineage.origin for p in parents)])
        return Lineage(
            next(iter(subjects), None), next(iter(groups), None), frozenset(ancestors), origin
        )

    # what has happened

    def stored(self, wish: PutRequest, during: During) -> RecordModel:
        """Note an acknowledged put. An erasure during the call covers it already."""
        there = self.records.get(wish.name)
        if there is not None:
            same = there.content.told() == wish.content.told()
            if there.erased_by is None or (same and self._was_there(there, during)):
                return there
            self.past.append(self.records.pop(there.name))
        lineage = self.lineage(wish)
        assert lineage is not None
        rec = RecordModel(wish.tenant, wish.id, wish.content, lineage, during.eras)
        rec.erased_by = rec.covered(self.eras[during.eras :])
        self.records[rec.name] = rec
        return rec

    def failed(self, wish: PutRequest, during: During, written: Sequence[tuple[str, str]]) -> None:
        """Note a failed put. It may have left bytes where it tried."""
        known = all((wish.tenant, p.unique) in self.records for p in wish.content.parents)
        lineage = self.lineage(wish) if known else None
        if lineage is not None and written:
            rec = RecordModel(wish.tenant, wish.id, wish.content, lineage, during.eras)
            rec.written = tuple(written)
            self.past.append(rec)

    def erased(self, era: ErasureModel) -> None:
        """Note an acknowledged erasure: everything that it covers is gone."""
        self.eras.append(era)
        for rec in self.records.values():
            if rec.erased_by is None and rec.covered([era]):
                rec.erased_by = era

    def about(self, era: ErasureModel) -> list[RecordModel]:
        """Return everything whose bytes must be gone when the erasure is complete."""
        number = self.eras.index(era)
        return [rec for rec in self.ever() if number >= rec.since and rec.covered([era])]

    # what a get may answer

    def readable(self, rec: RecordModel, during: During) -> set[str]:
        """Return the right answers. ``stored`` is its content."""
        answers = {"Erased", "NotFound"} if rec.erased_by or rec.covered(self.coming) else set()
        kept = self.days_during(rec.tenant, rec.id.data_class, during.changes)
        if rec.expired(during.until) or any(ended(d, rec.begins, during.until) for d in kept):
            answers |= {"Expired", "NotFound"}
        lasts = any(not ended(days, rec.begins, during.since) for days in kept)
        if self._was_there(rec, during) and not rec.expired(during.since) and lasts:
            answers |= {STORED}
        return answers


def refusal(days: Days, wish: PutRequest, now: datetime) -> str | None:
    """Return why nothing is stored, whatever the id, while its class is kept for so long."""
    if wish.fresh and wish.keep is not None:
        below_floor = wish.id.data_class is EVENT and wish.keep < EVENT_DAYS
        if below_floor or (days is not None and wish.keep > days):
            return "InvalidRequest"
        days = wish.keep
    if days == 0:
        return NOTHING
    taken = wish.content.origin is not None
    return "OriginRefused" if taken and ended(days, wish.content.begins(now), now) else None


def _by_day(days: Days, wish: PutRequest, during: During) -> tuple[set[str], bool]:
    """Return the answers that the day of the id allows, and whether it is certainly a wrong one."""
    day = wish.id.day
    if wish.fresh:
        return set(), False
    begins = wish.content.begins
    first, last = expiry(days, begins(during.since)), expiry(days, begins(during.until))
    if last is not None and (day is None or day > last):
        return {"StaleId"}, True
    if day is None:
        return set(), False
    too_soon = datetime.combine(day, time(), UTC) < begins(wish.id.minted) + FLOOR
    if during.since.date() >= day or (wish.id.data_class is EVENT and too_soon):
        return {"StaleId"}, True
    answers = {"StaleId"} if first is not None and day > first else set()
    if during.until.date() >= day:
        answers |= {"StaleId", "Expired"}
    return answers, False


def _cascades(parent: DataClass, child: DataClass) -> bool:
    """Return whether erasing the parent erases the child. Files and events are in no cascade."""
    return not {FILE, EVENT} & {parent, child}
