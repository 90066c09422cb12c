"""Legal holds, on the cluster and on the model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.model import CarveOut, DataClass, PlacedHold, Purpose, RecordInfo, Scope, ScopeKind
from tests.support.holds import (
    approve_by_second,
    confirm_by_two,
    held_tenant,
    hold_spec,
    narrow_by_two,
    request_release,
)
from tests.support.stories.calls import TENANTS, Calls
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.model import STORED, RecordModel, ended
from tests.support.stories.operations import Confirm, Hold, Narrow, Release

LATEST = datetime.max.replace(tzinfo=UTC)
_SILENT = {"KeyUnavailable", "BackendUnavailable", "Corrupt", "killed"}
_UNSURE = {"killed", "LedgerUnwritten", "Abandoned"}
_UNPUBLISHED = {"TooFewReplicas", "Unavailable"}  # the line about the opening
_WIDE = (ScopeKind.ACCOUNT, ScopeKind.REGION)


@dataclass(eq=False)
class HoldModel:
    """A hold. ``id``: None until the call returns it or the catalog shows it.

    ``tenant``: whose, or some tenant of the region if it is on more than one. ``kept`` is what it
    keeps for certain, until somebody begins to end it (``ending``), or to narrow it by ``let_go``.
    """

    tenant: str
    kind: ScopeKind
    value: str | bytes
    future: bool
    asked: datetime
    until: datetime
    id: UUID | None = None
    placed: datetime = LATEST
    kept: list[RecordModel] = field(default_factory=list)
    ending: bool = False
    let_go: set[DataClass] = field(default_factory=set)

    @property
    def home(self) -> str:
        """The region in which it is."""
        return TENANTS[self.tenant].home

    def covers(self, rec: RecordModel) -> bool:
        """Return whether the hold covers the record, kept or not."""
        if not self.future and rec.id.minted > self.placed:
            return False
        if self.kind in _WIDE:
            terms = TENANTS[rec.tenant]
            whose = self.kind is ScopeKind.REGION or terms.account == self.value
            return terms.home == self.home and whose
        if rec.tenant != self.tenant:
            return False
        named: dict[ScopeKind, str | bytes | None] = {
            ScopeKind.TENANT: "",
            ScopeKind.RECORD: rec.id.unique,
            ScopeKind.SUBJECT: rec.lineage.subject,
            ScopeKind.GROUP: rec.lineage.group,
        }
        return named[self.kind] == self.value


class Holds(Calls):
    """Places, confirms, narrows and releases holds. What a hold keeps stays until then."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.holds: list[HoldModel] = []
        self._turn = 0

    def hold(self, op: Hold, process: Process) -> None:
        """Place a hold, and compare the records that it reports."""
        name = self.busy_tenant(op.tenant)
        found = self.scope_of(op.kind, op.number, name)
        if found is None:
            return
        scope, value = found
        since, well = self.cluster.clock.now(), self.well(TENANTS[name].home)
        wide = op.kind in _WIDE
        home = TENANTS[name].home
        authority = self.cluster.topology.regions[home].jurisdiction
        given: dict[str, str | None] = {"authority_jurisdiction": authority}
        given |= {"tenant": None, "region": home} if wide else {"tenant": name}
        spec = hold_spec(scope, future=op.future, review=date(2030, 1, 1), **given)
        held = HoldModel(name, op.kind, value, op.future, since, LATEST)
        self.holds.append(held)
        answer = self.ask(process, lambda: process.store.admin.holds.place(spec))
        held.until = now = self.cluster.clock.now()
        if isinstance(answer.result, PlacedHold):
            self._in_force(held, answer.result.hold.id, answer.result.hold.placed)
            return
        slow = (now - since).total_seconds() > 10
        allowed = _UNSURE if slow or not well else {"killed"}
        assert answer.code in allowed, f"a hold: {answer.code}, not {allowed}"

    def release(self, op: Release, process: Process) -> None:
        """Release a hold. From the call on it may be over."""
        known = [held for held in self.holds if held.id is not None]
        if known:
            self.end(known[-1 - op.number % len(known)], process)

    def end(self, held: HoldModel, process: Process) -> bool:
        """Release the hold; return whether it is certainly over."""
        held.ending = True
        over = self._by_two(held, process, self._release)
        if over and held in self.holds:
            self.holds.remove(held)
        return over

    def confirm(self, op: Confirm, process: Process) -> None:
        """Confirm a hold that a process placed, as two people."""
        known = [held for held in self.holds if held.id is not None and not held.ending]
        if known:
            held = known[-1 - op.number % len(known)]
            self._by_two(held, process, self._confirm)

    def narrow(self, op: Narrow, process: Process) -> None:
        """Let go a class of what a hold keeps. From the call on it may be gone."""
        known = [held for held in self.holds if held.id is not None and not held.ending]
        if known:
            held = known[-1 - op.number % len(known)]
            held.let_go.add(op.data_class)
            held.kept = [rec for rec in held.kept if rec.id.data_class not in held.let_go]
            self._by_two(held, process, self._narrow)

    def _by_two(
        self, held: HoldModel, process: Process, call: Callable[[HoldModel, UUID, Process], None]
    ) -> bool:
        """Have two people do something about a hold; return whether it is certainly done."""
        well, since, number = self.well(held.home), self.cluster.clock.now(), held.id
        assert number is not None
        answer = self.ask(process, lambda: call(held, number, process))
        slow = (self.cluster.clock.now() - since).total_seconds() > 10
        over = {"HoldRefused"} if held.ending else set()  # another process may be faster
        allowed = {STORED, *_UNSURE, *over} if slow or not well else {STORED, "killed", *over}
        assert answer.code in allowed, f"{call.__name__}: {answer.code}, not {allowed}"
        return answer.code == STORED

    def _release(self, held: HoldModel, number: UUID, process: Process) -> None:
        where = self.cluster.settings, process.store
        change = request_release(*where, number, held.home)
        approve_by_second(*where, change, held.home)

    def _confirm(self, held: HoldModel, number: UUID, process: Process) -> None:
        confirm_by_two(self.cluster.settings, process.store, number, held.home)

    def _narrow(self, held: HoldModel, number: UUID, process: Process) -> None:
        part = CarveOut(classes=tuple(sorted(held.let_go)))
        narrow_by_two(self.cluster.settings, process.store, number, part)

    def look_at_held(self, process: Process, *, everything: bool = False) -> None:
        """Require that held records are stored and listed, and that counsel can read them."""
        self._turn += 1
        for number, held in enumerate(list(self.holds)):
            if held.id is None:
                self._seek(held)
            if held.id is None or held.ending:
                continue
            self._note_new(held)
            if not everything and number != self._turn % len(self.holds):
                continue
            self._is_listed(held, process)
            for n, rec in enumerate(held.kept):
                if everything or n == self._turn // len(self.holds) % len(held.kept):
                    self._is_opened(held, rec, process)

    def _in_force(self, held: HoldModel, number: UUID, placed: datetime) -> None:
        held.id, held.placed = number, placed
        self._note_new(held)

    def _note_new(self, held: HoldModel) -> None:
        """Note what the hold keeps: all that is readable and has no pending erasure."""
        now, coming = self.cluster.clock.now(), self.model.coming
        held.kept += [
            rec
            for name in self.names
            for rec in self.model.live(name, now)
            if held.covers(rec)
            and rec.id.data_class not in held.let_go
            and rec not in held.kept
            and not rec.covered(coming)
            and not self._may_end(rec, now)
        ]

    def _may_end(self, rec: RecordModel, now: datetime) -> bool:
        """Return whether a retention that is being changed ends the record."""
        kept = self.model.days_during(rec.tenant, rec.id.data_class, len(self.model.changes))
        return any(ended(days, rec.begins, now) for days in kept)

    def _seek(self, held: HoldModel) -> None:
        """Look up a hold whose process died before the answer."""
        known = {other.id for other in self.holds}
        h = t.hold.c
        with self.cluster.looking(TENANTS[held.tenant].home) as connection:
            rows = connection.execute(
                select(h.id, h.placed)
                .where(h.tenant.is_(None) if held.kind in _WIDE else h.tenant == held.tenant)
                .where(h.scope == held.kind.value)
                .where(h.placed.between(held.asked, held.until))
            ).all()
        new = [row for row in rows if row.id not in known]
        if new:
            self._in_force(held, new[0].id, new[0].placed)

    def _is_listed(self, held: HoldModel, process: Process) -> None:
        found: list[RecordInfo] = []
        number = held.id
        assert number is not None
        own = [name for name in self.names if TENANTS[name].home == held.home]
        for name in own if held.kind in _WIDE else [held.tenant]:
            after = None
            while page := process.store.admin.holds.records(number, tenant=name, after=after):
                found += page
                after = page[-1].id
        listed = {info.id.unique for info in found}
        for rec in held.kept:
            assert rec.id.unique in listed, f"{rec} is not kept by a hold on {held.kind}"
        ever = {rec.id.unique for rec in self.model.ever() if held.covers(rec)}
        assert listed <= ever, "a hold keeps what it is not about"

    def _is_opened(self, held: HoldModel, rec: RecordModel, process: Process) -> None:
        number, body = held.id, rec.content.body
        assert number is not None

        home = TENANTS[rec.tenant].home

        def read() -> bytes:
            settings = self.cluster.settings
            tenant = held_tenant(process.store, settings, number, tenant=rec.tenant)
            with tenant.open(rec.id, purpose=Purpose.LEGAL) as file:
                return file.read_range(0, file.size)

        answer = self.ask(process, read)
        if answer.code == STORED:
            assert answer.result == body, f"counsel reads other bytes of {rec}"
            return
        backends = self.cluster.topology.regions[home].backends
        down = any(self.cluster.modes[spec.name] == "down" for spec in backends)
        allowed = _SILENT if down or not self.reads_anywhere(home) else {"killed"}
        allowed = allowed if self.well(home) else allowed | _UNPUBLISHED
        assert answer.code in allowed, f"counsel cannot read {rec}: {answer.code}"

    def scope_of(self, kind: ScopeKind, number: int, name: str) -> tuple[Scope, str | bytes] | None:
        """Return a scope by its kind and a number, and what it names; None: nothing is there."""
        who, which = ("ann", "ben")[number % 2], ("thread-1", "thread-2")[number % 2]
        rec = self.record(name, number)
        match kind:
            case ScopeKind.SUBJECT:
                return Scope.subject(who), who
            case ScopeKind.GROUP:
                return Scope.group(which), which
            case ScopeKind.TENANT:
                return Scope.tenant(), ""
            case ScopeKind.ACCOUNT:
                return Scope.account(TENANTS[name].account), TENANTS[name].account
            case ScopeKind.REGION:
                return Scope.region(), ""
            case _:
                return None if rec is None else (Scope.record(rec.id), rec.id.unique)
