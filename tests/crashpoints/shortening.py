"""One more operation: a retention is shortened, and what it ended is destroyed."""

from dataclasses import replace

from storage.model import Scope
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import COMPLETION, FILE, PROMPT, TENANT, Act, Actor, Stage

_DUTIES = ("shorten", "plan", "purge", "sweep", "complete")


@operation
def shorten(stage: Stage, other: Actor) -> Act:
    """Keep no prompt any more: a worker erases those that are stored. A pack has others too."""
    some_records(stage, other)
    keep_nothing(stage, other)
    return lambda actor: actor.duty(*_DUTIES)


@operation
def shorten_what_is_held(stage: Stage, other: Actor) -> Act:
    """Do it while a hold keeps one of them, and an erasure covers another."""
    some_records(stage, other)
    other.hold(stage.holding("ann"))
    other.erase(Scope.subject("ben"))
    keep_nothing(stage, other)
    return lambda actor: actor.duty(*_DUTIES)


def keep_nothing(stage: Stage, other: Actor) -> None:
    """Set the retention of prompts and files to 0. Of files it was until they are deleted."""
    spec = other.store.admin.tenants.get(TENANT)
    other.store.admin.tenants.ensure(replace(spec, retention={PROMPT: 0, FILE: 0, COMPLETION: 2}))
    for fact in stage.facts:
        if fact.id.data_class in (PROMPT, FILE):
            fact.ended = stage.clock.now()
