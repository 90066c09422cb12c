"""The drain of a company, ended at each effect: another process completes it, and signs once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import func, select, update

from storage.catalog import tables as t
from storage.draining import drain
from storage.errors import Unavailable
from storage.evidence.drains import Drain, verify_drain
from storage.region import OpenRegion
from tests.crashpoints.effects import Crash, Moment, Tape
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.stage import FILE, Actor, Stage
from tests.support.inspect import invariants
from tests.support.inspect.stored import homes_of
from tests.support.stories.cluster import quiet

_ROUNDS = 4  # an hour apart: a control is purged when it can no longer land


def find_moments(ground: Ground) -> tuple[Moment, ...]:
    """Return what the drain of the first host does."""
    tape = Tape()
    with _used(ground) as stage:
        assert _drain(stage, stage.start(tape)) is not None
    return tuple(tape.moments)


def try_point(ground: Ground, number: int) -> None:
    """End it there, and run it again. Raises AssertionError if a receipt is false, or lost."""
    tape = Tape(stop=number)
    with _used(ground) as stage:
        actor = stage.start(tape)
        fresh = stage.start()
        with suppress(Crash):
            _drain(stage, actor)
        assert tape.dead, "it has not come so far"
        actor.end()
        invariants.no_byte_without_a_row(stage)
        _told_is_true(stage, fresh)

        stage.pass_time(hours=1)
        signed = _drain(stage, fresh)

        assert signed is not None, "the drain does not end"
        assert [one.backend for one in signed.backends] == ["eu-a"]
        assert _drain(stage, fresh) == signed
        assert _counts(fresh) == (1, 1)
        _told_is_true(stage, fresh)
        invariants.no_byte_without_a_row(stage)
        for fact in stage.facts:
            assert fresh.read(fact) == fact.body, f"{fact} is lost"


def _leaving(actor: Actor) -> OpenRegion:
    """Return the region by a topology that wants one replica, and whose first backend retires."""
    region = homes_of(actor.store).served(HOME).region
    first, *rest = region.region.backends
    specs = (first.model_copy(update={"retires": True}), *rest)
    return replace(
        region, region=region.region.model_copy(update={"backends": specs, "replicas": 1})
    )


def _drain(stage: Stage, actor: Actor) -> Drain | None:
    """Drain the first host, again and again. Return what the receipt says; None: it has no end."""
    served, leaving = homes_of(actor.store).served(HOME), _leaving(actor)
    company = leaving.region.backends[0].sub_processor
    with actor.tape.record():
        for _ in range(_ROUNDS):
            with suppress(Unavailable):
                token = drain(leaving, served.keys, company, quiet(), tell=lambda _: None)
                return verify_drain(token, leaving.signing.public_key())
            stage.pass_time(hours=1)
    return None


def _told_is_true(stage: Stage, actor: Actor) -> None:
    """Require that nothing is at the company if a statement or a receipt says so."""
    if any(_counts(actor)):
        left = [item.key for item in stage.backends["eu-a"].inner.scan()]
        assert not left, f"eu-a has {left}, and it is signed that it has nothing"


def _counts(actor: Actor) -> tuple[int, int]:
    """Return how many statements of the backend, and how many receipts, are signed."""
    with homes_of(actor.store).served(HOME).region.catalog.begin() as connection:
        found = [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (t.statement, t.drain)
        ]
    return found[0], found[1]


@contextmanager
def _used(ground: Ground) -> Iterator[Stage]:
    """Yield a region with two records, each on both backends."""
    stage = Stage(ground)
    try:
        actor = stage.start()
        stage.make_tenant(actor)
        actor.put(stage.fact("ann"))
        actor.put(stage.fact("ben", data_class=FILE))
        seen = stage.clock.now()  # the ground was made by the clock of this machine
        with stage.looking(HOME) as connection:
            connection.execute(update(t.topology_seen).values(first_seen=seen, last_seen=seen))
        stage.pass_time(minutes=1)
        yield stage
    finally:
        stage.finish()
        ground.clear()
