"""More operations: legal holds, what they keep, and what two people do about them."""

from storage.model import CarveOut, Scope
from tests.crashpoints.facts import Holding
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import PROMPT, Act, Actor, Stage
from tests.support.holds import narrow_by_two


@operation
def hold(stage: Stage, other: Actor) -> Act:
    """Place a hold on a subject."""
    some_records(stage, other)
    holding = stage.holding("ann")
    return lambda actor: actor.hold(holding)


@operation
def plan_what_is_held(stage: Stage, other: Actor) -> Act:
    """Plan an erasure that a hold defers in part."""
    some_records(stage, other)
    other.hold(stage.holding("ann"))
    other.erase(Scope.tenant())
    return lambda actor: actor.duty("plan", "purge", "sweep", "complete")


@operation
def compact_what_is_held(stage: Stage, other: Actor) -> Act:
    """Compact a pack with an erased and a held record."""
    some_records(stage, other)
    other.hold(stage.holding("ann"))
    other.erase(Scope.subject("ben"))
    other.duty("plan", "purge")
    stage.pass_time(hours=5)
    return lambda actor: actor.duty("compact", "purge")


@operation
def expire_what_is_held(stage: Stage, other: Actor) -> Act:
    """Expire a day, and relocate what is held out of it."""
    some_records(stage, other)
    other.hold(stage.holding("ann"))
    other.erase(Scope.subject("ann"))
    stage.pass_midnight()

    def act(actor: Actor) -> None:
        for _ in range(3):
            actor.work()
            stage.pass_time(hours=1)

    return act


def _relocated(stage: Stage, other: Actor) -> Holding:
    """Place a hold, erase what it keeps, and let the day expire."""
    some_records(stage, other)
    holding = stage.holding("ann")
    other.hold(holding)
    other.erase(Scope.subject("ann"))
    stage.pass_midnight()
    for _ in range(3):
        other.work()
        stage.pass_time(hours=1)
    return holding


@operation
def release(stage: Stage, other: Actor) -> Act:
    """Release a hold: what it deferred goes on, though the day has expired."""
    holding = _relocated(stage, other)

    def act(actor: Actor) -> None:
        actor.release(holding)
        actor.duty("release", "plan", "purge", "sweep", "complete")

    return act


@operation
def open_what_is_held(stage: Stage, other: Actor) -> Act:
    """Open a held record, which is audited first."""
    facts = some_records(stage, other)
    holding = stage.holding("ann")
    other.hold(holding)
    return lambda actor: actor.open_held(holding, facts[0])


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
    holding = _relocated(stage, other)

    def act(actor: Actor) -> None:
        assert holding.id is not None
        # from the call on they may be gone
        holding.kept = [fact for fact in holding.kept if fact.id.data_class is not PROMPT]
        narrow_by_two(stage.settings, actor.store, holding.id, CarveOut(classes=(PROMPT,)))
        actor.duty("release", "plan", "purge", "sweep", "complete")

    return act
