"""An open record is a binary file: what reads files reads it."""

import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import DataClass, Erased, Purpose, Unavailable
from storage.client import files
from storage.client.files import OpenFile
from storage.testing import Domicile

FILE = DataClass.FINE_TUNING_FILE
LINES = b"".join(b'{"n": %d, "text": "%s"}\n' % (n, b"x" * (n % 50)) for n in range(3000))


def opened(domicile: Domicile, body: bytes) -> OpenFile:
    """Store a file, and open it."""
    tenant = domicile.tenant()
    return tenant.open(tenant.put_file(io.BytesIO(body)).id, purpose=Purpose.SERVE)


@pytest.fixture
def lines(domicile: Domicile) -> Iterator[OpenFile]:
    """An open file of JSON lines."""
    with opened(domicile, LINES) as file:
        yield file


POSITIONS = st.integers(-10, len(LINES) + 10)
STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 9000)),
    st.tuples(st.just("readline"), st.integers(-1, 100)),
    st.tuples(st.just("readinto"), st.integers(0, 9000)),
    st.tuples(st.sampled_from(["from the beginning", "onwards", "from the end"]), POSITIONS),
)
WHENCE = {"from the beginning": io.SEEK_SET, "onwards": io.SEEK_CUR, "from the end": io.SEEK_END}


def step(file: io.RawIOBase | io.BytesIO, what: str, number: int) -> object:
    """Do it, and return what comes of it."""
    if what in WHENCE:
        base = (0, file.tell(), len(LINES))[WHENCE[what]]
        return file.seek(max(number, -base), WHENCE[what])
    if what == "readinto":
        buffer = bytearray(number)
        count = file.readinto(buffer)
        return bytes(buffer[:count])
    return file.read(number) if what == "read" else file.readline(number)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8))
def test_it_does_what_a_file_in_memory_does(lines: OpenFile, steps: list[tuple[str, int]]) -> None:
    """Whatever is read, and from wherever."""
    lines.seek(0)
    model = io.BytesIO(LINES)
    for what, number in steps:
        assert step(lines, what, number) == step(model, what, number)
        assert lines.tell() == model.tell()


def test_libraries_read_it(domicile: Domicile, lines: OpenFile) -> None:
    """Lines of text, through a buffer; and a ZIP file, which is read from its end."""
    text = io.TextIOWrapper(io.BufferedReader(lines, 1 << 20), encoding="utf-8")
    assert [json.loads(line)["n"] for line in text] == list(range(3000))

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", LINES)
        archive.writestr("b.txt", b"second")
    with zipfile.ZipFile(opened(domicile, packed.getvalue())) as archive:
        assert archive.testzip() is None
        assert archive.read("a.jsonl") == LINES
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(opened(domicile, b"short"))


def test_a_line_is_not_a_request_for_each_byte(
    lines: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a buffer: a line asks once."""
    asked, read_range = list[tuple[int, int]](), lines.read_range

    def noted(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return read_range(start, stop)

    monkeypatch.setattr(lines, "read_range", noted)
    assert [lines.readline() for _ in range(5)] == LINES.splitlines(keepends=True)[:5]
    assert len(asked) == 5


def test_a_read_that_fails_is_repeated_whole(
    lines: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had read before the error is not left out."""
    monkeypatch.setattr(files, "CHUNK", 1000)
    monkeypatch.setattr(files, "_LINE", 10)
    asked, read_range = iter(range(1000)), lines.read_range

    def failing(start: int, stop: int) -> bytes:
        if next(asked) == 2:
            raise Unavailable
        return read_range(start, stop)

    for read in (lines.read, lines.readline):
        lines.seek(200)
        asked = iter(range(1000))
        monkeypatch.setattr(lines, "read_range", failing)
        with pytest.raises(Unavailable):
            read()
        monkeypatch.undo()
        assert lines.tell() == 200
        expected = LINES[200:] if read == lines.read else LINES[200 : LINES.index(b"\n", 200) + 1]
        assert read() == expected
        monkeypatch.setattr(files, "_LINE", 10)


def test_it_ends_like_a_file(lines: OpenFile) -> None:
    """It reads nothing past its end, and refuses a negative position and reads after close."""
    assert lines.seek(5, io.SEEK_END) == len(LINES) + 5
    assert lines.read() == lines.read(3) == lines.readline() == b""
    with pytest.raises(OSError, match="before the beginning"):
        lines.seek(-1)
    with pytest.raises(ValueError, match="whence"):
        lines.seek(0, 3)
    assert lines.read(1 << 60) == b""
    assert not lines.writable()
    lines.close()
    for call in (lines.tell, lines.read, lines.readline, lambda: lines.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_each_read_is_decided_anew(domicile: Domicile) -> None:
    """What is erased while it is open cannot be read any further."""
    tenant = domicile.tenant()
    known = tenant.put_file([b"a" * 100]).id
    with tenant.open(known, purpose=Purpose.SERVE) as file:
        assert file.read(10) == b"a" * 10
        tenant.delete(known)
        with pytest.raises(Erased):
            file.read(10)
