"""Reads and lists, on the cluster and on the model."""

from sqlalchemy import select

from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.model import Purpose, RecordId
from storage.testing import SERVICE
from tests.support.stories.calls import TENANTS, Calls
from tests.support.stories.cluster import Process
from tests.support.stories.model import STORED, RecordModel
from tests.support.stories.operations import Get, Search


class Reads(Calls):
    """Reads and lists records, and asserts the answers."""

    def get(self, op: Get, process: Process) -> None:
        """Read a record as its tenant, or as another."""
        name = self.tenant(op.tenant)
        rec = self.record(name, op.number)
        if rec is None:
            return
        if op.how == "stranger":
            self._read_as_stranger(rec, process)
        elif op.how == "train":
            answer = self.ask(
                process,
                lambda: process.store.tenant(name).bind(SERVICE).get(rec.id, purpose=Purpose.TRAIN),
            )
            assert answer.code not in (STORED, "KeyUnavailable", "BackendUnavailable")
        else:
            self.read(rec, process, ranges=op.how == "ranges")

    def _read_as_stranger(self, rec: RecordModel, process: Process) -> None:
        stranger = next(name for name in self.names if name != rec.tenant)
        answer = self.ask(
            process,
            lambda: process.store.tenant(stranger).bind(SERVICE).get(rec.id, purpose=Purpose.SERVE),
        )
        assert answer.code in {"NotFound", "Erased", "killed"}, answer.code

    def read(self, rec: RecordModel, process: Process, *, ranges: bool = False) -> None:
        """Read a record, and compare the answer."""
        region = TENANTS[rec.tenant].home
        tenant = process.store.tenant(rec.tenant).bind(SERVICE)
        body = rec.content.body
        with self.during(region) as over:
            sure = self._readable(region, rec)
            answer = self.ask(process, lambda: _fetch(tenant, rec.id, ranges=ranges))
            during = over()
        allowed = self.model.readable(rec, during)
        if STORED in allowed and not sure:
            allowed |= {"KeyUnavailable", "BackendUnavailable", "Corrupt"}
        assert answer.code in {*allowed, "killed"}, f"{answer.code}, not {allowed}: {rec}, {during}"
        if answer.code == STORED:
            expected = [body[:10], body[5:-5], body[-9:]] if ranges else [body]
            assert answer.result == (expected, dict(rec.content.metadata)), rec

    def _readable(self, region: str, rec: RecordModel) -> bool:
        """Return whether pack and key are each on a backend that is up and may be read."""
        may = self.may_read(region)
        if self.well(region) and self.reads_anywhere(region):
            return True
        table = t.file if rec.id.day is None else t.record
        r = t.replica.c
        with self.cluster.looking(region) as connection:
            row = connection.execute(
                select(table.c.object_id, table.c.key_id).where(
                    table.c.tenant == rec.tenant, table.c.uid == rec.id.unique
                )
            ).one_or_none()
            if row is None:
                return False
            at = [
                connection.scalars(
                    select(r.backend).where(
                        r.object_id == thing,
                        r.state == "stored",
                        r.key.not_in(self.cluster.damaged),
                    )
                ).all()
                for thing in row
            ]
        up = {name for name in may if self.cluster.modes[name] != "down"}
        return all(up & set(names) for names in at)

    def search(self, op: Search, process: Process) -> None:
        """List by class, subject or group."""
        self.compare_list(self.tenant(op.tenant), process, op)

    def compare_list(self, name: str, process: Process, by: Search | None = None) -> None:
        """List a tenant's records, and compare the answer."""
        by = by or Search(0, None, None, None)
        before, happened = self.cluster.clock.now(), self._happened()
        tenant = process.store.tenant(name).bind(SERVICE)
        found: list[tuple[bytes, int]] = []
        after: RecordId | None = None
        while page := tenant.list(
            data_class=by.data_class, subject=by.subject, group=by.group, after=after, limit=7
        ):
            found += [(info.id.unique, info.size) for info in page]
            after = page[-1].id
        if before.date() != self.cluster.clock.now().date():
            return
        live = [
            (rec.id.unique, len(rec.content.body))
            for rec in self.model.live(name, before)
            if by.data_class in (None, rec.id.data_class)
            and by.subject in (None, rec.lineage.subject)
            and by.group in (None, rec.lineage.group)
        ]
        under_way = self.model.wishes or self.model.coming or self.model.changing
        if under_way or happened != self._happened():  # order alone is sure
            assert len(found) == len(set(found))
            return
        assert found == live, f"listed {len(found)} of {name}, not {len(live)}"

    def _happened(self) -> tuple[int, int, int]:
        """Return how much was written, erased and changed: another process may have acted."""
        return len(self.model.ever()), len(self.model.eras), len(self.model.changes)


def _fetch(
    tenant: BoundTenant, record_id: RecordId, *, ranges: bool
) -> tuple[list[bytes], dict[str, object]]:
    if not ranges:
        record = tenant.get(record_id, purpose=Purpose.SERVE)
        assert record.info.size == len(record.body)
        return [record.body], dict(record.metadata)
    with tenant.open(record_id, purpose=Purpose.SERVE) as file:
        size = file.size
        spans = [(0, 10), (5, max(size - 5, 5)), (max(size - 9, 0), size + 1)]
        return [file.read_range(a, b) for a, b in spans], dict(file.metadata)
