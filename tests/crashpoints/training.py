"""More operations: what is said about consent, and what is handed out for training."""

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import select

from storage.catalog import roster
from storage.catalog import tables as t
from storage.errors import NotFound
from storage.evidence.manifests import verify_manifests
from storage.model import ActorKind, Purpose, RecordId, Scope
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation
from tests.crashpoints.stage import COMPLETION, PROMPT, TENANT, Act, Actor, Stage
from tests.support.inspect.stored import homes_of
from tests.support.people import person
from tests.support.screening import MILL

RUN = "run-1"
ABOUT = (PROMPT, COMPLETION), (Purpose.TRAIN,)


@operation
def consent(stage: Stage, other: Actor) -> Act:
    """Consent to training: a process that dies may leave it, and nothing else."""
    _ready(stage, other)
    return _consent


@operation
def withdraw_consent(stage: Stage, other: Actor) -> Act:
    """Withdraw a consent. From its answer on nothing is handed out, whatever died before."""
    _ready(stage, other)
    _consent(other)

    def act(actor: Actor) -> None:
        classes, purposes = ABOUT
        actor.store.consents.withdraw(TENANT, classes=classes, purposes=purposes, by="ann")
        if not actor.tape.dead:
            stage.promises.append(lambda: _nothing_is_handed_out(stage))

    return act


@operation
def train(stage: Stage, other: Actor) -> Act:
    """Hand out two prompts, erase one, and sign the manifest."""
    _ready(stage, other)
    _consent(other)
    stage.trains = True

    def act(actor: Actor) -> None:
        with actor.store.training(TENANT, run=RUN, actor=MILL, classes=[PROMPT]) as read:
            entries = []
            for one in read:
                if not actor.tape.dead:
                    given = one.record.info.id
                    stage.promises.append(partial(_is_noted, stage, given))
                entries.append(one.entry)
        key = homes_of(actor.store).served(HOME).region.signing.public_key()
        (stated,) = verify_manifests([*entries, *read.manifests], key)
        assert stated.records == 2
        actor.erase(Scope.subject("ann"))

    return act


def confirm_runs(actor: Actor) -> None:
    """Confirm for the run that it has deleted what it must not use any more."""
    runs = actor.store.training_runs
    with suppress(NotFound):  # nothing was handed out
        found = runs.exclusions(RUN)
        list(found.records)
        runs.confirm(RUN, listed=found.listed, document="d" * 64, by="ben")


def _ready(stage: Stage, other: Actor) -> None:
    for subject in ("ann", "ben"):
        other.put(stage.fact(subject))
    region = homes_of(other.store).served(HOME).region
    with region.catalog.begin() as connection:
        machine = person(MILL.id, kind=ActorKind.MACHINE, login=None)
        roster.enter(connection, machine, stage.clock.now())


def _consent(actor: Actor) -> None:
    (wording,) = homes_of(actor.store).served(HOME).region.topology.wordings
    classes, purposes = ABOUT
    given = datetime(2026, 2, 1, tzinfo=UTC)
    actor.store.consents.give(
        TENANT, wording=wording, classes=classes, purposes=purposes, by="ann", given=given
    )


def _is_noted(stage: Stage, given: RecordId) -> None:
    with stage.looking(HOME) as connection:
        noted = set(connection.scalars(select(t.training_use.c.record)))
    assert str(given) in noted, f"{given} was handed out, and no row says so"


def _nothing_is_handed_out(stage: Stage) -> None:
    """Require that the withdrawal is there: what is said last decides."""
    with stage.looking(HOME) as connection:
        kinds = set(connection.scalars(select(t.consent.c.kind)))
    assert "withdrawal" in kinds, "a withdrawal was lost"
