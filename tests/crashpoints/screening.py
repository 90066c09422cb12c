"""One more operation: a machine screens, and its flags are kept with the records."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from storage.catalog import roster
from storage.client.tenant import BoundTenant
from storage.errors import DomicileError
from storage.model import ActorKind, Classifier, NewFlag, Purpose, Scope, Screened
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation, some_records
from tests.crashpoints.stage import TENANT, Act, Actor, Stage
from tests.support.inspect.stored import homes_of
from tests.support.people import person
from tests.support.screening import MILL


@operation
def screen(stage: Stage, other: Actor) -> Act:
    """Flag three prompts. One of them is erased later."""
    some_records(stage, other)
    region = homes_of(other.store).served(HOME).region
    with region.catalog.begin() as connection:
        machine = person(MILL.id, kind=ActorKind.MACHINE, login=None)
        roster.enter(connection, machine, stage.clock.now())
    stage.request(Scope.subject("ann")).refused = True  # erased when all else was tried
    stage.screens = True
    return screen_all


def screen_all(actor: Actor) -> None:
    """Screen all prompts. What is said to be flagged must stay so."""

    def find(_: bytes, __: Mapping[str, object]) -> Sequence[NewFlag]:
        actor.stage.clock.advance(timedelta(seconds=3))  # so that each is written alone
        return [NewFlag("found", 1)]

    for one in _machine(actor).screen(Classifier("finds-all", "1", find)):
        assert isinstance(one, Screened), one
        if not actor.tape.dead:
            actor.stage.flagged[one.id] = one.flags


def flags_are_kept(stage: Stage, actor: Actor) -> None:
    """Require that what was said to be flagged is, as long as it can be read."""
    tenant = _machine(actor)
    for about, flags in stage.flagged.items():
        try:
            found = tenant.flags(about, purpose=Purpose.ABUSE_SCREENING)
        except DomicileError as error:
            assert error.code in {"Erased", "Expired", "NotFound"}, f"no flags: {error.code}"  # noqa: PT017
        else:
            assert found == flags, f"{about} has other flags than a screening returned"


def _machine(actor: Actor) -> BoundTenant:
    return actor.store.tenant(TENANT).bind(MILL)
