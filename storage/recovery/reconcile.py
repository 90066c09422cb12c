"""Reconcile: compare a restored catalog with its backends, in one pass over both.

Both sides are read in the order of keys, in which all replicas of an object are neighbors. So an
object is compared when its last key has passed, and only one is in memory at a time.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from heapq import merge
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.replicas import KnownReplica, all_replicas
from storage.errors import BackendError
from storage.model import ReplicaState
from storage.ports import ItemKind
from storage.region import OpenRegion

_KEY = re.compile(r"([a-z_]+)/(\d{4}-\d\d-\d\d|\d{16}|kept)/([0-9a-f]{32})-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Name:
    """The parts of a key. ``partition``: expiry day, ``kept``, or a number."""

    kind: ObjectKind
    partition: str
    object_id: UUID

    @property
    def day(self) -> date | None:
        """The expiry day of its records."""
        return date.fromisoformat(self.partition) if "-" in self.partition else None

    @property
    def number(self) -> int | None:
        """The number of a ledger entry, or of an object of the log."""
        return int(self.partition) if self.partition.isdigit() else None


@dataclass(frozen=True, slots=True)
class Listed:
    """A key that a backend lists."""

    key: str
    backend: str
    size: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One object on which catalog and backends disagree.

    ``listed``: keys that backends list, each with its backend; ``orphans``: those of them that the
    catalog lacks. ``absent``: stored replicas that their backend does not list. ``state``: None if
    the catalog lacks the object. ``lost``: it has not expired, and no answering backend has it.
    """

    name: Name
    state: ObjectState | None
    size: int
    listed: Mapping[str, str]
    orphans: Mapping[str, str]
    absent: Collection[UUID]
    lost: bool
    unfinished: bool  # ``writing`` in the catalog, and on a backend


def name_of(key: str) -> Name | None:
    """Parse a key. None: it is not a key of Domicile."""
    found = _KEY.fullmatch(key)
    if found is None or found[1] not in set(ObjectKind):
        return None
    return Name(ObjectKind(found[1]), found[2], UUID(found[3]))


def reconcile(
    region: OpenRegion, connection: Connection, backends: Collection[str], silent: set[str]
) -> Iterator[Difference]:
    """Yield every object on which catalog and backends disagree, except ledger entries.

    A backend that does not answer is added to ``silent``; nothing counts as absent from it.
    """
    today = region.clock.now().date()
    listings = [_listing(region, name, silent) for name in backends]
    both: Iterable[Listed | KnownReplica] = merge(
        *listings, all_replicas(connection), key=attrgetter("key")
    )
    for _, some in groupby(both, key=lambda x: x.key[:-33]):
        sides = list(some)
        name = name_of(sides[0].key)
        if name is not None and name.kind is not ObjectKind.LEDGER:
            difference = _judge(name, sides, silent, today)
            if difference is not None:
                yield difference


def by_partition(differences: Iterable[Difference]) -> Iterator[list[Difference]]:
    """Group the differences by kind and expiry day."""
    for _, some in groupby(differences, key=lambda d: (d.name.kind, d.name.day)):
        yield list(some)


def _listing(region: OpenRegion, name: str, silent: set[str]) -> Iterator[Listed]:
    try:
        for trace in region.backends[name].scan():
            if trace.kind is not ItemKind.MARKER:
                yield Listed(trace.key, name, trace.size)
    except BackendError:
        silent.add(name)


def _judge(
    name: Name, sides: Iterable[Listed | KnownReplica], silent: Collection[str], today: date
) -> Difference | None:
    listed = {x.key: x for x in sides if isinstance(x, Listed)}
    known = {x.key: x for x in sides if isinstance(x, KnownReplica)}
    state = next((x.object_state for x in known.values()), None)
    orphans = {key: x.backend for key, x in listed.items() if key not in known}
    stored = [x for x in known.values() if x.state is ReplicaState.STORED]
    gone = [x for x in stored if x.key not in listed and x.backend not in silent]
    lasting = state is ObjectState.STORED and (name.day is None or name.day > today)
    absent = {x.replica for x in gone} if lasting else set()
    lost = bool(absent) and len(absent) == len(stored) and not orphans
    unfinished = state is ObjectState.WRITING and bool(listed)
    if not (orphans or absent or unfinished):
        return None
    size = max((x.size for x in listed.values()), default=0)
    at = {key: x.backend for key, x in listed.items()}
    return Difference(name, state, size, at, orphans, absent, lost, unfinished)
