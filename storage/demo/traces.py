"""What the proof looks for: the traces that each record leaves, all of them unreadable.

Everything is encrypted, so looking for plain text would prove nothing. Every record leaves bytes
that are its own: ciphertext on the backends; in the catalog its wrapped key, its sealed metadata
and the pseudonyms of its user and its conversation. (Its id stays with its caller in any case.)
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, Table, select

from storage.catalog import objects
from storage.catalog import tables as t
from storage.client.store import Store
from storage.demo.conversations import Conversation
from storage.demo.search_targets import catalog_name
from storage.model import ReplicaState
from storage.region import OpenRegion

_SAMPLE: Final = 32  # bytes of ciphertext
_EVERY: Final = 1024 * 1024  # a large record gives a sample of each so many bytes
_TEXT: Final = 32  # bytes of a text: long enough to be nobody else's
_SHORT: Final = 12  # a text of fewer bytes ("Thank you!") is nobody's own


class Kind(StrEnum):
    """What a trace is."""

    SAMPLE = "samples of ciphertext"
    KEY = "wrapped record keys"
    METADATA = "sealed metadata"
    PSEUDONYM = "pseudonyms"


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces of one kind of one party, and the places where they belong: each has all of them."""

    whose: str
    kind: Kind
    places: tuple[str, ...]
    values: frozenset[bytes]


def collect(
    store: Store, parties: Sequence[str], whose: Callable[[Table, str, bytes | None], str]
) -> list[Traces]:
    """The traces of all records that there are.

    ``whose`` gives the party of a row's table, tenant and subject. ``parties`` are in the order in
    which they go: what several of them share goes with the last.
    """
    found: list[Traces] = []
    for served in store.regions.values():
        for table in (t.record, t.file):
            with served.open.catalog.begin() as connection:
                rows = connection.execute(select(table)).all()
            own = defaultdict(list)
            for row in rows:
                own[whose(table, row.tenant, row.subject)].append(row)
            for party, some in own.items():
                found += _of(served.open, party, some)
    return list(_disjoint(sorted(found, key=lambda traces: parties.index(traces.whose))))


def texts_of(conversations: Iterable[Conversation]) -> frozenset[bytes]:
    """A distinctive piece of every message: what must be nowhere in plain."""
    bodies = (m.content.encode() for c in conversations for m in c.messages)
    return frozenset(_middle(body, _TEXT) for body in bodies if len(body) >= _SHORT)


def names_of(conversations: Iterable[Conversation]) -> frozenset[bytes]:
    """The names of users and conversations."""
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
    """Ciphertext of each record, read from its place in its pack, and where else it must be."""
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
    """The parts of a record from which a sample is taken."""
    for done in range(0, max(length - _SAMPLE, 1), _EVERY):
        yield start + done, min(length - done, _EVERY)


def _middle(data: bytes, size: int) -> bytes:
    start = max(0, (len(data) - size) // 2)
    return data[start : start + size]


def _disjoint(found: Sequence[Traces]) -> Iterator[Traces]:
    """Each value with one party only; a party without any of a kind is left out."""
    for n, one in enumerate(found):
        later = [other.values for other in found[n + 1 :] if other.kind is one.kind]
        own = one.values.difference(*later)
        if own:
            yield Traces(one.whose, one.kind, one.places, own)
