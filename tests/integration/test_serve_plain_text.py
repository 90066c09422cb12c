"""While a file passes, its plain text and its name are in no file that the process can write."""

import os
import secrets
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISREG
from threading import Event, Thread
from time import time

import pytest
from starlette.formparsers import MultiPartParser

from storage.testing import Domicile
from storage.testing.harness import Kind
from tests.support.serving import SETTINGS, serving

pytestmark = pytest.mark.one_region

WRITES = os.O_WRONLY | os.O_RDWR
PIECE, PIECES = 1024 * 1024, 24
TEMPORARY = [Path(one) for one in (tempfile.gettempdir(), "/tmp", "/var/tmp")]  # noqa: S108
_written: list[set[str]] = []


@pytest.fixture
def domicile_backends() -> Kind:
    """Directories, so that what is sealed is written to files too."""
    return "directory"


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """Note each file that Python opens for writing, while somebody wants to know."""
    if event == "open" and _written:
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITES and not isinstance(path, int):
            _written[-1].add(os.fsdecode(path))  # type: ignore[arg-type]


@contextmanager
def noting_writes() -> Iterator[set[str]]:
    """Yield the paths that are opened for writing within the block."""
    _hook()
    _written.append(set())
    try:
        yield _written[-1]
    finally:
        _written.pop()


@cache
def _hook() -> None:
    sys.addaudithook(_note)  # for as long as the process lives


def open_files() -> Iterator[tuple[str, bytes]]:
    """Yield the regular files that are open in this process, with their contents."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if S_ISREG(path.stat().st_mode):
                yield str(path.readlink()), path.read_bytes()


def changed_files(roots: Collection[Path], since: float) -> Iterator[Path]:
    """Yield the files below some directories that were changed since then."""
    for root in {one.resolve() for one in roots}:
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder) / name
                with suppress(OSError):
                    found = path.lstat()
                    if S_ISREG(found.st_mode) and found.st_mtime >= since:
                        yield path


def having(marks: Collection[str], roots: Collection[Path], since: float) -> list[str]:
    """Return the files that have one of the marks in them, open ones and changed ones."""
    sought = [mark.encode() for mark in marks]
    found = [path for path, data in open_files() if any(mark in data for mark in sought)]
    for path in changed_files(roots, since):
        with suppress(OSError):
            data = path.read_bytes()
            if any(mark in data for mark in sought):
                found.append(str(path))
    return found


def test_no_file_has_plain_text_while_an_upload_is_halfway(domicile: Domicile) -> None:
    """Starlette's own form would have it in a temporary file by then: see the next test."""
    domicile.tenant()
    since = time() - 1
    mark, name = secrets.token_hex(16), secrets.token_hex(16)
    roots = [*TEMPORARY, domicile.settings.home.parent]  # with the catalog and the backends
    half, looked = Event(), Event()

    def pieces() -> Iterator[bytes]:
        yield (
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode()
        ) + b'"\r\n\r\n'
        for number in range(PIECES):
            if number == PIECES // 2:
                half.set()
                assert looked.wait(60)
            yield (mark.encode() + b"\n") * (PIECE // 33)
        yield b"\r\n--b--\r\n"

    sent: list[int] = []

    def send() -> None:
        with service.http() as client:
            kind = {"content-type": "multipart/form-data; boundary=b"}
            made = client.post("/v1/files", content=pieces(), headers=kind)
            sent.append(made.status_code)
            got = client.get(f"/v1/files/{made.json()['id']}/content")
            sent.append(len(got.content))

    patient = SETTINGS.model_copy(update={"client_seconds": 600.0})
    with noting_writes() as paths, serving(domicile, patient) as service:
        sending = Thread(target=send)
        sending.start()
        assert half.wait(60)
        halfway = having([mark, name], roots, since)
        looked.set()
        sending.join()
    after = having([mark, name], roots, since)

    assert sent == [200, PIECES * (PIECE // 33) * 33]
    assert halfway == after == []
    assert paths
    own = str(domicile.settings.home)
    # A backend opens its objects by their names within its directory.
    assert [one for one in paths if not one.startswith(own) and "+" not in one] == []
    assert [one for one in paths if one.startswith("/") and not one.startswith(own)] == []


def test_the_search_finds_what_a_form_of_starlette_writes() -> None:
    """It sees a temporary file without a name, which no walk finds."""
    since = time() - 1
    mark = secrets.token_hex(16)
    with tempfile.SpooledTemporaryFile(max_size=MultiPartParser.spool_max_size) as spooled:
        spooled.write(mark.encode() * (MultiPartParser.spool_max_size // 32 + 1))
        spooled.flush()

        assert having([mark], [], since) != []
