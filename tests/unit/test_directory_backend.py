"""What a directory does when the disk, the process or somebody else does not play along.

Tests run as root, whom no permission stops: what the operating system would say is injected.
"""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backends.directory import DirectoryBackend
from storage.backends.root import MARKER, TEMPORARY, create_root
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.ports import TraceKind

KEY = "pack/2026-01-02/secret-name"


class Clock:
    """A monotonic clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of an empty backend."""
    create_root("eu-a", tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def clock() -> Clock:
    """The clock of the backend."""
    return Clock()


@pytest.fixture
def backend(root: Path, clock: Clock) -> DirectoryBackend:
    """A backend in that root."""
    return DirectoryBackend("eu-a", root, clock=clock, entropy=os.urandom)


def files(root: Path) -> list[str]:
    """All files below the root, but for the marker."""
    found = (path for path in root.rglob("*") if not path.is_dir())
    return sorted(str(path.relative_to(root)) for path in found if path.name != MARKER)


def put(backend: DirectoryBackend, key: str = KEY, data: bytes = b"data") -> None:
    """Store an object."""
    backend.put(key, data, timeout=10)


CALLS: dict[str, Callable[[DirectoryBackend], object]] = {
    "put": put,
    "upload": lambda backend: backend.upload(KEY, timeout=10),
    "get": lambda backend: backend.get(KEY),
    "purge": lambda backend: backend.purge(KEY),
    "traces": lambda backend: backend.traces(KEY),
    "scan": lambda backend: list(backend.scan()),
    "probe": lambda backend: backend.probe(KEY),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


# --- The root and its marker


@every_call
def test_a_disk_that_is_not_mounted_is_not_an_empty_one(
    backend: DirectoryBackend, root: Path, call: Callable[[DirectoryBackend], object]
) -> None:
    """The empty mount point is neither written to nor believed: absence there proves nothing."""
    put(backend)
    shutil.rmtree(root)
    root.mkdir()

    with pytest.raises(BackendUnavailable, match="mounted"):
        call(backend)

    assert list(root.iterdir()) == []


@every_call
def test_a_root_that_is_gone_is_not_made_again(
    backend: DirectoryBackend, root: Path, call: Callable[[DirectoryBackend], object]
) -> None:
    """Only ``create_root`` makes one; a file in its place is none either."""
    shutil.rmtree(root)
    with pytest.raises(BackendUnavailable, match="not there"):
        call(backend)
    assert not root.exists()

    root.write_text("a file")
    with pytest.raises(BackendUnavailable):
        call(backend)
    assert root.read_text() == "a file"


@every_call
def test_the_disk_of_another_backend_is_refused(
    backend: DirectoryBackend, root: Path, call: Callable[[DirectoryBackend], object]
) -> None:
    """Two disks that were swapped are noticed, also if one name begins like the other."""
    shutil.rmtree(root)
    create_root("eu-a2", root)

    with pytest.raises(BackendMisplaced):
        call(backend)

    assert files(root) == []


def test_what_has_begun_ends_on_the_same_disk(backend: DirectoryBackend, root: Path) -> None:
    """Another disk that is mounted over the root in the middle of an upload gets nothing of it."""
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"data")
    moved = root.rename(root.parent / "moved")
    create_root("eu-a", root)
    upload.finish()

    assert files(root) == []
    assert files(moved) == [KEY]


def test_a_root_is_made_once(tmp_path: Path) -> None:
    """With its parents, for nobody else to read; a second time changes nothing."""
    root = tmp_path / "data" / "backends" / "eu-a"
    create_root("eu-a", root)
    backend = DirectoryBackend("eu-a", root, clock=Clock(), entropy=os.urandom)
    put(backend)
    create_root("eu-a", root)

    assert backend.get(KEY) == b"data"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    with pytest.raises(BackendMisplaced):
        create_root("eu-b", root)


def test_a_root_that_was_made_in_part_is_completed(tmp_path: Path) -> None:
    """After a crash in ``create_root``, and on a fresh disk."""
    root = tmp_path / "root"
    for left in (TEMPORARY, "lost+found"):
        (root / left).mkdir(parents=True)
    (root / f"{MARKER}.new").write_bytes(b"The fi")
    create_root("eu-a", root)
    backend = DirectoryBackend("eu-a", root, clock=Clock(), entropy=os.urandom)

    assert list(backend.scan()) == []

    backend.probe(KEY)


def test_a_directory_with_other_files_is_not_taken(tmp_path: Path) -> None:
    """Somebody's home, for instance."""
    (tmp_path / "letter").write_text("dear")

    with pytest.raises(BackendMisplaced, match="not ours"):
        create_root("eu-a", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


# --- Durable, in the right order


class Journal:
    """What was asked of the operating system, in order. Paths are relative to the root."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._root = root
        self._fsync, self._in_directory = os.fsync, os.rename
        monkeypatch.setattr(os, "fsync", self.fsync)
        for name in ("rename", "unlink", "rmdir", "mkdir"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def fsync(self, handle: int) -> None:
        """In the place of ``os.fsync``."""
        path = Path(f"/proc/self/fd/{handle}").readlink()
        self.calls.append(f"fsync {self._short(str(path.relative_to(self._root)))}")
        self._fsync(handle)

    def _noting(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: str | int, **options: int) -> None:
            real(*paths, **options)
            shown = [self._short(path) for path in paths if isinstance(path, str)]
            self.calls.append(" ".join([name, *shown]))

        return call

    def _short(self, path: str) -> str:
        return f"{TEMPORARY}/*" if path.startswith(f"{TEMPORARY}/") else path


def test_an_object_is_durable_before_it_has_its_name(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First its bytes, then its name, then every directory on the way to it."""
    journal = Journal(root, monkeypatch)
    put(backend, "a/b/c")

    assert journal.calls == [
        f"fsync {TEMPORARY}/*",
        "mkdir a",
        "mkdir a/b",
        f"rename {TEMPORARY}/* a/b/c",
        "fsync a/b",
        "fsync a",
        "fsync .",
    ]


def test_a_purge_is_durable(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone does not come back when the power does; empty directories go with it."""
    put(backend, "a/kept")
    put(backend, "a/b/c/d")
    journal = Journal(root, monkeypatch)
    backend.purge("a/b/c/d")

    assert journal.calls == [
        "unlink a/b/c/d",
        f"fsync {TEMPORARY}",
        "rmdir a/b/c",
        "rmdir a/b",
        "fsync a",
    ]
    assert files(root) == ["a/kept"]


def test_purging_again_makes_durable_what_a_crash_left_undone(
    backend: DirectoryBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who removed the file may not have lived to say so to the disk."""
    put(backend, "a/kept")
    journal = Journal(root, monkeypatch)
    backend.purge("a/b/c")

    assert journal.calls == [f"fsync {TEMPORARY}", "fsync a"]


def test_nobody_else_may_read(backend: DirectoryBackend, root: Path) -> None:
    """Files 0600, directories 0700, whatever the umask says."""
    before = os.umask(0)
    try:
        put(backend)
        backend.upload(KEY, timeout=10).write(b"x")
    finally:
        os.umask(before)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}

    assert modes == {True: 0o700, False: 0o600}


# --- A disk that errs


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
    """Once the object can be read, nobody may say that it is not stored."""
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
    failing("unlink", errno.EACCES, lambda path: path == KEY)

    with pytest.raises(PurgeIncomplete, match="1 of its files") as caught:
        backend.purge(KEY)

    assert isinstance(caught.value.__cause__, BackendForbidden)
    assert [trace.kind for trace in backend.traces(KEY)] == [TraceKind.OBJECT]
    with pytest.raises(BackendForbidden):
        backend.probe(KEY)


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
    assert "taking it back failed" in caught.value.__notes__[0]

    with pytest.raises(BackendUnavailable):
        store(None)
    assert [trace.kind for trace in backend.traces(KEY)] == [TraceKind.TEMPORARY] * 2


def test_a_short_write_is_continued(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system may take less than it is given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
    put(backend, data=b"0123456789")

    assert backend.get(KEY) == b"0123456789"


# --- A full disk


@pytest.fixture
def small(root: Path) -> DirectoryBackend:
    """A backend on a disk with 1000 bytes free, of which 600 are a reserve."""
    return DirectoryBackend(
        "eu-a", root, clock=Clock(), entropy=os.urandom, reserve=600, free=lambda _: 1000
    )


def test_the_reserve_is_kept(small: DirectoryBackend, root: Path) -> None:
    """A write that would leave less is refused before it begins; deletion goes on working."""
    put(small, "a", b"x" * 400)

    with pytest.raises(BackendFull) as caught:
        put(small, "b", b"x" * 401)

    assert caught.value.retryable
    assert files(root) == ["a"]

    small.purge("a")

    assert files(root) == []


def test_an_upload_keeps_the_reserve(small: DirectoryBackend, root: Path) -> None:
    """It is asked for at every piece, and what was sent is taken back."""

    def store() -> None:
        with small.upload(KEY, timeout=10) as upload:
            upload.write(b"x" * 400)
            upload.write(b"x" * 401)

    with pytest.raises(BackendFull):
        store()

    assert files(root) == []


def test_the_free_space_is_that_of_the_disk(root: Path) -> None:
    """Without injection: no disk has an exbibyte to keep."""
    backend = DirectoryBackend("eu-a", root, clock=Clock(), entropy=os.urandom, reserve=2**60)

    with pytest.raises(BackendFull):
        put(backend)


# --- Crashes and late writers

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
    found = backend.traces("a/b")

    assert [(t.key, t.kind, t.size) for t in found] == [("a/b", TraceKind.TEMPORARY, 10)]
    assert [t.key for t in backend.scan()] == ["a", "a/b", "a/b-c", "a/bc", "ab"]

    backend.purge("a/b")

    assert backend.traces("a/b") == []
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
            if path == KEY:
                with pytest.raises(BackendUnavailable, match="purged"):
                    upload.finish()

    monkeypatch.setattr(os, "unlink", unlink)
    backend.purge(KEY)

    assert files(root) == []


# --- Names


def test_the_longest_key_has_room_for_its_temporary_name(backend: DirectoryBackend) -> None:
    """A file name may have 255 bytes."""
    key = "a/" * 50 + "b" * 100
    put(backend, key)

    assert len(key) == 200
    assert backend.get(key) == b"data"


def test_a_folder_is_no_object(backend: DirectoryBackend, root: Path) -> None:
    """A key that is a folder of another is absent, cannot be stored, and takes nothing with it."""
    put(backend, "a/b/c")

    with pytest.raises(KeyAbsent):
        backend.get("a/b")
    with pytest.raises(KeyAbsent):
        backend.get("a/b/c/d")
    with pytest.raises(BackendError):
        put(backend, "a/b")
    with pytest.raises(BackendError):
        put(backend, "a/b/c/d")
    backend.purge("a/b")
    backend.purge("a/b/c/d")

    assert backend.traces("a/b") == backend.traces("a/b/c/d") == []
    assert files(root) == ["a/b/c"]


def test_a_link_leads_nowhere(backend: DirectoryBackend, root: Path, tmp_path: Path) -> None:
    """What somebody linked into the directory is listed and purged, and never read."""
    (tmp_path / "outside").write_bytes(b"outside")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "folder").symlink_to(tmp_path)

    with pytest.raises(BackendUnavailable):
        backend.get("link")
    assert [trace.key for trace in backend.scan()] == ["folder", "link"]

    backend.purge("link")
    backend.purge("folder")

    assert list(backend.scan()) == []
    assert (tmp_path / "outside").read_bytes() == b"outside"


def test_what_is_not_ours_is_listed(backend: DirectoryBackend, root: Path) -> None:
    """A scrub has to see bytes that nobody announced."""
    (root / "a").mkdir()
    (root / "a" / "Notes.TXT").write_text("hello")

    assert [trace.key for trace in backend.scan()] == ["a/Notes.TXT"]


def test_no_version_has_a_name(backend: DirectoryBackend) -> None:
    """A directory has none to ask for."""
    put(backend)

    with pytest.raises(KeyAbsent):
        backend.get(KEY, version="1")
