"""Two processes put, a third erases the same subjects, and two workers run."""

import hashlib
import os
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from storage.bootstrap import worker_of
from storage.client.store import Store
from storage.model import Purpose
from storage.testing import SERVICE, Server
from tests.support.actions import GONE
from tests.support.inspect.stored import homes_of
from tests.support.processes import forked
from tests.support.processes.deployment import Deployment, make_deployment
from tests.support.processes.forked import TENANT, Job, Log, Note, Running, notes, starting

ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "12"))  # of the eraser, 0.1 s each at least

REFUSALS = {"Erased", "LineageConflict"}
"""What a put may be told here: that it is covered, or that what it derives from is gone."""

PASSING = {"CatalogUnavailable", "Abandoned", "TooFewReplicas", "KeyUnavailable"}
"""What it may be told on a machine with too much to do. Nothing is stored then."""


def run(deployment: Deployment, folder: Path) -> None:
    """Run all five processes until the eraser has done its rounds."""
    with ExitStack() as stack:

        def start(role: forked.Role, name: str, seed: int) -> Running:
            job = Job(deployment.settings, folder / f"{name}.log", seed)
            return stack.enter_context(starting(role, job))

        workers = [start(forked.work, f"work{n}", n) for n in range(2)]
        putters = [start(forked.put, f"put{n}", n) for n in range(2)]
        eraser = start(forked.erase, "erase", ROUNDS)
        for process in (*workers, *putters, eraser):
            process.wait_until_ready()
        eraser.end()
        for process in (*putters, *workers):
            process.stop()


def covered_by(deployment: Deployment, store: Store, log: Path) -> dict[str, datetime]:
    """Return, by subject, the minting time up to which it is erased."""
    cutoffs = deployment.cutoffs(store)
    return {
        line["subject"]: cutoffs[line["erasure"]] for line in Log.read(log) if "erasure" in line
    }


def is_covered(note: Note, until: dict[str, datetime]) -> bool:
    """Return whether the last erasure of its subject covers it or what it derives from."""
    return note.subject is not None and datetime.fromisoformat(note.origin) <= until[note.subject]


def check_records(store: Store, stored: dict[str, Note], until: dict[str, datetime]) -> None:
    """Require that erased records are unreadable and others unchanged."""
    t = store.tenant(TENANT).bind(SERVICE)
    for record_id, note in stored.items():
        if is_covered(note, until):
            with pytest.raises(GONE):
                t.get(record_id, purpose=Purpose.SERVE)
        else:
            body = t.get(record_id, purpose=Purpose.SERVE).body
            assert hashlib.sha256(body).hexdigest() == note.digest


def test_nothing_erased_is_readable_and_nothing_else_is_lost(
    domicile_server: Server, tmp_path: Path
) -> None:
    """Five processes that share only the catalog and the backends keep the invariants."""
    deployment = make_deployment(domicile_server, tmp_path)
    run(deployment, tmp_path)
    told = [note for log in sorted(tmp_path.glob("*.log")) for note in notes(log)]
    stored = {note.id: note for note in told if note.said == "stored"}
    with deployment.store() as store:
        until = covered_by(deployment, store, tmp_path / "erase.log")
        check_records(store, stored, until)
        deployment.recover(store)
        deployment.check_packs(store)
        deployment.offset.by += timedelta(hours=26)  # the fences are gone
        worker_of(homes_of(store), structlog.get_logger()).run_once()
        check_records(store, stored, until)

    refused = [note for note in told if note.said == "Erased"]
    assert {note.said for note in told} <= REFUSALS | PASSING | {"stored"}
    assert [note for note in refused if not is_covered(note, until)] == []
    assert len([n for n in stored.values() if is_covered(n, until)]) > ROUNDS
    assert len([n for n in stored.values() if not is_covered(n, until)]) > ROUNDS
    check_eraser(tmp_path / "erase.log", until)


def check_eraser(log: Path, until: dict[str, datetime]) -> None:
    """Require that it read nothing erased, and that no put under an older id succeeded."""
    lines = Log.read(log)
    reads = {line["answer"] for line in lines if "read" in line}
    puts = [note.said for note in notes(log)]

    assert reads <= {"Erased", "NotFound"}
    assert len([line for line in lines if "read" in line]) > ROUNDS
    assert set(puts[0::2]) <= {"Erased"} | PASSING
    assert set(puts[1::2]) <= {"stored"} | PASSING
    assert puts.count("stored") > ROUNDS / 2
