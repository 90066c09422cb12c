"""What the proof searches for: the encrypted traces that each record leaves.

All content is encrypted, so a search for plain text would prove nothing. Each record leaves bytes
of its own: ciphertext on the backends; in the catalog its wrapped key, its encrypted metadata and
the pseudonyms of its user and its conversation. (The caller keeps its id in any case.)
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, Table

from storage.catalog import contents, objects
from storage.catalog import tables as t
from storage.client.homes import Homes
from storage.demo.conversations import Conversation
from storage.demo.search_targets import catalog_name
from storage.model import ReplicaState
from storage.region import OpenRegion

_SAMPLE: Final = 32  # bytes of ciphertext
_EVERY: Final = 1024 * 1024  # bytes of a large record per sample
_TEXT: Final = 32  # bytes of a text: long enough to be unique
_SHORT: Final = 12  # shorter texts ("Thank you!") are not unique


class Kind(StrEnum):
    """The kinds of traces."""

    SAMPLE = "samples of ciphertext"
    KEY = "wrapped record keys"
    METADATA = "encrypted metadata"
    PSEUDONYM = "pseudonyms"


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces of one kind of one party. Each of ``locations`` must have all of them."""

    whose: str
    kind: Kind
    locations: tuple[str, ...]
    values: frozenset[bytes]


def collect(
    homes: Homes, parties: Sequence[str], whose: Callable[[Table, str, bytes | None], str]
) -> list[Traces]:
    """Return the traces of all records.

    ``whose`` returns the party for a row's table, tenant and subject. ``parties`` are in the order
    of their deletion: traces that several parties share belong to the last.
    """
    found: list[Traces] = []
    for served in homes.regions.values():
        for table in (t.record, t.file):
            with served.region.catalog.begin() as connection:
                rows = contents.rows(connection, table)
            own = defaultdict(list)
            for row in rows:
                own[whose(table, row.tenant, row.subject)].append(row)
            for party, some in own.items():
                found += _of(served.region, party, some)
    return list(_disjoint(sorted(found, key=lambda traces: parties.index(traces.whose))))


def texts_of(conversations: Iterable[Conversation]) -> frozenset[bytes]:
    """Return a unique piece of every message, which must never be found in plain text."""
    bodies = (m.content.encode() for c in conversations for m in c.messages)
    return frozenset(_middle(body, _TEXT) for body in bodies if len(body) >= _SHORT)


def names_of(conversations: Iterable[Conversation]) -> frozenset[bytes]:
    """Return the names of users and conversations."""
    return frozenset(name.encode() for c in conversations for name in (c.user, c.id))


def _of(region: OpenRegion, party: str, rows: Sequence[Row[Any]]) -> list[Traces]:
    catalog = (catalog_name(region.name),)
    pseudonyms = {name for row in rows for name in (row.subject, row.grp) if name is not None}
    samples, backends = _samples(region, rows)
    return [
        Traces(party, Kind.SAMPLE, backends, samples),
        Traces(party, Kind.KEY, catalog, frozenset(row.wrapped_key for row in rows)),
        Traces(
            party,
            Kind.METADATA,
            catalog,
            frozenset(row.sealed_metadata for row in rows if row.sealed_metadata is not None),
        ),
        Traces(party, Kind.PSEUDONYM, catalog, frozenset(pseudonyms)),
    ]


def _samples(
    region: OpenRegion, rows: Sequence[Row[Any]]
) -> tuple[frozenset[bytes], tuple[str, ...]]:
    """Return ciphertext of each record, read from its pack, and the backends that must have it."""
    with region.catalog.begin() as connection:
        ids = {row.object_id for row in rows}
        stored = objects.replicas_of(connection, ids, [ReplicaState.STORED])
    samples = set()
    for row in rows:
        first = stored[row.object_id][0]
        for start, length in _spans(row.start, row.length):
            sealed = region.backends[first.backend].get(first.key, start, start + length)
            samples.add(_middle(sealed, _SAMPLE))
    backends = {attempt.backend for attempts in stored.values() for attempt in attempts}
    return frozenset(samples), tuple(sorted(backends))


def _spans(start: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a record from which samples are taken."""
    for done in range(0, max(length - _SAMPLE, 1), _EVERY):
        yield start + done, min(length - done, _EVERY)


def _middle(data: bytes, size: int) -> bytes:
    start = max(0, (len(data) - size) // 2)
    return data[start : start + size]


def _disjoint(found: Sequence[Traces]) -> Iterator[Traces]:
    """Yield each value for one party only; leave out parties without values of a kind."""
    for n, one in enumerate(found):
        later = [other.values for other in found[n + 1 :] if other.kind is one.kind]
        own = one.values.difference(*later)
        if own:
            yield Traces(one.whose, one.kind, one.locations, own)
