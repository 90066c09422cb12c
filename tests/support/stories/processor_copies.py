"""Copies at processors, on a Domicile and on the model."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from tests.support.stories.calls import EU, TENANTS, Calls
from tests.support.stories.cluster import Process
from tests.support.stories.model import STORED, RecordModel
from tests.support.stories.operations import HandOver

c = t.processor_copy.c

_COMPANY = {EU: "klarblick"}
_ELSEWHERE = "clearwater-screening"
_NO_TIME = timedelta(hours=2)  # before its day is over, a copy would be asked back at once


class ProcessorCopies(Calls):
    """What an erasure covers is at no processor when it is complete."""

    def hand_over(self, op: HandOver, process: Process) -> None:
        """Hand a copy over."""
        name = self.busy_tenant(op.tenant)
        rec = self.record(name, op.number)
        if rec is None:
            return
        region, tenant = TENANTS[name].home, process.store.tenant(name)
        company = _COMPANY.get(region, _ELSEWHERE)
        up = self.cluster.troubles[company] in ("up", "pending")
        with self.during(region) as over:
            answer = self.ask(process, lambda: tenant.hand_over(rec.id, company))
            during = over()
        allowed = self.model.readable(rec, during) | {"killed"}
        if STORED in allowed and not (during.well and self.well(region)):
            allowed |= {"KeyUnavailable", "BackendUnavailable", "Corrupt"}
            allowed |= {"LedgerUnwritten", "Abandoned"}
        if STORED in allowed and (during.slow or not up):
            allowed |= {"ProcessorUnavailable", "ProcessorTimeout"}
        if STORED in allowed and during.slow:  # it was asked back, or given up, meanwhile
            allowed |= {"Erased", "LedgerUnwritten", "Abandoned"}
        if rec.id.day is not None:
            midnight = datetime.combine(rec.id.day, time(), UTC)
            allowed |= {"HandOverRefused"} if during.until >= midnight - _NO_TIME else set()
        assert answer.code in allowed, f"{answer.code}, not {allowed}: a copy of {rec}, {during}"

    def copies_are_known(self, *, over: datetime | None = None) -> None:
        """Every copy at a processor has a row, and (``over``) none its deadline behind it."""
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
        """No processor has a copy of any of these."""
        bodies = {rec.content.body: rec for rec in recs if rec.content.body}
        for name, processor in self.cluster.processors.items():
            for content in processor.copies.values():
                assert content not in bodies, f"{name} has {bodies[content]}; {because}"
