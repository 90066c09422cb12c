"""More operations: what two people do about a hold."""

from storage.model import CarveOut, Scope
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import PROMPT, Act, Actor, Stage
from tests.support.holds import narrow_by_two


@operation
def confirm_a_hold(stage: Stage, other: Actor) -> Act:
    """Confirm a hold that a process placed, as two people."""
    some_records(stage, other)
    holding = stage.holding("ann")
    other.hold(holding)
    return lambda actor: actor.confirm(holding)


@operation
def narrow_a_hold(stage: Stage, other: Actor) -> Act:
    """Let go the prompts that a hold keeps: they are erased, though the day has expired."""
    some_records(stage, other)
    holding = stage.holding("ann")
    other.hold(holding)
    other.erase(Scope.subject("ann"))
    stage.pass_midnight()
    for _ in range(3):
        other.work()
        stage.pass_time(hours=1)

    def act(actor: Actor) -> None:
        assert holding.id is not None
        # from the call on they may be gone
        holding.kept = [fact for fact in holding.kept if fact.id.data_class is not PROMPT]
        narrow_by_two(stage.settings, actor.store, holding.id, CarveOut(classes=(PROMPT,)))
        actor.duty("release", "plan", "purge", "sweep", "complete")

    return act
