"""What tests look for: bytes on backends, and rows in catalogs, whatever the store says."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from storage.catalog import tables as t
from storage.client.homes import Homes
from storage.client.store import Store
from storage.model import ReplicaState
from storage.ports import Backend, ItemKind, StoredItem
from storage.region import OpenRegion
from storage.testing import Domicile

HOME = "eu-central-1"
_READABLE = (ItemKind.OBJECT, ItemKind.VERSION)

o, r = t.object_.c, t.replica.c


def manifest_size(pack: bytes) -> int:
    """How many bytes at the end of a pack say what was moved to it."""
    return int.from_bytes(pack[-16:-8]) + 16 if pack.endswith(b"domicile") else 0


def home(domicile: Domicile) -> OpenRegion:
    """The region that the tests work in."""
    return home_of(domicile.store)


def home_of(store: Store) -> OpenRegion:
    """The same of any store."""
    return homes_of(store).served(HOME).region


def homes_of(store: Store) -> Homes:
    """What is below a store. It has no public attribute for that."""
    return store._homes


def wait_until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it is so. Raises AssertionError if that does not come to pass in time."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise AssertionError("it did not come to pass")
        time.sleep(0.005)


def ciphertexts(domicile: Domicile, *ids: object) -> list[bytes]:
    """The ciphertext of records as it lies on the backends now."""
    region = home(domicile)
    found = []
    for record_id in ids:
        unique = getattr(record_id, "unique")  # noqa: B009 - an id of any kind
        for table in (t.record, t.file):
            c = table.c
            query = (
                select(c.start, c.length, r.backend, r.key)
                .join(t.replica, r.object_id == c.object_id)
                .where(c.uid == unique, r.state == ReplicaState.STORED)
            )
            with region.catalog.begin() as connection:
                rows = connection.execute(query).all()
            found += [
                region.backends[row.backend].get(row.key, row.start, row.start + row.length)
                for row in rows[:1]
            ]
    assert len(found) == len(ids)
    return found


def backends_with(domicile: Domicile, sample: bytes) -> set[str]:
    """The backends that hold these bytes in any version of any object."""
    return {
        name
        for name, backend in domicile.backends.items()
        if any(sample in data for data in contents(backend.inner))
    }


def contents(backend: Backend) -> Iterable[bytes]:
    """Every version of every object."""
    for trace in backend.scan():
        if trace.kind in _READABLE:
            yield backend.get(trace.key, version=trace.handle)


def orphans(region: OpenRegion) -> list[StoredItem]:
    """What backends hold and no row knows of: invariant 2 says that there is none."""
    with region.catalog.begin() as connection:
        known = set(connection.scalars(select(r.key).where(r.state != ReplicaState.GONE)))
    return [
        trace
        for backend in region.backends.values()
        for trace in backend.scan()
        if trace.key not in known
    ]


def orphans_on_backends(domicile: Domicile) -> list[StoredItem]:
    """The same of all that the home region's backends hold, whatever they answer."""
    region = home(domicile)
    with region.catalog.begin() as connection:
        known = set(connection.scalars(select(r.key).where(r.state != ReplicaState.GONE)))
    return [
        trace
        for name in region.backends
        for trace in domicile.backends[name].inner.scan()
        if trace.key not in known
    ]


def object_states(region: OpenRegion, kind: str = "pack") -> Mapping[str, int]:
    """How many objects of that kind are in which state."""
    with region.catalog.begin() as connection:
        rows = connection.execute(
            select(o.state, func.count()).where(o.kind == kind).group_by(o.state)
        )
        return {row[0]: row[1] for row in rows}


def replica_states(region: OpenRegion, object_id: UUID) -> set[tuple[str, str]]:
    """Backend and state of each replica of an object."""
    with region.catalog.begin() as connection:
        rows = connection.execute(select(r.backend, r.state).where(r.object_id == object_id))
        return {(row[0], row[1]) for row in rows}


def pack_ids(region: OpenRegion) -> list[UUID]:
    """The packs that the catalog knows, oldest first."""
    with region.catalog.begin() as connection:
        return list(connection.scalars(select(o.id).where(o.kind == "pack").order_by(o.id)))


def last_landing(region: OpenRegion) -> datetime:
    """When the last attempt that the catalog knows can have taken effect."""
    with region.catalog.begin() as connection:
        latest: datetime = connection.execute(select(func.max(r.land_by))).scalar_one()
        return latest
