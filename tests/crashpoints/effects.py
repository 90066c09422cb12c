"""The effects of a process, in order, and its death at one of them.

An effect is a call that changes a backend or a processor, the COMMIT of a transaction that changed
something, a statement that is its own transaction, or a change of a file. All of them pass here, so
new ones are found without a list. Between two effects nothing outside the process changes: a death
before an effect equals a death after the one before it.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, event

from storage.backends.probing import exercise
from storage.ports import Acknowledgement
from storage.testing import Call, FakeProcessor, FaultyBackend

P = ParamSpec("P")
T = TypeVar("T")

How = Literal["stop", "late", "others"]
"""What becomes of requests that have left the process when it ends: ``stop``: there are none.
``late``: that of the effect itself comes to its backend much later. ``others``: those that are sent
at the same time as the effect come there, and the effect does not."""

_READS = ("find_lock", "get", "list_key", "scan")
_LANDS = ("put", "upload.finish")
_AUDITED = {"open": 0, "os.rename": 1, "os.link": 1, "os.remove": 0, "os.mkdir": 0}
_QUOTES = '("'
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Crash(BaseException):
    """Raised in a process that is dead."""


@dataclass(frozen=True)
class Moment:
    """One thing that a process does. ``changes``: it is an effect. ``lands``: it can land late.

    ``request``: to a backend or a processor. ``sent``: others may have been sent at the same time.
    """

    name: str
    changes: bool = True
    lands: bool = False
    sent: bool = False
    request: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass
class Tape:
    """Records the moments of one process, and ends it at one of them.

    ``stop``: at the moment of that number, counted from 0, or of a name that begins so.
    ``pause``: what happens before that of its number; ``slow``: or before the next one that is no
    request.
    """

    moments: list[Moment] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)  # backend and key of each pack
    recording: bool = False
    dead: bool = False
    stop: int | str | None = None
    how: How = "stop"
    pause: tuple[int, Callable[[], None]] | None = None
    slow: bool = False
    _sending: bool = False
    _spared: bool = False  # one request that was sent may still reach its backend
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, moment: Moment, later: Callable[[], object] | None = None) -> None:
        """Record a moment that is about to happen. Raises Crash if the process is dead."""
        if self.dead:
            if self._spared and later is not None:
                self._spared = False
                return
            raise Crash
        if not self.recording:
            return
        with self._lock:
            number = len(self.moments)
            self.moments.append(moment)
        if number == self.stop or (
            isinstance(self.stop, str) and moment.name.startswith(self.stop)
        ):
            self.dead, self._spared = True, False
            if self.how == "late" and later is not None:
                later()
            raise Crash
        if (
            self.pause is not None
            and number >= self.pause[0]
            and not (self.slow and moment.request)
        ):
            meanwhile, self.pause = self.pause[1], None
            meanwhile()

    @property
    def sending_now(self) -> bool:
        """Return whether the current request is one of several that may be sent at once."""
        return self._sending

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Mark requests that may already be sent when the process dies."""
        self._sending, self._spared = True, self.how == "others"
        try:
            yield
        finally:
            self._sending = self._spared = False

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record what happens within. Afterwards run what was still due."""
        self.recording = True
        try:
            yield
        finally:
            self.recording = False


class InTurn(Executor):
    """An executor that runs each call at once."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            with self._tape.sending():
                future.set_result(call(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as any executor does
            future.set_exception(error)
        return future


def tape_backend(inner: FaultyBackend, tape: Tape) -> FaultyBackend:
    """Return the backend, as one process sees it."""
    taped = FaultyBackend(inner)

    def fault(call: Call) -> object:
        kind = call.key.partition("/")[0]
        moment = Moment(
            f"{call.method} {kind} on {inner.name}",
            call.method not in _READS,
            call.method in _LANDS,
            tape.sending_now,
            request=True,
        )
        if call.method in ("put", "upload") and kind == "pack":
            tape.written.append((inner.name, call.key))
        tape.meet(moment, partial(inner.postpone, call.proceed))
        return call.proceed()

    taped.inject(fault)
    taped.probe = lambda key: exercise(taped, key, timeout=1)  # type: ignore[method-assign]
    taped.posture = inner.inner.posture  # type: ignore[method-assign] # memory has none
    taped.close = lambda: None  # type: ignore[method-assign] # it outlives the process
    return taped


class TapedProcessor:
    """A processor, as one process sees it. ``confirm`` changes nothing."""

    def __init__(self, inner: FakeProcessor, tape: Tape) -> None:
        self._inner, self._tape = inner, tape

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def longest_request(self) -> timedelta:
        return self._inner.longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        moment = Moment(f"deliver to {self.name}", lands=True, request=True)
        self._tape.meet(moment, partial(self._inner.postpone, copy, content))
        self._inner.deliver(copy, content, timeout=timeout)

    def request_deletion(self, copy: UUID) -> None:
        self._meet("request_deletion", changes=True)
        self._inner.request_deletion(copy)

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        self._meet("confirm", changes=False)
        return self._inner.confirm(copy)

    def _meet(self, call: str, *, changes: bool) -> None:
        sent = self._tape.sending_now
        self._tape.meet(Moment(f"{call} of {self.name}", changes, sent=sent, request=True))


def tape_engine(engine: Engine, tape: Tape) -> None:
    """Record the transactions of an engine, for as long as it exists."""
    for name, hook in _hooks(tape):
        event.listen(engine, name, hook)


@contextmanager
def taped_engines(tape: Tape) -> Iterator[None]:
    """Record the transactions of all engines that are made meanwhile."""
    hooks = _hooks(tape)
    for name, hook in hooks:
        event.listen(Engine, name, hook)
    try:
        yield
    finally:
        for name, hook in hooks:
            event.remove(Engine, name, hook)


def _hooks(tape: Tape) -> list[tuple[str, Callable[..., None]]]:
    def execute(connection: Connection, _: object, statement: str, *rest: object) -> None:
        words = " ".join(statement.split())
        connection.info.setdefault("told", []).append(words)
        if tape.dead:
            raise Crash
        own = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if own and not words.startswith(("SELECT", "SET")):
            tape.meet(Moment(words.split(" record_")[0].lower()))

    def begin(connection: Connection) -> None:
        connection.info["told"] = []

    def commit(connection: Connection) -> None:
        changed = _has_changed(connection)
        told = _summary(connection.info.get("told", [])) or (
            "by function" if changed else "nothing"
        )
        tape.meet(Moment(f"commit {told}", changed))

    return [("before_cursor_execute", execute), ("begin", begin), ("commit", commit)]


def _has_changed(connection: Connection) -> bool:
    """Return whether the database counts changes in the transaction."""
    link = cast(psycopg.Connection, connection.connection.driver_connection)
    row = link.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()
    return bool(row and row[0])


def _summary(statements: list[str]) -> str:
    """Return which tables the transaction changed, and how."""
    found: dict[str, None] = {}
    for statement in statements:
        words = statement.lower().replace("delete from", "delete").split()
        if words[0] in ("insert", "update", "delete", "copy", "alter", "create"):
            skip = 2 if words[0] == "insert" or words[1] == "table" else 1
            found[f"{words[0]} {words[skip].strip(_QUOTES)}"] = None
    return ", ".join(found)


class _Files:
    """Records changes of files under a folder, by an audit hook."""

    def __init__(self) -> None:
        self.watched: dict[Path, Tape] = {}
        self._hooked = False

    def watch(self, folder: Path, tape: Tape) -> None:
        if not self._hooked:  # a hook stays for good
            self._hooked = True
            sys.addaudithook(self._hook)
        self.watched[folder] = tape

    def _hook(self, name: str, given: tuple[object, ...]) -> None:
        if not self.watched or name not in _AUDITED:
            return
        if name == "open" and not (isinstance(given[2], int) and given[2] & _WRITES):
            return
        path = given[_AUDITED[name]]
        if not isinstance(path, str | Path):
            return
        for folder, tape in self.watched.items():
            if Path(path).is_relative_to(folder):
                tape.meet(
                    Moment(f"{name.removeprefix('os.')} {Path(path).suffix or 'folder'} file")
                )


_FILES = _Files()


@contextmanager
def taped_files(folder: Path, tape: Tape) -> Iterator[None]:
    """Record changes of files under a folder as effects of this process."""
    _FILES.watch(folder, tape)
    try:
        yield
    finally:
        del _FILES.watched[folder]
