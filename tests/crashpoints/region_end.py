"""The end of a region, ended itself at each effect: another process completes it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import urandom

from sqlalchemy import func, select

from storage.catalog import exports
from storage.catalog import tables as t
from storage.errors import Unavailable
from storage.model import Scope
from storage.retirement import Remaining, retire_open
from tests.crashpoints.effects import Crash, Moment, Tape
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.stage import TENANT, Actor, Stage
from tests.support.inspect import invariants
from tests.support.inspect.stored import homes_of
from tests.support.stories.cluster import quiet


def find_moments(ground: Ground) -> tuple[Moment, ...]:
    """Return what retiring does to a region without tenants."""
    tape = Tape()
    with _vacant(ground) as stage:
        assert isinstance(_retire(stage.start(tape)), str)
    return tuple(tape.moments)


def try_point(ground: Ground, number: int) -> None:
    """End it there, and run it again. Raises AssertionError if a statement is false or lost."""
    tape = Tape(stop=number)
    with _vacant(ground) as stage:
        actor = stage.start(tape)
        fresh = stage.start()
        with suppress(Crash):
            _retire(actor)
        assert tape.dead, "it has not come so far"
        actor.end()
        if _statements(fresh):
            _is_empty(stage)
        invariants.no_byte_without_a_row(stage)
        stage.pass_time(hours=1)
        with suppress(Unavailable):
            fresh.work()

        assert isinstance(_retire(fresh), str)
        assert _statements(fresh) == 1
        _is_empty(stage)


def _retire(actor: Actor) -> Remaining | str:
    with actor.tape.record():
        return retire_open(homes_of(actor.store).served(HOME).region, quiet())


def _statements(actor: Actor) -> int:
    with homes_of(actor.store).served(HOME).region.catalog.begin() as connection:
        return connection.scalar(select(func.count()).select_from(t.region_statement)) or 0


def _is_empty(stage: Stage) -> None:
    left = {name: [x.key for x in backend.inner.scan()] for name, backend in stage.backends.items()}
    assert not any(left.values()), left


@contextmanager
def _vacant(ground: Ground) -> Iterator[Stage]:
    """Yield a region whose tenant was erased and removed, and whose evidence was exported."""
    stage = Stage(ground)
    try:
        actor = stage.start()
        stage.make_tenant(actor)
        actor.put(stage.fact("ann"))
        actor.erase(Scope.tenant())
        for hours in (1, 6, 1):
            stage.pass_time(hours=hours)
            actor.work()
        actor.store.admin.tenants.remove(TENANT)
        with homes_of(actor.store).served(HOME).region.catalog.begin() as connection:
            while page := exports.unexported(connection, 10):
                exports.mark(connection, page, urandom)
        yield stage
    finally:
        stage.finish()
        ground.clear()
