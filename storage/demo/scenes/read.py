"""Scenes 3 and 4: reads, and a streamed fine-tuning file."""

import hashlib
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

from storage.demo.conversations import tuning_file
from storage.demo.stage import EU, FILE_NAME, US, Stage
from storage.errors import DomicileError
from storage.model import Purpose, RecordId
from storage.text import format_size

_READS: Final = 100
_OPENED: Final = "opened"
_FILE: Final = 8 * 1024 * 1024 + 12_345
_START, _STOP = 1024 * 1024 - 50, 1024 * 1024 + 50  # across a chunk boundary


def read(stage: Stage) -> None:
    """Read records, and try reads that the policy forbids."""
    stage.narrator.section(
        "Reads fetch exactly the bytes of the record",
        stage.when(),
        "A record is decrypted for its own tenant only, for a purpose that the policy allows.",
    )
    tenant, kept = stage.tenant(EU), stage.kept[EU]
    took = [_timed(partial(tenant.get, one.id, purpose=Purpose.SERVE)) for one in kept[:_READS]]
    stage.narrator.good(
        f"{len(took)} records read and decrypted, {median(took) * 1000:.1f} ms each (median)"
    )
    _try_forbidden_reads(stage, kept[0].id)


def _try_forbidden_reads(stage: Stage, record_id: RecordId) -> None:
    """Try to read a record in ways that the policy forbids."""
    who = (
        ("its own tenant, to train a model", EU, Purpose.TRAIN),
        ("its own tenant, for a legal matter", EU, Purpose.LEGAL),
        ("another tenant that has the id", US, Purpose.SERVE),
    )
    rows = [
        [reader, _result_of(partial(stage.tenant(tenant).get, record_id, purpose=purpose))]
        for reader, tenant, purpose in who
    ]
    stage.narrator.table(["the first of them, read by", "result"], rows, wide=1)
    if any(result == _OPENED for _, result in rows):
        stage.narrator.bad("A forbidden read was answered with content")


def stream_file(stage: Stage) -> None:
    """Store a file from a stream; read all of it, and a range."""
    stage.narrator.section(
        "A fine-tuning file is streamed in and out",
        stage.when(),
        "Any size takes constant memory, and a range is read alone. The file is kept until its "
        "owner deletes it.",
    )
    tenant = stage.tenant(EU)
    sent, received = hashlib.sha256(), hashlib.sha256()
    tracemalloc.start()
    began = perf_counter()
    put = tenant.put_file(_through(sent, tuning_file(_FILE)), filename=FILE_NAME)
    stored = perf_counter()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stage.file = put.id
    stage.narrator.good(
        f"{format_size(_FILE)} encrypted and stored on two backends with at most "
        f"{format_size(peak)} of memory",
        stored - began,
    )
    with tenant.open(put.id, purpose=Purpose.SERVE) as file:
        for _ in _through(received, file.chunks()):
            pass
        part = file.read_range(_START, _STOP)
    same = sent.digest() == received.digest()
    stage.narrator.check(
        same,
        f"Read back with the same SHA-256: {received.hexdigest()[:16]}...",
        "The file was read back with another SHA-256",
    )
    whole = b"".join(tuning_file(_FILE))
    stage.narrator.check(
        part == whole[_START:_STOP],
        f"Bytes {_START:,} to {_STOP:,} read alone: correct",
        "The range was read back with other bytes",
    )


def _through(digest: "hashlib._Hash", pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _result_of(ask: Callable[[], object]) -> str:
    try:
        ask()
    except DomicileError as error:
        return f"{error.code}: {error.message}"
    return _OPENED
