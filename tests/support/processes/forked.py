"""Real processes on one Domicile: who puts, who erases, who works; to be stopped or killed.

They are forked by a server that has everything imported, so that one starts in a moment. A process
ends by itself on SIGTERM, as a service does. What it was told by the store it notes in a log of its
own, one durable line at a time, before it goes on.
"""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import cast

from storage.bootstrap import open_homes, open_store, worker_of
from storage.client.tenant import BoundTenant
from storage.errors import DomicileError
from storage.logs import make_logger
from storage.model import (
    DataClass,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    RecordId,
    Scope,
)
from storage.settings import Settings
from storage.testing import SERVICE

TENANT = "acme-eu"
SUBJECTS = ("user-0", "user-1", "user-2")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.processes.forked"])

Role = Callable[["Job", Connection], None]


@dataclass(frozen=True)
class Job:
    """What a process needs: its settings, its log, and its random seed."""

    settings: Settings
    log: Path
    seed: int = 0


@dataclass(frozen=True)
class Note:
    """One put and its answer. ``origin``: the oldest minting time that it derives from."""

    id: str
    digest: str
    said: str  # "stored", or the code of an error
    subject: str | None
    origin: str


class Log:
    """A log whose lines are durable before the process continues."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, note: object) -> None:
        """Append a line."""
        os.write(self._file, json.dumps(note).encode() + b"\n")
        os.fsync(self._file)

    @staticmethod
    def read(path: Path) -> list[dict[str, str]]:
        """Return all complete lines. A killed process may leave a partial one."""
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1:] == "\n"]


def notes(path: Path) -> list[Note]:
    """Return the puts of a log."""
    return [Note(**line) for line in Log.read(path) if "digest" in line]


@dataclass
class Running:
    """A process that the test started."""

    process: BaseProcess
    pipe: Connection

    def wait_until_ready(self) -> None:
        """Wait until its store is open. Raises AssertionError after a minute."""
        assert self.pipe.poll(60), "a process did not start"
        assert self.pipe.recv() == "ready"

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.kill()
        self.process.join(60)

    def stop(self) -> None:
        """Send SIGTERM; require that the process finishes and exits with 0."""
        self.process.terminate()
        self.end()

    def end(self) -> None:
        """Wait for its end. Raises AssertionError unless it exits with 0."""
        self.process.join(60)
        assert self.process.exitcode == 0


@contextmanager
def starting(role: Role, job: Job) -> Iterator[Running]:
    """Start a process in a role. It is killed if the test leaves it running."""
    here, there = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_run, args=(role, job, there), daemon=True)
    process.start()
    there.close()
    try:
        yield Running(process, here)
    finally:
        if process.is_alive():
            process.kill()
            process.join(60)
        process.close()
        here.close()


class _Stopped:
    """Knows whether SIGTERM was received."""

    def __init__(self) -> None:
        self.yes = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.yes = True


def _run(role: Role, job: Job, pipe: Connection) -> None:
    with job.log.with_suffix(".err").open("a") as errors:
        os.dup2(errors.fileno(), 2)
        role(job, pipe)


# --- roles -------------------------------------------------------------------------------------


def work(job: Job, pipe: Connection) -> None:
    """Run a worker as the command line does."""
    log = make_logger()
    with open_homes(job.settings, log=log) as homes:
        worker = worker_of(homes, log)
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        pipe.send("ready")
        worker.run_forever(0.01)


def put(job: Job, pipe: Connection) -> None:
    """Put records of all kinds without a pause."""
    stopped, chance = _Stopped(), Random(job.seed)
    with open_store(job.settings, log=make_logger()) as store:
        putter = _Putter(store.tenant(TENANT).bind(SERVICE), Log(job.log), chance)
        old = [putter.mint(DataClass.PROMPT) for _ in SUBJECTS]
        pipe.send("ready")
        while not stopped.yes:
            putter.put_something()
        for record_id, subject in zip(old, SUBJECTS, strict=True):
            putter.put_one(DataClass.PROMPT, 100, record_id=record_id, subject=subject)


def erase(job: Job, pipe: Connection) -> None:
    """Erase one subject after another; each time read old records and put under an older id."""
    log, rounds = Log(job.log), job.seed
    with open_store(job.settings, log=make_logger()) as store:
        t = store.tenant(TENANT).bind(SERVICE)
        putter = _Putter(t, log, Random(job.seed))
        pipe.send("ready")
        for n in range(rounds):
            subject = SUBJECTS[n % len(SUBJECTS)]
            old = putter.mint(DataClass.PROMPT)
            there = _stored(job.log.parent, subject)
            erasure = t.erase(Scope.subject(subject), reason=Reason.SUBJECT_REQUEST)
            log.write({"erasure": str(erasure.id), "subject": subject})
            for record_id in there[-10:]:
                log.write({"read": record_id, "answer": _read(t, record_id)})
            putter.put_one(DataClass.PROMPT, 100, record_id=old, subject=subject)
            putter.put_one(DataClass.PROMPT, 100, subject=subject)


def _stored(folder: Path, subject: str) -> list[str]:
    """Return the records of a subject that the processes have logged as stored."""
    found = [note for log in sorted(folder.glob("put*.log")) for note in notes(log)]
    return [note.id for note in found if (note.subject, note.said) == (subject, "stored")]


def _read(t: BoundTenant, record_id: str) -> str:
    try:
        t.get(record_id, purpose=Purpose.SERVE)
    except DomicileError as error:
        return error.code
    return "read"


class _Putter:
    """Puts records and logs the answers. The body follows from the id."""

    def __init__(self, t: BoundTenant, log: Log, chance: Random) -> None:
        self._t, self._log, self._chance = t, log, chance
        self._done: list[tuple[Note, int]] = []

    def mint(self, data_class: DataClass) -> RecordId:
        """Mint an id for a later put."""
        return self._t.new_id(data_class)

    def put_something(self) -> None:
        """Put what the random generator draws."""
        what = self._chance.choices(
            [self._small, self._many, self._child, self._again, self._large, self._file],
            [8, 3, 3, 2, 1, 1],
        )
        what[0]()

    def put_one(
        self,
        data_class: DataClass,
        size: int,
        *,
        record_id: RecordId | None = None,
        subject: str | None = None,
        parent: Note | None = None,
    ) -> None:
        """Put one record in one call."""
        record_id = record_id or self.mint(data_class)
        body = _body(str(record_id), size)
        parents = [parent.id] if parent else []
        said = self._said(
            lambda: self._t.put(
                data_class, body, id=record_id, subject=subject, derived_from=parents
            )
        )
        self._note(record_id, said, size=size, subject=subject, parent=parent)

    def _small(self) -> None:
        self.put_one(DataClass.PROMPT, self._chance.randrange(2000), subject=self._subject())

    def _large(self) -> None:
        self.put_one(DataClass.COMPLETION, 300_000, subject=self._subject())

    def _child(self) -> None:
        stored = [note for note, _ in self._done if "prompt" in note.id and note.said == "stored"]
        if stored:
            self.put_one(DataClass.COMPLETION, 500, parent=stored[-1])

    def _again(self) -> None:
        if self._done:
            note, size = self._chance.choice(self._done[-20:])
            if not note.id.startswith("completion"):  # it may have a parent
                record_id = RecordId.parse(note.id)
                body = _body(note.id, size)
                said = self._said(
                    lambda: self._put_again(record_id, body, note.subject),
                )
                self._note(record_id, said, size=size, subject=note.subject)

    def _put_again(self, record_id: RecordId, body: bytes, subject: str | None) -> PutResult:
        if record_id.data_class is DataClass.FINE_TUNING_FILE:
            return self._t.put_file(BytesIO(body), id=record_id, subject=subject)
        return self._t.put(record_id.data_class, body, id=record_id, subject=subject)

    def _file(self) -> None:
        record_id, subject = self.mint(DataClass.FINE_TUNING_FILE), self._subject()
        body = _body(str(record_id), 3_000)
        said = self._said(lambda: self._put_again(record_id, body, subject))
        self._note(record_id, said, size=3_000, subject=subject)

    def _many(self) -> None:
        ids = [self.mint(DataClass.PROMPT) for _ in range(5)]
        subjects = [self._subject() for _ in ids]
        records = [
            NewRecord(DataClass.PROMPT, _body(str(i), 200), i, s)
            for i, s in zip(ids, subjects, strict=True)
        ]
        for record, result in zip(records, self._t.put_many(records), strict=True):
            said = result.error.code if isinstance(result, PutFailure) else "stored"
            self._note(cast(RecordId, record.id), said, size=200, subject=record.subject)

    def _subject(self) -> str | None:
        return self._chance.choice([*SUBJECTS, None])

    def _said(self, do: Callable[[], PutResult]) -> str:
        try:
            do()
        except DomicileError as error:
            return error.code
        return "stored"

    def _note(
        self,
        record_id: RecordId,
        said: str,
        *,
        size: int,
        subject: str | None,
        parent: Note | None = None,
    ) -> None:
        digest = hashlib.sha256(_body(str(record_id), size)).hexdigest()
        origin = min([record_id.minted.isoformat(), *([parent.origin] if parent else [])])
        note = Note(
            str(record_id), digest, said, subject or (parent.subject if parent else None), origin
        )
        self._log.write(asdict(note))
        self._done.append((note, size))


def _body(record_id: str, size: int) -> bytes:
    return Random(record_id).randbytes(size)
