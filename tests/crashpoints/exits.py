"""One more operation: what a customer chose for the end of its contract is carried out."""

from datetime import timedelta

from sqlalchemy import func, select

from storage.catalog import tables as t
from storage.model import ExitKind, Scope
from tests.crashpoints.grants import as_login
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import TENANT, Act, Actor, Stage
from tests.support.people import staff


@operation
def carry_out_an_exit(stage: Stage, other: Actor) -> Act:
    """The erasure is requested once, however often workers die."""
    some_records(stage, other)
    tomorrow = stage.clock.now().date() + timedelta(1)
    staff(stage.settings, stage.clock.now(), "kim", "alice", "bob")
    agreements = other.store.admin.agreements
    (dpa,) = agreements.list(TENANT)
    agreements.end(dpa.id, until=tomorrow)
    with as_login(stage, other, "alice") as store:
        choice = store.admin.exits.choose(TENANT, ExitKind.DELETE, on=tomorrow, document="d" * 64)
        store.admin.exits.notify(choice.id, document="e" * 64)
    with as_login(stage, other, "bob") as store:
        store.admin.exits.confirm(choice.id)
    stage.pass_midnight()
    stage.promises.append(lambda: _once(stage))

    def act(actor: Actor) -> None:
        stage.request(Scope.tenant()).scheduled = True
        actor.duty("exits", "exits", "plan", "purge", "sweep", "complete")

    return act


def _once(stage: Stage) -> None:
    with stage.looking(HOME) as connection:
        found = connection.scalar(select(func.count()).select_from(t.erasure)) or 0
        begun = connection.scalar(select(func.count()).where(t.exit_step.c.step == "erasure")) or 0
    assert found == begun <= 1, f"{found} erasures, of which {begun} are noted"
