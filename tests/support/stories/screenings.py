"""Screenings by a machine, on the cluster and on the model."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select

from storage.catalog import tables as t
from storage.model import ActorKind, Classifier, NewFlag
from tests.support.people import enter, person
from tests.support.screening import MILL
from tests.support.stories.calls import EU, PROMPT, TENANTS, Calls
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.model import STORED, RecordModel
from tests.support.stories.staff_operations import Screen

_SILENT = {"KeyUnavailable", "BackendUnavailable", "Corrupt", "Abandoned"}


class Screenings(Calls):
    """Has prompts flagged. ``screening``: how many screenings are under way."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.flagged: set[RecordModel] = set()
        self.screening = 0
        self._met_machine = False

    def screen(self, op: Screen, process: Process) -> None:
        """Show the prompts of a tenant to a classifier that knows which one to flag."""
        name = self.busy_tenant(op.tenant)
        prompts = [rec for rec in self.model.of(name) if rec.id.data_class is PROMPT]
        if TENANTS[name].home != EU or not prompts:
            return
        wanted = prompts[-1 - op.number % len(prompts)]
        self.meet_machine()
        classifier = Classifier("watch", f"{next(self.numbers)}", _flagging(wanted.content.body))
        tenant, sure = process.store.tenant(name).bind(MILL), self.well(EU)
        live = self.model.live(name, self.cluster.clock.now())
        self.screening += 1
        try:
            answer = self.ask(process, lambda: list(tenant.screen(classifier)))
        finally:
            self.screening -= 1
        self._note_flags(name, wanted)
        assert answer.code in {STORED, "killed"} | (set() if sure else _SILENT), answer.code
        sure = sure and self.reads_anywhere(EU) and not self.cluster.damaged
        if answer.code == STORED and sure and wanted in live:
            done = wanted in self.model.live(name, self.cluster.clock.now())
            assert not done or self._may_vanish(wanted) or wanted in self.flagged, "no flag"

    def meet_machine(self) -> None:
        """Enter the machine in the roster, once."""
        if not self._met_machine:
            self._met_machine = True
            mill = person(MILL.id, kind=ActorKind.MACHINE, login=None)
            enter(self.cluster.settings, self.cluster.clock.now(), mill)

    def _may_vanish(self, rec: RecordModel) -> bool:
        return bool(rec.covered(self.model.coming) or self.model.changing or self.model.wishes)

    def _note_flags(self, name: str, wanted: RecordModel) -> None:
        with self.cluster.looking(EU) as connection:
            found = {
                uid
                for table in (t.record, t.held)
                for uid in connection.scalars(
                    select(table.c.uid).where(
                        table.c.tenant == name, table.c.sealed_flags.is_not(None)
                    )
                )
            }
        for rec in self.model.of(name):
            if rec.id.unique in found and rec not in self.flagged and not rec.erased_by:
                same = rec.content.body == wanted.content.body
                assert same or self.screening, f"flagged, and it was not to be: {rec}"
                self.flagged.add(rec)


def _flagging(wanted: bytes) -> Callable[[bytes, Mapping[str, object]], Sequence[NewFlag]]:
    def classify(body: bytes, _: Mapping[str, object]) -> Sequence[NewFlag]:
        return [NewFlag("abuse/fraud", 0.9)] if body == wanted else []

    return classify
