"""Scenes 3 and 4: reads, and a fine-tuning file that is streamed."""

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
_GIVEN: Final = "It was given."
_FILE: Final = 8 * 1024 * 1024 + 12_345
_START, _STOP = 1024 * 1024 - 50, 1024 * 1024 + 50  # across the end of a sealed chunk


def read(stage: Stage) -> None:
    """Read records, and ask for what may not be read."""
    stage.tell.section(
        "Reads: one ranged request for exactly the record's bytes",
        stage.when(),
        "Content is opened for a purpose that the policy allows, for the tenant whose it is.",
    )
    tenant, kept = stage.tenant(EU), stage.kept[EU]
    took = [_timed(partial(tenant.get, one.id, purpose=Purpose.SERVE)) for one in kept[:_READS]]
    stage.tell.good(
        f"{len(took)} records read and decrypted, {median(took) * 1000:.1f} ms each (median)"
    )
    _ask_for(stage, kept[0].id)


def _ask_for(stage: Stage, record_id: RecordId) -> None:
    """Ask for a record as nobody may."""
    who = (
        ("its own tenant, to train a model", EU, Purpose.TRAIN),
        ("its own tenant, for a legal matter", EU, Purpose.LEGAL),
        ("another tenant, who knows the id", US, Purpose.SERVE),
    )
    rows = [
        [told, _answer(partial(stage.tenant(tenant).get, record_id, purpose=purpose))]
        for told, tenant, purpose in who
    ]
    stage.tell.table(["the first of them, asked for by", "answer"], rows, wide=1)
    if any(answer == _GIVEN for _, answer in rows):
        stage.tell.bad("It was given to one who may not have it")


def stream_file(stage: Stage) -> None:
    """Store a file from a stream, read it back whole and in part."""
    stage.tell.section(
        "A fine-tuning file, streamed in and out",
        stage.when(),
        "Any size in constant memory; a range is read without the rest; kept until its owner "
        "deletes it.",
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
    stage.tell.good(
        f"{format_size(_FILE)} in pieces of 64 KiB sealed and stored on two backends; "
        f"at no time more than {format_size(peak)} in memory",
        stored - began,
    )
    with tenant.open(put.id, purpose=Purpose.FINE_TUNE) as file:
        for _ in _through(received, file.chunks()):
            pass
        part = file.read_range(_START, _STOP)
    same = sent.digest() == received.digest()
    stage.tell.check(
        same, f"Read back: the same SHA-256, {received.hexdigest()[:16]}...", "Other bytes!"
    )
    whole = b"".join(tuning_file(_FILE))
    stage.tell.check(
        part == whole[_START:_STOP],
        f"Bytes {_START:,} to {_STOP:,} alone: as they were",
        "Other bytes!",
    )


def _through(digest: "hashlib._Hash", pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _answer(ask: Callable[[], object]) -> str:
    try:
        ask()
    except DomicileError as error:
        return f"{error.code}: {error.message}"
    return _GIVEN
