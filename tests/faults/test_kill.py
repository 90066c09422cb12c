"""Writers and workers are killed at random moments: acknowledged records stay, leftovers go.

``FAULTS_KILLS`` is how many of each are killed (4; ``make deep``: 40), ``FAULTS_SEED`` the seed of
the moments.
"""

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, literal, select, union_all

from storage.catalog import tables as t
from storage.client.store import Store
from storage.model import (
    DataClass,
    Erasure,
    ErasureState,
    NewRecord,
    Purpose,
    PutResult,
    Reason,
    Scope,
)
from storage.testing import SERVICE, Server
from tests.support.actions import GONE
from tests.support.inspect.stored import home_of, orphans, wait_until
from tests.support.processes import forked
from tests.support.processes.deployment import Deployment, make_deployment
from tests.support.processes.forked import TENANT, Job, Note, notes, starting

KILLS = int(os.environ.get("FAULTS_KILLS", "4"))


@pytest.fixture
def chance() -> Random:
    """Return a random generator, and print its seed."""
    seed = int(os.environ.get("FAULTS_SEED") or time.time_ns() % 10**6)
    print(f"FAULTS_SEED={seed}")  # noqa: T201 - to have it again
    return Random(seed)


@pytest.fixture
def deployment(domicile_server: Server, tmp_path: Path) -> Deployment:
    """A Domicile for real processes."""
    return make_deployment(domicile_server, tmp_path)


def killed(
    role: forked.Role, job: Job, store: Store, chance: Random, *, puts: int | None = None
) -> None:
    """Start a process and kill it, mostly at work, sometimes at its start.

    ``puts``: kill it only after so many of them.
    """
    with starting(role, job) as process:
        if puts is not None or chance.random() < 0.8:
            process.wait_until_ready()
            if role is forked.put:
                puts = chance.randrange(10) if puts is None else puts
                wait_until(lambda: len(notes(job.log)) >= puts)
            else:
                watch(store, chance.randrange(25))
            time.sleep(chance.uniform(0, 0.05))
        else:
            time.sleep(chance.uniform(0, 0.3))
        process.kill()
    assert orphans(home_of(store)) == []


def watch(store: Store, steps: int) -> None:
    """Wait until a worker has changed the catalog so many times, or has nothing to do."""
    seen, last = what_is_where(store), time.monotonic()
    while steps and time.monotonic() < last + 1:
        now = what_is_where(store)
        if now != seen:
            seen, last, steps = now, time.monotonic(), steps - 1
        time.sleep(0.001)


def what_is_where(store: Store) -> list[tuple[object, ...]]:
    """Return the number of objects, replicas and erasures, by state."""
    query = union_all(
        *(
            select(literal(table.name), table.c.state, func.count()).group_by(table.c.state)
            for table in (t.object_, t.replica, t.erasure)
        )
    )
    with home_of(store).catalog.begin() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


def check_told(store: Store, told: list[Note]) -> None:
    """Require that every acknowledged record has the body that was put."""
    tenant = store.tenant(TENANT).bind(SERVICE)
    for note in told:
        if note.said == "stored":
            body = tenant.get(note.id, purpose=Purpose.SERVE).body
            assert hashlib.sha256(body).hexdigest() == note.digest


def test_a_writer_is_killed(deployment: Deployment, tmp_path: Path, chance: Random) -> None:
    """Every byte has a row, every acknowledged record has its bytes, and leftovers go."""
    with deployment.store() as store:
        for n in range(KILLS):  # one of them has time to tell something, whatever the seed
            job = Job(deployment.settings, tmp_path / f"put{n}.log", n)
            killed(forked.put, job, store, chance, puts=KILLS + 1 if n == 0 else None)
        told = [note for n in range(KILLS) for note in notes(tmp_path / f"put{n}.log")]
        check_told(store, told)
        deployment.recover(store)
        deployment.check_packs(store)
        check_told(store, told)

    assert {note.said for note in told} <= {"stored", "CatalogUnavailable", "Abandoned"}
    assert len(told) > KILLS


@dataclass
class Given:
    """The work for the workers, and its expected result."""

    store: Store
    kept: dict[str, bytes] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)

    def more(self, alone: Store) -> None:
        """Add packs to compact, packs that lack a replica, and an erasure of records in both."""
        subject = f"user-{len(self.erasures)}"
        for some in (self.store, alone):
            body = os.urandom(100)
            gone, kept = some.tenant(TENANT).put_many(
                NewRecord(DataClass.PROMPT, body, subject=s) for s in (subject, None)
            )
            assert isinstance(gone, PutResult)
            assert isinstance(kept, PutResult)
            self.erased.append(str(gone.id))
            self.kept[str(kept.id)] = body
        scope = Scope.subject(subject)
        tenant = self.store.tenant(TENANT).bind(SERVICE)
        self.erasures.append(tenant.erase(scope, reason=Reason.SUBJECT_REQUEST))

    def check(self) -> None:
        """Require that erased records are unreadable and others unchanged."""
        tenant = self.store.tenant(TENANT).bind(SERVICE)
        assert {i: tenant.get(i, purpose=Purpose.SERVE).body for i in self.kept} == self.kept
        for record_id in self.erased:
            with pytest.raises(GONE):
                tenant.get(record_id, purpose=Purpose.SERVE)


def test_a_worker_is_killed(deployment: Deployment, tmp_path: Path, chance: Random) -> None:
    """Another worker finishes what the killed one was doing."""
    with deployment.store() as store, deployment.store(without="eu-b") as alone:
        given = Given(store)
        for _ in range(KILLS):
            given.more(alone)
            killed(forked.work, Job(deployment.settings, tmp_path / "work.log"), store, chance)
            given.check()
        deployment.recover(store)
        deployment.check_packs(store)
        given.check()
        done = [store.erasure(erasure.id) for erasure in given.erasures]

    assert {(e.state, e.deleted) for e in done} == {(ErasureState.COMPLETE, 2)}
    assert all(e.receipt for e in done)
