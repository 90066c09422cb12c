"""Copies at processors, on the cluster and on the model."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.testing import SERVICE
from tests.support.stories.calls import EU, TENANTS, Calls
from tests.support.stories.cluster import Process
from tests.support.stories.model import EVENT, STORED, During, RecordModel, ended
from tests.support.stories.operations import HandOver

c = t.processor_copy.c

_COMPANY = {EU: "klarblick"}
_ELSEWHERE = "clearwater-screening"
_NO_TIME = timedelta(hours=2)  # before its day is over, a copy would be asked back at once


class ProcessorCopies(Calls):
    """Hands copies over. When an erasure is complete, no processor has what it covers."""

    def hand_over(self, op: HandOver, process: Process) -> None:
        """Hand over a copy of a record."""
        name = self.busy_tenant(op.tenant)
        rec = self.record(name, op.number)
        if rec is None or rec.id.data_class is EVENT:  # which no processor is given
            return
        region, tenant = TENANTS[name].home, process.store.tenant(name).bind(SERVICE)
        company = _COMPANY.get(region, _ELSEWHERE)
        up = self.cluster.troubles[company] in ("up", "pending")
        with self.during(region) as over:
            answer = self.ask(process, lambda: tenant.hand_over(rec.id, company))
            during = over()
        allowed = self.model.readable(rec, during) | {"killed"}
        sure = during.well and self.well(region) and self.reads_anywhere(region)
        if STORED in allowed and not sure:
            allowed |= {"KeyUnavailable", "BackendUnavailable", "Corrupt"}
            allowed |= {"LedgerUnwritten", "Abandoned"}
        if STORED in allowed and (during.slow or not up):
            allowed |= {"ProcessorUnavailable", "ProcessorTimeout"}
        if STORED in allowed and during.slow:  # it was asked back, or abandoned, meanwhile
            allowed |= {"Erased", "LedgerUnwritten", "Abandoned"}
        if self._ends_soon(rec, during):
            allowed |= {"HandOverRefused"}
        assert answer.code in allowed, f"{answer.code}, not {allowed}: a copy of {rec}, {during}"

    def _ends_soon(self, rec: RecordModel, during: During) -> bool:
        """Return whether no time is left for a copy."""
        kept = self.model.days_during(rec.tenant, rec.id.data_class, during.changes)
        soon = during.until + _NO_TIME
        return rec.expired(soon) or any(ended(days, rec.begins, soon) for days in kept)

    def copies_are_known(self, *, over: datetime | None = None) -> None:
        """Require a row for each copy at a processor and (``over``) none past its deadline."""
        at = {copy for processor in self.cluster.processors.values() for copy in processor.copies}
        known: dict[UUID, datetime] = {}
        for region in self.cluster.topology.regions if at else ():
            with self.cluster.looking(region) as connection:
                rows = connection.execute(select(c.id, c.deadline).where(c.id.in_(at)))
                known |= {row[0]: row[1] for row in rows}
        assert known.keys() == at, f"nobody knows of {at - known.keys()}"
        late = [copy for copy, deadline in known.items() if over is not None and deadline <= over]
        assert late == [], f"past their deadlines: {late}"

    def no_copy_of(self, recs: Iterable[RecordModel], because: str) -> None:
        """Require that no processor has a copy of these records."""
        bodies = {rec.content.body: rec for rec in recs if rec.content.body}
        for name, processor in self.cluster.processors.items():
            for content in processor.copies.values():
                assert content not in bodies, f"{name} has {bodies[content]}; {because}"
