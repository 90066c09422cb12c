"""What is stored, whatever the store reports: bytes on backends, rows in catalogs."""

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
OF_THE_LOG = ("log_tiles/", "log_lines/", "checkpoint/")
OF_THE_REGION = ("ledger/", *OF_THE_LOG)
"""How the keys begin of what tells of the region, and outlives its records."""
_READABLE = (ItemKind.OBJECT, ItemKind.VERSION)

o, r = t.object_.c, t.replica.c


def manifest_size(pack: bytes) -> int:
    """Return the size of the manifest at the end of a pack."""
    return int.from_bytes(pack[-16:-8]) + 16 if pack.endswith(b"domicile") else 0


def home(domicile: Domicile) -> OpenRegion:
    """Return the region that the tests work in."""
    return home_of(domicile.store)


def home_of(store: Store) -> OpenRegion:
    """Return the region that the tests work in, of any store."""
    return homes_of(store).served(HOME).region


def homes_of(store: Store) -> Homes:
    """Return the regions of a store. It has no public attribute for them."""
    return store._homes


def wait_until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until ``what`` returns True. Raises AssertionError after ``seconds``."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise AssertionError("it did not come to pass")
        time.sleep(0.005)


def ciphertexts(domicile: Domicile, *ids: object) -> list[bytes]:
    """Return the ciphertext of records as the backends have it now."""
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
    """Return the backends that have these bytes in any version of any object."""
    return {
        name
        for name, backend in domicile.backends.items()
        if any(sample in data for data in contents(backend.inner))
    }


def contents(backend: Backend) -> Iterable[bytes]:
    """Yield every version of every object."""
    for trace in backend.scan():
        if trace.kind in _READABLE:
            yield backend.get(trace.key, version=trace.handle)


def orphans(region: OpenRegion) -> list[StoredItem]:
    """Return what backends have without a row. Invariant 2: nothing."""
    with region.catalog.begin() as connection:
        known = set(connection.scalars(select(r.key).where(r.state != ReplicaState.GONE)))
    return [
        trace
        for backend in region.backends.values()
        for trace in backend.scan()
        if trace.key not in known
    ]


def orphans_on_backends(domicile: Domicile) -> list[StoredItem]:
    """Return orphans as ``orphans`` does, past any fault of the backends."""
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
    """Return the number of objects of a kind, by state."""
    with region.catalog.begin() as connection:
        rows = connection.execute(
            select(o.state, func.count()).where(o.kind == kind).group_by(o.state)
        )
        return {row[0]: row[1] for row in rows}


def replica_states(region: OpenRegion, object_id: UUID) -> set[tuple[str, str]]:
    """Return backend and state of each replica of an object."""
    with region.catalog.begin() as connection:
        rows = connection.execute(select(r.backend, r.state).where(r.object_id == object_id))
        return {(row[0], row[1]) for row in rows}


def pack_ids(region: OpenRegion) -> list[UUID]:
    """Return the packs that the catalog knows, oldest first."""
    with region.catalog.begin() as connection:
        return list(connection.scalars(select(o.id).where(o.kind == "pack").order_by(o.id)))


def last_landing(region: OpenRegion) -> datetime:
    """Return the latest time at which an announced write can take effect."""
    with region.catalog.begin() as connection:
        latest: datetime = connection.execute(select(func.max(r.land_by))).scalar_one()
        return latest
