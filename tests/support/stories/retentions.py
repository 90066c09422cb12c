"""Retentions that change, on the cluster and on the model."""

from collections.abc import Mapping

from sqlalchemy import select

from storage.catalog import tables as t
from storage.model import DataClass
from tests.support.stories.calls import TENANTS, Calls
from tests.support.stories.cluster import Process
from tests.support.stories.model import STORED, Days
from tests.support.stories.operations import Retain


class Retentions(Calls):
    """Changes how long a tenant keeps a class."""

    def retain(self, op: Retain, process: Process) -> None:
        """Keep a class for so many days; perhaps only for a moment."""
        name = self.busy_tenant(op.tenant)
        before = self.model.days(name)[op.data_class]
        for days in (op.days, before) if op.back else (op.days,):
            if not self._keep(name, {**self.model.days(name), op.data_class: days}, process):
                return

    def _keep(self, name: str, kept: Mapping[DataClass, Days], process: Process) -> bool:
        """Set the retention of a tenant; return whether that was answered."""
        model, since, changes = self.model, self.cluster.clock.now(), len(self.model.changes)
        coming = (name, kept)
        model.changing.append(coming)
        try:
            spec = self.spec(name, kept)
            answer = self.ask(process, lambda: process.store.admin.tenants.ensure(spec))
        finally:
            model.changing = [other for other in model.changing if other is not coming]
        alone = not model.changing and changes == len(model.changes)
        found = self._in_catalog(name)
        assert answer.code in {STORED, "killed"}, f"a retention: {answer.code}"
        assert found == kept or answer.code == "killed" or not alone, f"{found}, not {kept}"
        model.change(name, found, since, self.cluster.clock.now())
        return answer.code == STORED

    def _in_catalog(self, name: str) -> dict[DataClass, Days]:
        with self.cluster.looking(TENANTS[name].home) as connection:
            own = connection.scalar(select(t.tenant.c.retention).where(t.tenant.c.id == name)) or {}
        return {data_class: own.get(data_class.value) for data_class in self.model.days(name)}
