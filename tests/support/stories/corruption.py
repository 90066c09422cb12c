"""Corrupt replicas, and scrubs that repair them."""

import hashlib
import math

from sqlalchemy import or_, select

from storage.catalog import tables as t
from storage.workers.scrub.repair import Rate, Target
from storage.workers.scrub.rounds import whole_round
from tests.support.inspect.stored import homes_of
from tests.support.stories.calls import Calls
from tests.support.stories.cluster import Process, quiet
from tests.support.stories.model import STORED
from tests.support.stories.operations import Corrupt, Scrub

o, r = t.object_.c, t.replica.c
_BEGUN = or_(t.scrub.c.started.is_not(None), t.scrub.c.finished.is_not(None))


class Corruption(Calls):
    """Corrupts one replica of an object at a time, so that no record is lost."""

    def spoil(self, op: Corrupt) -> None:
        """Remove a replica of a pack, or flip a bit of it."""
        if self.spoilt():
            return
        found = [
            (backend, key)
            for region in self.cluster.topology.regions
            for backend, key in self._one_of_many(region)
        ]
        if found:
            backend, key = found[op.number % len(found)]
            self.cluster.damage(backend, key, flip=op.flip)

    def scrub(self, op: Scrub, process: Process) -> None:
        """Scrub one backend completely."""
        names = sorted(self.cluster.backends)
        name = names[op.backend % len(names)]
        answer = self.ask(process, lambda: self._scrub(name, process))
        silent = any(self.cluster.modes[other] != "up" for other in names)
        allowed = {STORED, "killed"} | (
            {"BackendUnavailable", "BackendTimeout"} if silent else set()
        )
        assert answer.code in allowed, f"a scrub of {name}: {answer.code}"

    def scrub_all(self, process: Process) -> None:
        """Scrub every backend completely."""
        for name in sorted(self.cluster.backends):
            self._scrub(name, process)

    def was_scrubbed(self) -> bool:
        """Return whether a scrub may have relocated anything that was on a wrong backend."""
        for region in self.cluster.topology.regions:
            with self.cluster.looking(region) as connection:
                if connection.scalar(select(t.scrub.c.backend).where(_BEGUN).limit(1)):
                    return True
        return False

    def spoilt(self) -> list[str]:
        """Return keys of replicas whose state is stored and whose bytes are wrong."""
        return [
            key
            for region in self.cluster.topology.regions
            for key, _, well in self._replicas(region)
            if not well
        ]

    def _scrub(self, name: str, process: Process) -> None:
        region = next(
            served.region
            for served in homes_of(process.store).regions.values()
            if name in served.region.backends
        )
        rate = Rate(math.inf, clock=lambda: 0.0, sleep=lambda _: None)
        place = Target(region, name, rate, quiet())
        whole_round(place, 1.0, tell=lambda _: None, wait=self.cluster.clock.sleep)

    def _one_of_many(self, region: str) -> list[tuple[str, str]]:
        """Return backend and key of each stored pack replica that is not the only one."""
        with self.cluster.looking(region) as connection:
            rows = connection.execute(
                select(r.object_id, r.backend, r.key)
                .join(t.object_, o.id == r.object_id)
                .where(o.kind == "pack", o.state == "stored", r.state == "stored")
                .order_by(r.key)
            ).all()
        many = {row.object_id for row in rows}
        counts = {one: sum(row.object_id == one for row in rows) for one in many}
        return [(row.backend, row.key) for row in rows if counts[row.object_id] > 1]

    def _replicas(self, region: str) -> list[tuple[str, str, bool]]:
        with self.cluster.looking(region) as connection:
            rows = connection.execute(
                select(r.backend, r.key, o.digest)
                .join(t.object_, o.id == r.object_id)
                .where(o.state == "stored", r.state == "stored")
            ).all()
        found = []
        for row in rows:
            versions = self.cluster.memory(row.backend)._contents.versions.get(row.key)
            data = versions[-1].data if versions else None
            well = data is not None and hashlib.sha256(data).digest() == row.digest
            found.append((row.key, row.backend, well))
        return found
