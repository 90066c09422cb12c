"""Legal holds, on the cluster and on the model."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.model import PlacedHold, Purpose, RecordInfo, Scope, ScopeKind
from tests.support.holds import approve_by_second, held_tenant, hold_spec, request_release
from tests.support.stories.calls import TENANTS, Calls
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.model import STORED, RecordModel
from tests.support.stories.operations import Hold, Release

LATEST = datetime.max.replace(tzinfo=UTC)
_SILENT = {"KeyUnavailable", "BackendUnavailable", "Corrupt", "killed"}
_UNSURE = {"killed", "LedgerUnwritten", "Abandoned"}


@dataclass(eq=False)
class HoldModel:
    """A hold. ``id``: None until the call returns it or the catalog shows it.

    ``kept`` is what it keeps for certain, until somebody begins to end it (``ending``).
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

    def covers(self, rec: RecordModel) -> bool:
        """Return whether the hold covers the record."""
        if rec.tenant != self.tenant or (not self.future and rec.id.minted > self.placed):
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
        found = self._held_scope(op, name)
        if found is None:
            return
        scope, value = found
        since, well = self.cluster.clock.now(), self.well(TENANTS[name].home)
        spec = hold_spec(scope, tenant=name, future=op.future, review=date(2030, 1, 1))
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
        well, since = self.well(TENANTS[held.tenant].home), self.cluster.clock.now()
        number, held.ending = held.id, True
        assert number is not None
        answer = self.ask(process, lambda: self._release(held, number, process))
        slow = (self.cluster.clock.now() - since).total_seconds() > 10
        allowed = {STORED, *_UNSURE} if slow or not well else {STORED, "killed"}
        assert answer.code in allowed, f"a release: {answer.code}, not {allowed}"
        if answer.code == STORED and held in self.holds:
            self.holds.remove(held)
        return answer.code == STORED

    def _release(self, held: HoldModel, number: UUID, process: Process) -> None:
        """Request it as one person, and approve it as the other."""
        where = self.cluster.settings, process.store
        region = TENANTS[held.tenant].home
        change = request_release(*where, number, region)
        approve_by_second(*where, change, region)

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
            for rec in self.model.live(held.tenant, now)
            if held.covers(rec) and rec not in held.kept and not rec.covered(coming)
        ]

    def _seek(self, held: HoldModel) -> None:
        """Look up a hold whose process died before the answer."""
        known = {other.id for other in self.holds}
        h = t.hold.c
        with self.cluster.looking(TENANTS[held.tenant].home) as connection:
            rows = connection.execute(
                select(h.id, h.placed)
                .where(h.tenant == held.tenant, h.scope == held.kind.value)
                .where(h.placed.between(held.asked, held.until))
            ).all()
        new = [row for row in rows if row.id not in known]
        if new:
            self._in_force(held, new[0].id, new[0].placed)

    def _is_listed(self, held: HoldModel, process: Process) -> None:
        found: list[RecordInfo] = []
        number = held.id
        assert number is not None
        after = None
        while page := process.store.admin.holds.records(number, after=after):
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
            tenant = held_tenant(process.store, self.cluster.settings, number)
            with tenant.open(rec.id, purpose=Purpose.LEGAL) as file:
                return file.read_range(0, file.size)

        answer = self.ask(process, read)
        if answer.code == STORED:
            assert answer.result == body, f"counsel reads other bytes of {rec}"
            return
        backends = self.cluster.topology.regions[home].backends
        down = any(self.cluster.modes[spec.name] == "down" for spec in backends)
        allowed = _SILENT if down or not self.reads_anywhere(home) else {"killed"}
        assert answer.code in allowed, f"counsel cannot read {rec}: {answer.code}"

    def _held_scope(self, op: Hold, name: str) -> tuple[Scope, str | bytes] | None:
        who, which = ("ann", "ben")[op.number % 2], ("thread-1", "thread-2")[op.number % 2]
        rec = self.record(name, op.number)
        match op.kind:
            case ScopeKind.SUBJECT:
                return Scope.subject(who), who
            case ScopeKind.GROUP:
                return Scope.group(which), which
            case ScopeKind.TENANT:
                return Scope.tenant(), ""
            case _:
                return None if rec is None else (Scope.record(rec.id), rec.id.unique)
