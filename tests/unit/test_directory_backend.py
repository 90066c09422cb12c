"""What a directory does when the disk, the process or somebody else does not play along.

Tests run as root, whom no permission stops: what the operating system would say is injected.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backends.directory import DirectoryBackend
from storage.backends.marker import NAME as MARKER
from storage.backends.root import TEMPORARY, create_root
from storage.errors import (
    BackendError,
    BackendFull,
    BackendMisplaced,
    BackendUnavailable,
    KeyAbsent,
)
from tests.support.backends.directory import CALLS, KEY, Clock, every_call, files, put


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
    with pytest.raises(BackendUnavailable, match="does not exist"):
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
    create_root("eu-a2", root, os.urandom)

    with pytest.raises(BackendMisplaced):
        call(backend)

    assert files(root) == []


def test_what_has_begun_ends_on_the_same_disk(backend: DirectoryBackend, root: Path) -> None:
    """Another disk that is mounted over the root in the middle of an upload gets nothing of it."""
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"data")
    moved = root.rename(root.parent / "moved")
    create_root("eu-a", root, os.urandom)
    upload.finish()

    assert files(root) == []
    assert files(moved) == [KEY]


def test_a_root_is_made_once(tmp_path: Path) -> None:
    """With its parents, readable by its owner alone; a second call changes nothing."""
    root = tmp_path / "data" / "backends" / "eu-a"
    create_root("eu-a", root, os.urandom)
    backend = DirectoryBackend("eu-a", root, clock=Clock(), entropy=os.urandom)
    put(backend)
    create_root("eu-a", root, os.urandom)

    assert backend.get(KEY) == b"data"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    with pytest.raises(BackendMisplaced):
        create_root("eu-b", root, os.urandom)


def test_a_root_that_was_made_in_part_is_completed(tmp_path: Path) -> None:
    """After a crash in ``create_root``, and on a fresh disk."""
    root = tmp_path / "root"
    for left in (TEMPORARY, "lost+found"):
        (root / left).mkdir(parents=True)
    (root / f"{MARKER}.new").write_bytes(b"The fi")
    create_root("eu-a", root, os.urandom)
    backend = DirectoryBackend("eu-a", root, clock=Clock(), entropy=os.urandom)

    assert list(backend.scan()) == []

    backend.probe(KEY)


def test_a_directory_with_other_files_is_not_taken(tmp_path: Path) -> None:
    """Somebody's home, for instance."""
    (tmp_path / "letter").write_text("dear")

    with pytest.raises(BackendMisplaced, match="another program"):
        create_root("eu-a", tmp_path, os.urandom)

    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


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
        self.calls.append(f"fsync {self._short(self._path(handle))}")
        self._fsync(handle)

    def _noting(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: str | int, **options: int) -> None:
            real(*paths, **options)
            names = (path for path in paths if isinstance(path, str))
            given = zip(names, options.values(), strict=True)
            shown = [self._short(self._path(at) / str(path)) for path, at in given]
            self.calls.append(" ".join([name, *shown]))

        return call

    def _path(self, handle: int) -> Path:
        return Path(f"/proc/self/fd/{handle}").readlink().relative_to(self._root)

    def _short(self, path: Path) -> str:
        return f"{TEMPORARY}/*" if TEMPORARY in path.parts[:-1] else str(path)


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

    assert backend.list_key("a/b") == backend.list_key("a/b/c/d") == []
    assert files(root) == ["a/b/c"]


def test_a_link_leads_nowhere(backend: DirectoryBackend, root: Path, tmp_path: Path) -> None:
    """A link in the directory is listed and purged, and never followed by a read."""
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


@pytest.fixture
def linked(backend: DirectoryBackend, root: Path, tmp_path: Path) -> Path:
    """Put a link in the place of a directory of keys. Return the directory that it points to."""
    put(backend)
    outside = (root / KEY).parent.rename(tmp_path / "outside")
    (root / KEY).parent.symlink_to(outside)
    return outside


WITH_LINK = CALLS | {"scan": lambda backend: list(backend.scan(KEY))}
del WITH_LINK["upload"]  # it touches the place when it ends


@pytest.mark.parametrize("call", WITH_LINK.values(), ids=WITH_LINK)
def test_a_link_in_the_way_is_an_error(
    backend: DirectoryBackend, linked: Path, call: Callable[[DirectoryBackend], object]
) -> None:
    """Nothing is read, written or deleted through it, and nothing behind it is called absent."""
    with pytest.raises(BackendError, match="eu-a") as caught:
        call(backend)

    assert not isinstance(caught.value, KeyAbsent)
    assert [path.name for path in linked.iterdir()] == ["secret-name"]
    assert (linked / "secret-name").read_bytes() == b"data"


def test_a_link_in_the_way_is_listed(backend: DirectoryBackend, linked: Path) -> None:
    """A scrub of the whole backend sees the link itself, and goes on behind it."""
    put(backend, "z")

    assert [item.key for item in backend.scan()] == [KEY.rpartition("/")[0], "z"]


@every_call
def test_a_linked_directory_of_temporary_files_is_an_error(
    backend: DirectoryBackend,
    root: Path,
    tmp_path: Path,
    call: Callable[[DirectoryBackend], object],
) -> None:
    """An unfinished upload does not leave the disk."""
    (root / TEMPORARY).rmdir()
    (tmp_path / "outside").mkdir()
    (root / TEMPORARY).symlink_to(tmp_path / "outside")
    (root / "pack" / "2026-01-02").mkdir(parents=True)

    with pytest.raises(BackendError, match="eu-a"):
        call(backend)

    assert list((tmp_path / "outside").iterdir()) == []


def test_what_is_not_ours_is_listed(backend: DirectoryBackend, root: Path) -> None:
    """A scrub must find bytes that were not announced."""
    (root / "a").mkdir()
    (root / "a" / "Notes.TXT").write_text("hello")

    assert [trace.key for trace in backend.scan()] == ["a/Notes.TXT"]


def test_no_version_has_a_name(backend: DirectoryBackend) -> None:
    """A directory has none to ask for."""
    put(backend)

    with pytest.raises(KeyAbsent):
        backend.get(KEY, version="1")
