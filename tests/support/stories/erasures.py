"""Erasures, on the cluster and on the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from storage.catalog import tables as t
from storage.model import DataClass, Erasure, Reason, RecordId, Scope, ScopeKind
from tests.support.stories.calls import PROMPT, TENANTS, Calls
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.model import STORED, ErasureModel, ended
from tests.support.stories.operations import Erase

_ENDED = (
    select(t.erasure.c.id, t.erasure.c.tenant, t.erasure.c.requested, t.fence.c.value)
    .add_columns(t.fence.c.cutoff)
    .join(t.fence, t.fence.c.erasure_id == t.erasure.c.id)
    .where(t.erasure.c.reason == Reason.RETENTION, t.fence.c.scope == ScopeKind.CLASS)
)
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
_ATTEMPT = timedelta(seconds=10)  # then a write to the ledger is given up


@dataclass(frozen=True)
class _Open:
    """An erasure whose process died: when it was requested, and what may come of it."""

    coming: list[ErasureModel]
    since: datetime
    until: datetime


def _era(done: tuple[UUID, str, datetime], kind: ScopeKind, value: str | bytes) -> ErasureModel:
    tick = timedelta(milliseconds=1)
    cutoff = done[2] + (datetime.min.replace(tzinfo=UTC) - done[2]) % tick
    return ErasureModel(done[0], done[1], kind, value, cutoff, done[2])


class Erasures(Calls):
    """Requests erasures, and tells the model what is gone."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.open: list[_Open] = []

    def erase(self, op: Erase, process: Process) -> None:
        """Request an erasure, and tell the model."""
        # now and then of a tenant that may have nothing
        name = self.busy_tenant(op.tenant) if op.number % 4 else self.tenant(op.tenant)
        scope, value = self._scope(op, name)
        tenants = [name]
        if op.kind is ScopeKind.ACCOUNT:
            account = TENANTS[name].account
            tenants = [other for other in self.names if TENANTS[other].account == account]
        kind = ScopeKind.TENANT if op.kind is ScopeKind.ACCOUNT else op.kind
        coming = [ErasureModel(UUID(int=0), other, kind, value, _FOREVER) for other in tenants]
        self.model.coming += coming
        since = self.cluster.clock.now()
        well = all(self.well(TENANTS[other].home) for other in tenants)
        try:
            answer = self.ask(process, lambda: self._erase_in(process, name, scope))
        except BaseException:
            self._come_no_more(coming)
            raise
        now = self.cluster.clock.now()
        excused = not well or now - since > _ATTEMPT
        if answer.code != STORED:
            allowed = {"killed", "LedgerUnwritten", "Abandoned"} if excused else {"killed"}
            assert answer.code in allowed, answer.code
            # what a killed one has put into the ledger becomes true by itself, and of several
            # tenants some may be erased
            self.open.append(_Open(coming, since, now))
            self.learn()
            return
        self._come_no_more(coming)
        found = answer.result
        assert isinstance(found, list)
        assert excused or len(found) == len(tenants)
        eras = [_era(done, kind, value) for done in found]
        for era in eras:
            self.model.erased(era)
        for era in eras:
            self._left(era, process)  # the process may be killed here

    def _left(self, era: ErasureModel, process: Process) -> None:
        """Require that an erasure says how many events it leaves: at least all that are read."""
        now, told = self.cluster.clock.now(), process.store.erasure(era.id).kept
        spared = [
            rec
            for rec in self.model.of(era.tenant)
            if era.spares(rec.id) and era.is_about(rec.id, rec.lineage) and not rec.erased_by
        ]
        least = sum(not rec.expired(now) for rec in spared)
        left = sum(kept.records for kept in told)
        assert least <= left <= len(spared), f"{left} events are left, not {least}"

    def learn(self) -> None:
        """Look up the erasures whose process died before the answer, and those by retention."""
        self._learn_ended()
        if not self.open:
            return
        settled = not any(self._writing(region) for region in self.cluster.topology.regions)
        for it in list(self.open):
            for era in it.coming:
                for done in self._unknown([era.tenant]):
                    if it.since <= done[2] <= it.until:
                        self.model.erased(_era(done, era.kind, era.value))
            if settled:
                self.open.remove(it)
                self._come_no_more(it.coming)

    def _learn_ended(self) -> None:
        """Look up what workers made erasures of: only what had ended by the retention in force."""
        known, model = {era.id for era in self.model.eras}, self.model
        for region in self.cluster.topology.regions:
            with self.cluster.looking(region) as connection:
                rows = connection.execute(_ENDED).all()
            for row in rows:
                if row.id in known:
                    continue
                value = DataClass(row.value.decode())
                kept = model.days_at(row.tenant, value, row.requested, row.requested)
                over = any(ended(days, row.cutoff, row.requested) for days in kept)
                assert over, f"{row} by a retention of {kept} days"
                assert row.cutoff < row.requested, f"{row} takes what is put from now on"
                era = ErasureModel(
                    row.id, row.tenant, ScopeKind.CLASS, value, row.cutoff, row.requested
                )
                model.erased(era)

    def _come_no_more(self, coming: Sequence[ErasureModel]) -> None:
        self.model.coming = [
            era for era in self.model.coming if not any(era is other for other in coming)
        ]

    def _writing(self, region: str) -> int:
        """Return the number of ledger entries that are not resolved."""
        o = t.object_.c
        query = select(func.count()).where(o.kind == "ledger", o.state == "writing")
        with self.cluster.looking(region) as connection:
            return connection.scalar(query) or 0

    def _erase_in(
        self, process: Process, name: str, scope: Scope
    ) -> list[tuple[UUID, str, datetime]]:
        reason = Reason.SUBJECT_REQUEST
        if scope.kind is ScopeKind.ACCOUNT:
            since = self.cluster.clock.now()
            whole = process.store.erase(scope, reason=reason)
            slow = self.cluster.clock.now() - since > _ATTEMPT
            assert slow or not any(self.well(region) for region in whole.not_reached)
            done: Sequence[Erasure] = whole.erasures
        else:
            done = [process.store.tenant(name).erase(scope, reason=reason, ticket="T-1")]
        return [(erasure.id, erasure.tenant, erasure.requested) for erasure in done]

    def _unknown(self, tenants: Sequence[str]) -> list[tuple[UUID, str, datetime]]:
        """Return the erasures in the catalog that were never answered."""
        known = {era.id for era in self.model.eras}
        e = t.erasure.c
        found: list[tuple[UUID, str, datetime]] = []
        for region in self.cluster.topology.regions:
            with self.cluster.looking(region) as connection:
                rows = connection.execute(
                    select(e.id, e.tenant, e.requested).where(
                        e.tenant.in_(tenants), e.reason != Reason.RETENTION
                    )
                )
                found += [(x[0], x[1], x[2]) for x in rows if x[0] not in known]
        return found

    def _scope(self, op: Erase, name: str) -> tuple[Scope, str | bytes]:
        who, which = ("ann", "ben")[op.number % 2], ("thread-1", "thread-2")[op.number % 2]
        named: dict[ScopeKind, tuple[Scope, str | bytes]] = {
            ScopeKind.SUBJECT: (Scope.subject(who), who),
            ScopeKind.GROUP: (Scope.group(which), which),
            ScopeKind.TENANT: (Scope.tenant(), ""),
            ScopeKind.ACCOUNT: (Scope.account(TENANTS[name].account), ""),
        }
        if op.kind in named:
            return named[op.kind]
        rec, minted = self.record(name, op.number), self.minted[name]
        if rec is not None and (op.number % 4 or not minted):
            return Scope.record(rec.id), rec.id.unique
        one = minted[-1] if minted else self._mint_one(name)
        return Scope.record(one), one.unique

    def _mint_one(self, name: str) -> RecordId:
        """Mint an id that was never used."""
        return self.cluster.processes[0].store.tenant(name).new_id(PROMPT)
