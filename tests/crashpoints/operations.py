"""The operations. To add one, write a function that prepares and returns the act.

The act is what a process does. One run of it finds all of its effects.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import update

from storage.catalog import log
from storage.catalog import tables as t
from storage.crypto.root import rotate
from storage.model import LineKind, Scope
from tests.crashpoints.checks import learn_samples
from tests.crashpoints.effects import Tape, taped_files
from tests.crashpoints.facts import Fact
from tests.crashpoints.ground import HOME
from tests.crashpoints.stage import COMPLETION, FILE, Act, Actor, Stage
from tests.support.inspect.stored import homes_of

Operation = Callable[[Stage, Actor], Act]

OPERATIONS: dict[str, Operation] = {}
LARGE = 300_000  # a pack of its own


def operation(made: Operation) -> Operation:
    """Register an operation under the function's name."""
    OPERATIONS[made.__name__.replace("_", " ").strip()] = made
    return made


# --- writes ------------------------------------------------------------------------------------


@operation
def put(stage: Stage, other: Actor) -> Act:
    """Put the first record of a day, which makes the day key."""
    fact = stage.fact("ann")
    return lambda actor: actor.put(fact)


@operation
def put_derived(stage: Stage, other: Actor) -> Act:
    """Put a record that derives from another."""
    parent = stage.fact("ann")
    other.put(parent)
    fact = stage.fact(data_class=COMPLETION, parents=[parent])
    return lambda actor: actor.put(fact)


@operation
def put_again(stage: Stage, other: Actor) -> Act:
    """Put the same content under the same id: the answer is the same."""
    fact = stage.fact("ann")
    other.put(fact)
    return lambda actor: actor.put(fact)


@operation
def put_large(stage: Stage, other: Actor) -> Act:
    """Put a record that fills a pack."""
    fact = stage.fact("ann", size=LARGE)
    return lambda actor: actor.put(fact)


@operation
def put_many(stage: Stage, other: Actor) -> Act:
    """Put two packs, one after the other."""
    facts = [stage.fact(f"user {n}") for n in range(6)]
    return lambda actor: actor.put_many(facts)


@operation
def put_file(stage: Stage, other: Actor) -> Act:
    """Put a file, which has its own key."""
    fact = stage.fact("ann", data_class=FILE, size=2_000_000)
    return lambda actor: actor.put(fact)


@operation
def capture(stage: Stage, other: Actor) -> Act:
    """Capture a streamed completion."""
    fact = stage.fact("ann", data_class=COMPLETION)
    return lambda actor: actor.capture(fact)


# --- replicas ----------------------------------------------------------------------------------


@operation
def replicate(stage: Stage, other: Actor) -> Act:
    """Replicate a pack, a file and their keys."""
    with stage.one_down("eu-b"):
        other.put(stage.fact("ann"))
        other.put(stage.fact("ben", data_class=FILE))
    return lambda actor: actor.duty("replicate")


@operation
def repair(stage: Stage, other: Actor) -> Act:
    """A read finds a corrupt replica, and a worker replaces it."""
    fact = stage.fact("ann")
    other.put(fact)
    learn_samples(stage)
    held = stage.memory("eu-a")
    pack = next(trace.key for trace in held.scan("pack/"))
    data = held.get(pack)
    held.purge(pack)
    held.put(pack, bytes(len(data)), timeout=1)

    def act(actor: Actor) -> None:
        assert actor.read(fact) == fact.body
        actor.duty("replicate", "purge")

    return act


# --- erasures ----------------------------------------------------------------------------------


def some_records(stage: Stage, other: Actor) -> list[Fact]:
    """Store a pack of three, one of them about Ann, a record derived from it, and her file."""
    facts = [stage.fact(name, group="talk" if name == "ann" else None) for name in _NAMES]
    other.put_many(facts)
    child = stage.fact(data_class=COMPLETION, parents=facts[:1])
    other.put(child)
    file = stage.fact("ann", data_class=FILE)
    other.put(file)
    return [*facts, child, file]


_NAMES = ("ann", "ben", "eve")


@operation
def erase_record(stage: Stage, other: Actor) -> Act:
    """Erase a record, and what derives from it."""
    facts = some_records(stage, other)
    return lambda actor: actor.erase(Scope.record(facts[0].id))


@operation
def erase_subject(stage: Stage, other: Actor) -> Act:
    """Erase a subject."""
    some_records(stage, other)
    return lambda actor: actor.erase(Scope.subject("ann"))


@operation
def erase_group(stage: Stage, other: Actor) -> Act:
    """Erase a group."""
    some_records(stage, other)
    return lambda actor: actor.erase(Scope.group("talk"))


@operation
def erase_tenant(stage: Stage, other: Actor) -> Act:
    """Erase a tenant."""
    some_records(stage, other)
    return lambda actor: actor.erase(Scope.tenant())


@operation
def erase_account(stage: Stage, other: Actor) -> Act:
    """Erase an account."""
    some_records(stage, other)
    return lambda actor: actor.erase(Scope.account("acme"))


@operation
def plan(stage: Stage, other: Actor) -> Act:
    """Delete the rows of two erasures, and note the packs that have their bytes."""
    some_records(stage, other)
    other.erase(Scope.subject("ann"))
    other.erase(Scope.tenant())
    return lambda actor: actor.duty("plan")


@operation
def purge(stage: Stage, other: Actor) -> Act:
    """Purge what was planned, confirm its absence, and list what is left beside it."""
    some_records(stage, other)
    other.erase(Scope.tenant())
    other.duty("plan")
    return lambda actor: actor.duty("purge", "sweep")


@operation
def complete(stage: Stage, other: Actor) -> Act:
    """Sign the receipts."""
    some_records(stage, other)
    other.erase(Scope.subject("ben"))
    other.erase(Scope.tenant())
    other.duty("plan", "purge", "sweep")
    return lambda actor: actor.duty("complete")


@operation
def compact(stage: Stage, other: Actor) -> Act:
    """Compact a pack with one erased record."""
    some_records(stage, other)
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge")
    stage.pass_time(hours=5)
    return lambda actor: actor.duty("compact")


# --- time --------------------------------------------------------------------------------------


@operation
def expire(stage: Stage, other: Actor) -> Act:
    """Expire a day with all duties: packs, rows, keys."""
    some_records(stage, other)
    stage.pass_midnight()

    def act(actor: Actor) -> None:
        for _ in range(3):
            actor.work()
            stage.pass_time(hours=1)

    return act


@operation
def expire_and_erase(stage: Stage, other: Actor) -> Act:
    """Expire a day before an erasure of its records is planned."""
    some_records(stage, other)
    other.erase(Scope.subject("ann"))
    stage.pass_midnight()

    def act(actor: Actor) -> None:
        actor.duty("expire", "plan", "expire", "purge", "sweep", "complete")

    return act


@operation
def reap(stage: Stage, other: Actor) -> Act:
    """Abandon what a dead process was writing."""
    stage.start(Tape(stop="put day_key")).put_and_end(stage.fact("ben", data_class=COMPLETION))
    stage.start(Tape(stop="put pack on eu-b")).put_and_end(stage.fact("ann"))
    stage.pass_time(hours=2)
    return lambda actor: actor.duty("reap")


@operation
def reap_keys(stage: Stage, other: Actor) -> Act:
    """Abandon the key of a file that was never stored."""
    file = stage.fact("ann", data_class=FILE)
    stage.start(Tape(stop="commit insert file")).put_and_end(file)
    stage.pass_time(hours=2)
    return lambda actor: actor.duty("reap")


@operation
def make_partitions(stage: Stage, other: Actor) -> Act:
    """Make partitions ahead of their days."""
    stage.pass_time(hours=24)
    return lambda actor: actor.duty("partitions")


@operation
def forget(stage: Stage, other: Actor) -> Act:
    """Prune fences that are past their time, and objects that are gone."""
    other.put(stage.fact("ann", data_class=FILE))
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge", "sweep", "complete")
    stage.pass_time(hours=25)
    return lambda actor: actor.duty("prune")


@operation
def scrub(stage: Stage, other: Actor) -> Act:
    """Scrub every key of every backend, a week after the last round."""
    other.put(stage.fact("ann"))
    other.duty("scrub")
    with stage.looking(HOME) as connection:
        connection.execute(update(t.scrub).values(due=stage.clock.now()))
    return lambda actor: actor.duty("scrub")


@operation
def log_publish(stage: Stage, other: Actor) -> Act:
    """Put lines into checkpoints, twice, and purge what the second one replaced."""
    other.duty("seal")

    def act(actor: Actor) -> None:
        for name in ("ann", "ben"):
            actor.erase(Scope.subject(name))
            actor.duty("seal")
        actor.duty("prune_log", "purge")

    return act


@operation
def settle(stage: Stage, other: Actor) -> Act:
    """Resolve a ledger entry whose writer is dead."""
    some_records(stage, other)
    stage.start(Tape(stop="commit update object, update replica, insert erasure")).erase_and_end(
        Scope.subject("ann")
    )
    stage.pass_time(hours=1)
    return lambda actor: actor.duty("resolve")


# --- processes ---------------------------------------------------------------------------------


@operation
def make_tenant(stage: Stage, other: Actor) -> Act:
    """Change the terms of a tenant."""
    other.put(stage.fact("ann"))
    return lambda actor: stage.make_tenant(actor, dedicated=True)


@operation
def open_store(stage: Stage, other: Actor) -> Act:
    """Start a process that probes every right that it needs."""
    return lambda actor: stage.start(actor.tape, probing=True)


@operation
def rotate_keys(stage: Stage, other: Actor) -> Act:
    """Rotate the root key of a region, as the command does: the line first."""
    other.put(stage.fact("ann"))
    path = stage.settings.regions[HOME].keys_file
    stage.promises.append(lambda: _each_root_key_has_a_line(other, path))

    def act(actor: Actor) -> None:
        catalog = homes_of(actor.store).served(HOME).region.catalog

        def announce(version: int) -> None:
            with catalog.begin() as connection:
                log.note_keys(connection, "root", [version], stage.clock.now(), os.urandom)

        with taped_files(path.parent, actor.tape):
            rotate(path, os.urandom, region=HOME, announce=announce)

    return act


def _each_root_key_has_a_line(other: Actor, path: Path) -> None:
    lines = other.store.admin.log.lines(HOME, kind=LineKind.KEY_ROTATION)
    said = [json.loads(line.text or "{}") for line in lines]
    with_line = {1, *(one["version"] for one in said if one["section"] == "root")}
    versions = set(map(int, json.loads(path.read_text())["root"]))
    assert versions <= with_line, "a version of the root key has no line"
