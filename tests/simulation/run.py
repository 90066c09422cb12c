"""Plays a story on a new Domicile, and finds the shortest story that fails the same way."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import psycopg
from psycopg._preparing import PrepareManager
from sqlalchemy import event

import regions
from regions.load import load_topology
from storage.policy import retention
from storage.testing import Server
from storage.testing.snapshot import snapshot
from tests.simulation.story import Disturb, Step, Story
from tests.support.people import pin
from tests.support.stories.runner import Runner
from tests.support.stories.staff import VERA
from tests.support.topologies import shorten_floor, small_topology
from tests.support.training import permit_all

_AHEAD = -4  # few partitions are made ahead, most of them on need: each of them costs time


@dataclass(frozen=True)
class Failure:
    """How a story failed: at which step (None: in the final recovery), and with which error."""

    step: int | None
    error: Exception

    @property
    def kind(self) -> str:
        """Return what identifies a failure."""
        return type(self.error).__name__


@dataclass(frozen=True)
class Outcome:
    """``days`` of simulated time, ``moments`` at which another process could have acted."""

    days: float
    records: int
    erasures: int
    failure: Failure | None
    digest: tuple[object, ...]


class Stage:
    """A server and topologies for many stories, one after the other."""

    def __init__(self) -> None:
        self._ahead, retention._AHEAD = retention._AHEAD, _AHEAD
        self._server = Server()
        self._folder = tempfile.TemporaryDirectory(prefix="dom-stories-")
        data, here = Path(regions.__file__).parent / "data", Path(self._folder.name)
        self._topologies = {
            (changed, alone): small_topology(
                data, here / f"{changed}-{alone}", changes=changed, alone=alone
            )
            for changed in (False, True)
            for alone in (False, True)
        }
        for topology_directory in self._topologies.values():
            permit_all(topology_directory)
            shorten_floor(topology_directory)
        self._settings = self._server.make()
        pin(self._settings, VERA.id)
        topology = load_topology(self._topologies[False, False])
        self._regions = {
            name: snapshot(self._settings, name, topology) for name in topology.regions
        }
        for region in self._regions.values():
            event.listen(region.catalog.engine, "connect", _prepare)

    def run(self, story: Story) -> Outcome:
        """Play the story, and recover from all trouble at the end."""
        topology = self._topologies[story.changed, story.alone]
        served = {name: self._settings.regions[name] for name in load_topology(topology).regions}
        for name, given in served.items():
            self._regions[name].restore(given.keys_file)
        settings = self._settings.model_copy(update={"topology": topology, "regions": served})
        entropy = Random(story.seed).randbytes
        catalogs = {name: self._regions[name].catalog for name in served}
        runner = Runner(settings, threads=False, entropy=entropy, catalogs=catalogs)
        began = runner.cluster.clock.now()
        failure = None
        try:
            failure = _play(runner, story.steps)
            model = runner.player.model
            days = (runner.cluster.clock.now() - began).total_seconds() / 86400
            held = sorted(
                key
                for region in runner.cluster.topology.regions
                for _, key, _ in runner.cluster.contents(region)
            )
            digest = (days, tuple(held))
            return Outcome(days, len(model.ever()), len(model.eras), failure, digest)
        finally:
            runner.close()

    def shortest(self, story: Story, failure: Failure) -> Story:
        """Return a story with the same failure in which no step can be left out."""
        steps = story.steps if failure.step is None else story.steps[: failure.step + 1]
        story, size = replace(story, steps=steps), max(len(steps) // 2, 1)
        while True:
            shorter = self._without(story, size, failure.kind)
            if shorter is not None:
                story = shorter
            elif size > 1:
                size = max(size // 2, 1)
            else:
                return story

    def _without(self, story: Story, size: int, kind: str) -> Story | None:
        for start in range(0, len(story.steps), size):
            rest = story.steps[:start] + story.steps[start + size :]
            shorter = replace(story, steps=rest)
            again = self.run(shorter).failure
            if again is not None and again.kind == kind:
                return shorter
        return None

    def __enter__(self) -> Self:
        """Return the stage itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server, and remove its data."""
        for region in self._regions.values():
            region.close()
        self._server.close()
        self._folder.cleanup()
        retention._AHEAD = self._ahead


def _play(runner: Runner, steps: Sequence[Step]) -> Failure | None:
    for at, step in enumerate(steps):
        try:
            if isinstance(step, Disturb):
                runner.disturb(step.backend, step.trouble, step.process)
            else:
                runner.play(step.op, step.process, step.between)
            runner.look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            return Failure(at, error)
    try:
        runner.heal()
    except Exception as error:  # noqa: BLE001
        return Failure(None, error)
    return None


class _Kept(PrepareManager):
    """Keeps statements prepared when a partition is dropped whose name is used again later."""

    def clear(self) -> bool:
        return False


def _prepare(connection: psycopg.Connection[object], _: object) -> None:
    """Prepare statements: there is no pooler, so each is parsed and planned once."""
    connection._prepared = _Kept()
    connection.prepare_threshold, connection.prepared_max = 1, 1000
    connection.execute("SET plan_cache_mode = force_generic_plan; SET jit = off")
    connection.commit()
