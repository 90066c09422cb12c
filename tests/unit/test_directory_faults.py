"""A disk that errs, a process that is killed, and a writer that comes late.

Tests run as root, whom no permission stops: what the operating system would say is injected.
"""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backends.directory import DirectoryBackend
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendTimeout,
    BackendUnavailable,
    PurgeIncomplete,
)
from storage.ports import ItemKind
from tests.support.backends.directory import CALLS, KEY, Clock, files, put

NAME = KEY.rpartition("/")[2]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a function of ``os`` fail, when its first argument is one of which ``when`` is true."""

    def fail(name: str, code: int, when: Callable[[object], bool] = lambda _: True) -> None:
        real = getattr(os, name)

        def call(*given: object, **options: object) -> object:
            if when(given[0]):
                raise OSError(code, os.strerror(code), str(given[0]))
            return real(*given, **options)

        monkeypatch.setattr(os, name, call)

    return fail


MEANINGS = {
    errno.ENOSPC: BackendFull,
    errno.EDQUOT: BackendFull,
    errno.EACCES: BackendForbidden,
    errno.EPERM: BackendForbidden,
    errno.EROFS: BackendForbidden,
    errno.EIO: BackendUnavailable,
    errno.ESTALE: BackendUnavailable,
}


@pytest.mark.parametrize("name", ["write", "fsync", "mkdir", "rename"])
@pytest.mark.parametrize("code", MEANINGS, ids=errno.errorcode.get)
def test_a_write_that_fails_leaves_nothing(
    backend: DirectoryBackend, root: Path, failing: Callable[..., None], name: str, code: int
) -> None:
    """At every step: the error says what it is, nothing is stored, and no path is shown."""
    failing(name, code)

    with pytest.raises(BackendError) as caught:
        put(backend)

    assert type(caught.value) is MEANINGS[code]
    assert caught.value.outcome == "not_stored"
    assert "secret-name" not in str(caught.value)
    assert files(root) == []


@pytest.mark.parametrize("code", MEANINGS, ids=errno.errorcode.get)
def test_every_call_says_what_the_disk_says(
    backend: DirectoryBackend, failing: Callable[..., None], code: int
) -> None:
    """For instance when the root may not be opened."""
    failing("open", code)
    for call in CALLS.values():
        with pytest.raises(BackendError) as caught:
            call(backend)

        assert type(caught.value) is MEANINGS[code]
        assert "secret-name" not in str(caught.value)


def test_a_name_that_may_not_be_durable_is_unknown(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the object can be read, no error may say that it is not stored."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "no")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(BackendTimeout) as caught:
        put(backend)

    assert caught.value.outcome == "unknown"
    assert files(root) == [KEY]


def test_what_cannot_be_removed_is_said(
    backend: DirectoryBackend, failing: Callable[..., None]
) -> None:
    """A purge goes on with the rest, and then names what stopped it."""
    put(backend)
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"x")
    failing("unlink", errno.EACCES, lambda name: name == NAME)

    with pytest.raises(PurgeIncomplete, match="1 of its files") as caught:
        backend.purge(KEY)

    assert isinstance(caught.value.__cause__, BackendForbidden)
    assert [trace.kind for trace in backend.list_key(KEY)] == [ItemKind.OBJECT]
    with pytest.raises(BackendForbidden) as forbidden:
        backend.probe(KEY)
    assert "needs write permission on /" in forbidden.value.advice


def test_an_abort_that_fails_is_said_and_hides_nothing(
    backend: DirectoryBackend, failing: Callable[..., None]
) -> None:
    """The first error says what happened; the second is a note on it, or stands alone."""
    failing("unlink", errno.EIO)

    def store(error: Exception | None) -> None:
        with backend.upload(KEY, timeout=10) as upload:
            upload.write(b"x")
            if error:
                raise error

    with pytest.raises(RuntimeError, match="the stream broke") as caught:
        store(RuntimeError("the stream broke"))
    assert "the abort failed" in caught.value.__notes__[0]

    with pytest.raises(BackendUnavailable):
        store(None)
    assert [trace.kind for trace in backend.list_key(KEY)] == [ItemKind.TEMPORARY] * 2


def test_a_short_write_is_continued(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system may take less than it is given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
    put(backend, data=b"0123456789")

    assert backend.get(KEY) == b"0123456789"


CRASH = """
import os, sys, time
from pathlib import Path
from storage.backends.directory import DirectoryBackend
backend = DirectoryBackend("eu-a", Path(sys.argv[1]), clock=time.monotonic, entropy=os.urandom)
upload = backend.upload("a/b", timeout=10)
upload.write(b"half of it")
print("ready", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_leaves_is_found_and_purged(
    backend: DirectoryBackend, root: Path
) -> None:
    """Its temporary file names its key, and goes with it; those of neighbours stay."""
    with subprocess.Popen(
        [sys.executable, "-c", CRASH, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    neighbours = [backend.upload(key, timeout=10) for key in ("a/b-c", "a/bc", "a", "ab")]
    found = backend.list_key("a/b")

    assert [(t.key, t.kind, t.size) for t in found] == [("a/b", ItemKind.TEMPORARY, 10)]
    assert [t.key for t in backend.scan()] == ["a", "a/b", "a/b-c", "a/bc", "ab"]

    backend.purge("a/b")

    assert backend.list_key("a/b") == []
    assert [t.key for t in backend.scan("a/b")] == ["a/b-c", "a/bc"]
    for upload in neighbours:
        upload.abort()
    assert files(root) == []


def test_a_write_that_is_late_comes_to_nothing(
    backend: DirectoryBackend, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stood still until its attempt was given up does not store it after all."""
    real = os.fsync

    def stand_still(handle: int) -> None:
        real(handle)
        clock.now += 10

    monkeypatch.setattr(os, "fsync", stand_still)

    with pytest.raises(BackendUnavailable, match="too slow"):
        put(backend)
    assert files(root) == []

    upload = backend.upload(KEY, timeout=10)
    with pytest.raises(BackendUnavailable, match="too slow"):
        upload.finish()
    upload.abort()


def before_rename(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen once, just before the next rename."""
    real = os.rename

    def rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        monkeypatch.setattr(os, "rename", real)
        happens()
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)


def test_a_purge_beats_a_late_writer(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was purged before it had its name does not get it any more."""
    before_rename(monkeypatch, lambda: backend.purge(KEY))

    with pytest.raises(BackendUnavailable, match="purged"):
        put(backend)

    assert files(root) == []


def test_a_purge_of_a_neighbour_does_not_harm_a_writer(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may remove the directory that was just made because it is empty; it is made again."""
    before_rename(monkeypatch, lambda: backend.purge("a/b/other"))
    put(backend, "a/b/c")

    assert files(root) == ["a/b/c"]


def test_a_purge_finds_what_gets_its_name_meanwhile(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that finishes while its temporary file is looked for is purged under its key."""
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"data")
    real = os.scandir

    def scandir(handle: int) -> object:
        monkeypatch.setattr(os, "scandir", real)
        upload.finish()
        return real(handle)

    monkeypatch.setattr(os, "scandir", scandir)
    backend.purge(KEY)

    assert files(root) == []


def test_a_purge_leaves_no_moment_to_slip_through(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finishes just when the key has been removed has no temporary file any more."""
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"data")
    real = os.unlink

    def unlink(path: str, *, dir_fd: int) -> None:
        try:
            real(path, dir_fd=dir_fd)
        finally:
            if path == NAME:
                with pytest.raises(BackendUnavailable, match="purged"):
                    upload.finish()

    monkeypatch.setattr(os, "unlink", unlink)
    backend.purge(KEY)

    assert files(root) == []
