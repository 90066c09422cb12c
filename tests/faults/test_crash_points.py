"""A sample of the crash points and of the pairs; ``make crashpoints`` tries them all."""

from collections.abc import Iterator
from random import Random

import pytest

from storage.catalog import objects, reaping
from storage.testing import Server
from tests.crashpoints import region_drain, region_end, region_init, region_provision
from tests.crashpoints.effects import Crash, Tape
from tests.crashpoints.ground import Ground, make_ground
from tests.crashpoints.operations import OPERATIONS
from tests.crashpoints.pairs import Cut, try_cut
from tests.crashpoints.points import Point, find_moments, try_it, try_point
from tests.crashpoints.stage import Stage
from tests.support.inspect.invariants import no_byte_without_a_row
from tests.support.inspect.stored import homes_of


@pytest.fixture(scope="module")
def ground(domicile_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The region in which all trials run, one by one."""
    made = make_ground(domicile_server, tmp_path_factory.mktemp("ground"))
    yield made
    domicile_server.reclaim(made.full)


# of each kind of effect; no other test ends a hand-over in the middle
SAMPLE = (
    "put",
    "put large",
    "put file",
    "capture",
    "replicate",
    "erase subject",
    "plan",
    "purge",
    "complete",
    "compact",
    "expire",
    "reap",
    "make tenant",
    "rotate keys",
    "recover",
    "hold",
    "expire what is held",
    "shorten",
    "carry out an exit",
    "withdraw consent",
    "train",
    "hand over, 2",
    "hand over, 3",
    "ask back, 2",
    "ask back, 3",
)
OTHERS = [name for name in OPERATIONS if name not in SAMPLE]


@pytest.mark.parametrize(
    "point", [*SAMPLE, *(pytest.param(name, marks=pytest.mark.deep) for name in OTHERS)]
)
def test_an_operation_ends_in_the_middle(ground: Ground, point: str) -> None:
    """It ends at one moment, or not at all if it has fewer."""
    number = Random(point).randrange(12)
    how = Random(point).choice(["stop", "late", "others"])
    try_it(ground, point.partition(",")[0], Tape(stop=number, how=how))  # type: ignore[arg-type]


def test_an_initialization_ends_in_the_middle(ground: Ground) -> None:
    """``init`` ends when the key file exists and the catalog does not know it."""
    region_init.try_point(ground, 5)


@pytest.mark.parametrize("number", [14, 30])
def test_the_end_of_a_region_ends_in_the_middle(ground: Ground, number: int) -> None:
    """Another process completes it, and signs once."""
    region_end.try_point(ground, number)


@pytest.mark.parametrize("number", [39, 57, 62])
def test_a_drain_ends_in_the_middle(ground: Ground, number: int) -> None:
    """Another process completes it. Nothing is signed while a byte is at the company."""
    region_drain.try_point(ground, number)


@pytest.mark.parametrize("number", [12, 26])
def test_provisioning_ends_in_the_middle(ground: Ground, number: int) -> None:
    """Another process completes it, and no service uses the region before."""
    region_provision.try_point(ground, number)


# at least one of each kind of operation
PAIRS_SAMPLE = (
    "put x erase subject",
    "put file x erase and plan",
    "compact x erase and plan",
    "compact x expire",
    "purge x purge",
    "replicate x erase and plan",
    "hold x expire",
    "release x expire",
    "hand over x erase",
    "all duties x all duties",
)


@pytest.mark.parametrize("name", PAIRS_SAMPLE)
def test_an_operation_within_another(ground: Ground, name: str) -> None:
    """The second runs at one moment of the first, or after it."""
    try_cut(ground, Cut(name, Random(name).randrange(8)))


# --- the method itself -------------------------------------------------------------------------


def test_effects_are_found(ground: Ground) -> None:
    """The effects of a put are those of the design, in order."""
    moments = find_moments(ground, "put")

    assert [str(moment) for moment in moments if moment.changes] == [
        "commit insert object, insert replica, insert day_key",
        "put day_key on eu-a",
        "put day_key on eu-b",
        "commit update object, update replica, update day_key",
        "commit insert object, insert replica",
        "put pack on eu-a",
        "put pack on eu-b",
        "commit insert record, update object, update replica",
    ]


def test_a_dead_process_does_nothing(ground: Ground) -> None:
    """A dead process makes no call, statement or commit, even if code catches the crash."""
    stage = Stage(ground)
    try:
        other = stage.start()
        stage.make_tenant(other)
        fact = stage.fact("ann")
        tape = Tape(stop="put pack on eu-a")
        actor = stage.start(tape)
        actor.put_and_end(fact)
        before = {name: list(backend.calls) for name, backend in stage.backends.items()}
        served = homes_of(actor.store).served("eu-central-1").region
        for backend in served.backends.values():
            with pytest.raises(Crash):
                backend.purge("pack/x")
        with pytest.raises(Crash), served.catalog.begin() as connection:
            objects.mark_for_purge(
                connection, [served.new_uuid(stage.clock.now())], stage.clock.now()
            )

        assert {name: backend.calls for name, backend in stage.backends.items()} == before
        no_byte_without_a_row(stage)
    finally:
        stage.finish()
        ground.clear()


def test_a_broken_invariant_is_reported(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """If stale writes were never abandoned, a trial would fail and tell the story."""
    monkeypatch.setattr(reaping, "abandon_stale", lambda *_: 0)

    with pytest.raises(AssertionError, match="a pack is still writing") as caught:
        try_point(ground, Point("put", 11))

    (story,) = caught.value.__notes__
    assert story.endswith("> put pack on eu-b: the process ends here")
