"""An export: what is kept of one subject, as a ZIP that is made while it is read."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import RawIOBase
from itertools import chain
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from storage.client.files import OpenFile
from storage.client.validate import check_purpose, check_text
from storage.errors import (
    Corrupt,
    DomicileError,
    Erased,
    Expired,
    InvalidRequest,
    KeyUnavailable,
    NotFound,
)
from storage.model import DataClass, Page, Purpose, RecordId, RecordInfo

Pages = Callable[[DataClass | None, RecordId | None], Page]
"""Returns the page of a class, or of all, after a record."""

_PURPOSES = frozenset({Purpose.SERVE, Purpose.SUBJECT_REQUEST})
_RECORDS = "records.jsonl"
_FILE = DataClass.FINE_TUNING_FILE
_GONE = (NotFound, Erased, Expired)
_LOST = (Corrupt, KeyUnavailable)


def check_export(subject: object, purpose: object) -> None:
    """Raise InvalidRequest unless a subject's data may be exported for that purpose at all."""
    check_text("subject", subject)
    check_purpose(purpose)
    if purpose not in _PURPOSES:
        raise InvalidRequest(
            "An export is for serve or subject_request.",
            advice="Open records one by one for another purpose.",
        )


def archive(pages: Pages, open_: Callable[[RecordId], OpenFile]) -> Iterator[bytes]:
    """Yield a ZIP: a line for each record, then each file and what is known of it.

    A record that is erased, or expires, before its turn is left out. Of one that nobody can read
    any more there is a line with the error. Any other error ends it: what was yielded until then is
    no ZIP.
    """
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as whole:
        with whole.open(_RECORDS, "w", force_zip64=True) as lines:
            for info in _each(pages, None):
                if info.data_class is not _FILE:
                    _add_line(lines, info, open_)
                    yield from sink.taken()
        for info in _each(pages, _FILE):
            for _ in _add_file(whole, info, open_):
                yield from sink.taken()
    yield from sink.taken()


def _each(pages: Pages, data_class: DataClass | None) -> Iterator[RecordInfo]:
    after: RecordId | None = None
    while True:
        page = pages(data_class, after)
        yield from page
        if not page.has_more:
            return
        after = page.cursor


def _add_line(lines: IO[bytes], info: RecordInfo, open_: Callable[[RecordId], OpenFile]) -> None:
    with suppress(*_GONE):
        try:
            file = open_(info.id)
            line = {**_known(file.info, file.metadata), **_content(b"".join(file.chunks()))}
        except _LOST as error:
            line = _lost(info, error)
        lines.write(_json(line) + b"\n")


def _add_file(
    whole: ZipFile, info: RecordInfo, open_: Callable[[RecordId], OpenFile]
) -> Iterator[None]:
    """Add a file, and yield now and then. One that fails after its first bytes raises."""
    name = f"files/{info.id}"
    try:
        file = open_(info.id)
        chunks = file.chunks()
        first = next(chunks, b"")
    except _GONE:
        return
    except _LOST as error:
        whole.writestr(_entry(f"{name}.json", info), _json(_lost(info, error)))
        return
    known = _json(_known(file.info, file.metadata))
    whole.writestr(_entry(f"{name}.json", info), known)
    with whole.open(_entry(name, info), "w", force_zip64=True) as content:
        for chunk in chain([first], chunks):
            content.write(chunk)
            yield


def _entry(name: str, info: RecordInfo) -> ZipInfo:
    entry = ZipInfo(name, info.written.timetuple()[:6])
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _lost(info: RecordInfo, error: DomicileError) -> dict[str, object]:
    """Return what is known of a record whose content is lost. Raises what may be over later."""
    if error.retryable:
        raise error
    return {**_known(info, {}), "error": error.code}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _known(info: RecordInfo, metadata: Mapping[str, object]) -> dict[str, object]:
    return {
        "id": str(info.id),
        "class": info.data_class.value,
        "minted": info.id.minted.isoformat(),
        "written": info.written.isoformat(),
        "readable_until": None if info.readable_until is None else info.readable_until.isoformat(),
        "deleted_by": None if info.deadline is None else info.deadline.isoformat(),
        "incomplete": info.incomplete,
        "origin": None if info.origin is None else info.origin.date.isoformat(),
        "size": info.size,
        "metadata": dict(metadata),
    }


def _content(body: bytes) -> Mapping[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


class _Sink(RawIOBase):
    """Where the ZIP is written to; what was written is taken from it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b"".join(pieces)
