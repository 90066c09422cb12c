"""One more operation: a grant is requested, approved, used and revoked, by people with logins."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from storage.bootstrap import open_store
from storage.catalog import grants
from storage.client.store import Store
from storage.evidence.grants import statement
from storage.model import GrantSpec, GrantState, Purpose, Scope
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation
from tests.crashpoints.stage import TENANT, Act, Actor, Stage
from tests.support.inspect.stored import homes_of
from tests.support.people import key_of, settings_for, staff
from tests.support.stories.cluster import quiet

ABUSE = GrantSpec(TENANT, Purpose.ABUSE_INVESTIGATION, "alice", Scope.tenant(), "why", 1, 24)
UID = bytes(16)


@operation
def grant_and_revoke(stage: Stage, other: Actor) -> Act:
    """What a person was told of a grant stays true. What was not answered can be repeated."""
    staff(stage.settings, stage.clock.now(), "kim", "alice", "bob")

    def act(actor: Actor) -> None:
        with as_login(stage, actor, "alice") as store:
            asked = store.admin.grants.request(ABUSE)
            _promise(stage, actor, asked.id, GrantState.REQUESTED)
        with as_login(stage, actor, "bob") as store:
            signature = key_of("bob").sign(statement(asked))
            store.admin.grants.approve(asked.id, signature=signature)
            store.admin.grants.approve(asked.id, signature=signature)
            _promise(stage, actor, asked.id, GrantState.IN_FORCE)
        region = homes_of(actor.store).served(HOME).region
        with region.catalog.begin() as connection:
            grants.use(connection, asked.id, UID, "alice", region.clock.now())
        _promise(stage, actor, asked.id, GrantState.EXHAUSTED)
        with as_login(stage, actor, "bob") as store:
            store.admin.grants.revoke(asked.id)
            _promise(stage, actor, asked.id, GrantState.REVOKED)

    return act


@contextmanager
def as_login(stage: Stage, actor: Actor, login: str) -> Iterator[Store]:
    """Open the store of another process with a login, which dies with the actor."""
    means = stage.dependencies(actor.tape)
    settings = settings_for(stage.settings, login)
    with open_store(settings, dependencies=means, log=quiet()) as store:
        yield store


_ORDER = [*list(GrantState)[:3], GrantState.REVOKED]


def _promise(stage: Stage, actor: Actor, grant: UUID, told: GrantState) -> None:
    """Note that the grant is in this state, or a later one, until its time is over."""
    if actor.tape.dead:
        return

    def holds() -> None:
        with stage.looking(HOME) as connection:
            found = grants.find(connection, HOME, grant)
        assert found is not None, "a grant is lost"
        state = found.state(found.requested)
        assert _ORDER.index(state) >= _ORDER.index(told), f"the grant was {told}, and is {state}"

    stage.promises.append(holds)
