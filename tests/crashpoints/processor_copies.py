"""More operations: copies at processors, and a catalog that was restored."""

from storage.model import Scope
from tests.crashpoints import restored_catalog
from tests.crashpoints.effects import Tape
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import Act, Actor, Stage


@operation
def hand_over(stage: Stage, other: Actor) -> Act:
    """Hand over two copies. One must go when its subject is erased."""
    facts = [stage.fact(name) for name in ("ann", "ben", "eve")]  # a full pack
    other.put_many(facts)
    stage.request(Scope.subject("ann")).refused = True  # erased when all backends are up

    def act(actor: Actor) -> None:
        for fact in facts[:2]:
            actor.hand_over(fact)

    return act


@operation
def ask_back(stage: Stage, other: Actor) -> Act:
    """Ask back a copy of an erased record and one of unknown arrival, then sign the receipts."""
    facts = [stage.fact(name) for name in ("ann", "ben", "eve")]  # a full pack
    other.put_many(facts)
    other.hand_over(facts[0])
    stage.start(Tape(stop="commit update processor_copy")).hand_over_and_end(facts[1])
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge")
    stage.pass_time(hours=1)
    return lambda actor: actor.duty("request_deletion", "sweep", "complete", "prune")


@operation
def ask_back_too_early(stage: Stage, other: Actor) -> Act:
    """A delivery is late when the processor answers that it has no such copy."""
    fact = stage.fact("ann")
    other.put(fact)
    stage.start(Tape(stop="deliver", how="late")).hand_over_and_end(fact)
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge")
    return lambda actor: actor.duty("request_deletion", "sweep", "complete", "prune")


@operation
def settle_a_copy(stage: Stage, other: Actor) -> Act:
    """Resolve a ledger entry of a copy whose writer is dead."""
    fact, tape = stage.fact("ann"), Tape(stop="commit update object, update replica, insert proc")
    other.put(fact)
    stage.start(tape).hand_over_and_end(fact)
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge")
    stage.pass_time(hours=1)
    return lambda actor: actor.duty("resolve", "request_deletion", "sweep", "complete")


@operation
def recover(stage: Stage, other: Actor) -> Act:
    """Recover a dump that lacks an erasure, copies, and a record that was put since."""
    facts = some_records(stage, other)
    backup = restored_catalog.back_up(stage)
    other.put(stage.fact("zoe"))
    for fact in facts[:2]:
        other.hand_over(fact)
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge", "sweep", "complete")

    def act(actor: Actor) -> None:
        restored_catalog.restore(stage, backup, elsewhere=True)
        restored_catalog.recover(stage, actor.tape)

    return act


@operation
def recover_in_place(stage: Stage, other: Actor) -> Act:
    """Recover a snapshot that lacks a hold too, and a confirmation."""
    facts = some_records(stage, other)
    other.hand_over(facts[1])
    backup = restored_catalog.back_up(stage)
    other.hold(stage.holding("ben"))
    other.hand_over(facts[0])
    other.erase(Scope.tenant())
    other.duty("plan", "purge", "request_deletion", "sweep", "complete")

    def act(actor: Actor) -> None:
        restored_catalog.restore(stage, backup, elsewhere=False)
        restored_catalog.recover(stage, actor.tape)

    return act
