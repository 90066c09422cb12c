"""Many sealed bodies with few requests: neighbours in a pack are read together."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from math import inf
from operator import attrgetter
from time import monotonic
from uuid import UUID

from storage.catalog.objects import Replica
from storage.catalog.records import Row
from storage.errors import BackendError
from storage.objects.transfer import read_order
from storage.region import OpenRegion

GAP = 64 * 1024  # bytes of others that are read rather than asked around
LARGEST = 8 * 1024 * 1024  # bytes of one request, unless one body is larger
_AT_ONCE = 8  # requests
_PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Span:
    """A range of an object, and the records in it, in order of their bytes."""

    object_id: UUID
    start: int
    stop: int
    rows: tuple[Row, ...]


def spans(rows: Sequence[Row]) -> Iterator[Span]:
    """Yield the ranges to read, so that each record is in one of them."""
    near: list[Row] = []
    for row in sorted(rows, key=attrgetter("object_id", "start")):
        if near and not _fits(near, row):
            yield _span(near)
            near = []
        near.append(row)
    if near:
        yield _span(near)


def _fits(near: Sequence[Row], row: Row) -> bool:
    first, last = near[0], near[-1]
    return (
        row.object_id == first.object_id
        and row.start <= last.start + last.length + GAP
        and row.start + row.length <= first.start + LARGEST
    )


def _span(near: Sequence[Row]) -> Span:
    first, last = near[0], near[-1]
    return Span(first.object_id, first.start, last.start + last.length, tuple(near))


def gather(
    region: OpenRegion,
    rows: Sequence[Row],
    stored: Mapping[UUID, Sequence[Replica]],
    until: float = inf,
) -> dict[bytes, bytes]:
    """Return sealed bodies by the unique part of their ids, as one replica returns them.

    One that cannot be read this way is not returned. ``stored``: the replicas of each object.
    ``until`` (monotonic): nothing is asked for later.
    """
    found: dict[bytes, bytes] = {}
    waiting = spans(rows)
    while monotonic() < until and (some := list(islice(waiting, _AT_ONCE))):
        asked = [(span, _ask(region, span, stored.get(span.object_id, ()))) for span in some]
        for span, answer in asked:
            data = _wait(region, answer)
            for row in span.rows:
                at = row.start - span.start
                if data is not None and at + row.length <= len(data):
                    found[row.id.unique] = data[at : at + row.length]
    return found


_Asked = tuple[str, Future[bytes]]


def _ask(region: OpenRegion, span: Span, replicas: Sequence[Replica]) -> _Asked | None:
    first = next((replica for replica, _ in read_order(region, replicas)), None)
    if first is None:
        return None
    try:
        get = region.readable(first.backend).get
    except BackendError:
        return None
    reading = region.readers.submit(get, first.key, span.start, span.stop, timeout=_PATIENCE)
    return first.backend, reading


def _wait(region: OpenRegion, asked: _Asked | None) -> bytes | None:
    """Return the answer; None if there is none in time."""
    if asked is None:
        return None
    backend, reading = asked
    try:
        return reading.result(_PATIENCE)
    except TimeoutError:
        if not reading.cancel():
            region.backends[backend].track(reading)
    except Exception:  # noqa: BLE001 - each record is read again alone, and says what is wrong
        return None
    return None
