"""The invariants of a cluster, checked on what its backends and catalogs really contain."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select, text, union

from storage.catalog import tables as t
from storage.evidence.receipts import verify
from storage.model import Erasure, ErasureState
from storage.ports import ItemKind
from tests.support.inspect.stored import homes_of, manifest_size
from tests.support.stories.cluster import Cluster
from tests.support.stories.model import Model, RecordModel

o, r = t.object_.c, t.replica.c

PLAIN = b"in-the-clear"  # is in every body, subject and metadata


def sample_of(cluster: Cluster, region: str, rec: RecordModel) -> bytes:
    """Return 32 bytes from the middle of a record's ciphertext, or all of a shorter one."""
    table = t.file if rec.id.day is None else t.record
    with cluster.looking(region) as connection:
        row = connection.execute(
            select(table.c.object_id, table.c.start, table.c.length).where(
                table.c.tenant == rec.tenant, table.c.uid == rec.id.unique
            )
        ).one_or_none()
        if row is None:  # erased meanwhile
            return b""
        places = connection.execute(
            select(r.backend, r.key).where(r.object_id == row.object_id, r.state == "stored")
        ).all()
    middle = max(0, row.length // 2 - 16)
    for backend, key in places:
        versions = cluster.memory(backend)._contents.versions.get(key)
        if versions and versions[-1].data is not None:
            sealed = versions[-1].data[row.start : row.start + row.length]
            return sealed[middle : middle + 32]
    return b""


def no_byte_without_a_row(cluster: Cluster) -> None:
    """Require for each key on a backend a row of the backend's own region that is not ``gone``."""
    for region in cluster.topology.regions:
        with cluster.looking(region) as connection:
            rows = {x.key: x for x in connection.execute(select(r.key, r.backend, r.state))}
        for spec in cluster.topology.regions[region].backends:
            held = cluster.memory(spec.name)._contents
            for key in {*held.versions, *(upload.key for upload in held.uploads.values())}:
                assert key in rows, f"{spec.name} holds {key}, which no row of {region} announces"
                row = rows[key]
                assert row.backend == spec.name, f"{key} belongs on {row.backend}: {spec.name}"
                assert row.state != "gone", f"{spec.name} holds {key}, which is said to be gone"
    assert not cluster.misplaced, cluster.misplaced


def no_row_abroad(cluster: Cluster, model: Model) -> None:
    """Require that a catalog has rows of its own tenants, and a dedicated pack of one tenant."""
    for region in cluster.topology.regions:
        home = {name for name, terms in model.tenants.items() if terms.home == region}
        dedicated = {name for name in home if model.tenants[name].dedicated}
        content = (t.record, t.file, t.erasure, t.fence, t.tenant)
        with cluster.looking(region) as connection:
            names = [select(x.c.tenant if x is not t.tenant else x.c.id) for x in content]
            found = set(connection.scalars(union(*names, select(o.tenant)))) - {None}
            rows = select(t.record.c.tenant, t.record.c.object_id).union(
                select(t.file.c.tenant, t.file.c.object_id)
            )
            rows_of = rows.subquery()
            owned = connection.execute(
                select(rows_of.c.tenant, o.tenant).join(t.object_, o.id == rows_of.c.object_id)
            ).all()
        assert found <= home, f"{region} has rows of {found - home}"
        for tenant, owner in owned:
            assert owner in (None, tenant), f"a row of {tenant} is in a pack of {owner}"
            assert owner or tenant not in dedicated, f"{tenant} is in a shared pack"


def complete_in(cluster: Cluster, region: str) -> set[UUID]:
    """Return the erasures whose state is complete."""
    with cluster.looking(region) as connection:
        e = t.erasure.c
        return set(connection.scalars(select(e.id).where(e.state == ErasureState.COMPLETE)))


def certified(cluster: Cluster, region: str, erasure: Erasure) -> None:
    """Require that the erasure is complete and that its receipt matches it."""
    served = homes_of(cluster.processes[0].store).served(region).region
    assert erasure.receipt is not None
    receipt = verify(erasure.receipt, served.signing.public_key())
    own = {spec.name for spec in served.region.backends}
    told = (receipt.erasure, receipt.tenant, receipt.region, receipt.deleted, receipt.scope)

    assert erasure.outstanding == ()
    assert told == (erasure.id, erasure.tenant, region, erasure.deleted, erasure.scope)
    assert {leaf.backend for leaf in receipt.leaves} <= own
    assert all(leaf.how == "seen" for leaf in receipt.leaves)


def nothing_left(cluster: Cluster, region: str, recs: Iterable[RecordModel], because: str) -> None:
    """Require that no version and no upload in the region has a byte of these records."""
    recs = list(recs)
    keys = {(backend, key) for rec in recs for backend, key in rec.written}
    samples = {rec.sample: rec for rec in recs if rec.sample}
    for backend, key, data in cluster.contents(region):
        assert (backend, key) not in keys, f"{backend} holds {key}, written in vain; {because}"
        for sample, rec in samples.items():
            assert sample not in data, f"{backend} holds {rec} in {key}; {because}"


def no_row_left(cluster: Cluster, region: str, recs: Iterable[RecordModel]) -> None:
    """Require that no record of these has a row, unless its id was used again."""
    names = {(rec.tenant, rec.id.unique): rec for rec in recs}
    with cluster.looking(region) as connection:
        for table in (t.record, t.file, t.held):
            for row in connection.execute(select(table.c.tenant, table.c.uid)):
                assert tuple(row) not in names, f"a row of {names[tuple(row)]}"


def no_plaintext(cluster: Cluster) -> None:
    """Require that no plaintext is on any backend."""
    for region in cluster.topology.regions:
        for backend, key, data in cluster.contents(region):
            assert PLAIN not in data, f"plaintext on {backend} under {key}"


# after recovery, with enough time passed


def at_rest(cluster: Cluster, region: str, now: datetime) -> None:
    """Require that no work is pending, and that nothing is stored that should be gone."""
    with cluster.looking(region) as connection:
        _objects_rest(cluster, connection, now)
        _packs_are_whole(connection, _manifests(cluster, region))
        _keys_are_used(connection, now)
        _days_are_over(connection, now)
        held = Counter(_held(cluster, region))
        said = connection.execute(select(r.backend, r.key).where(r.state == "stored"))
        assert held == Counter((x.backend, x.key, ItemKind.OBJECT) for x in said)


def _objects_rest(cluster: Cluster, connection: Connection, now: datetime) -> None:
    objects = connection.execute(select(o.id, o.kind, o.state, o.backends)).all()
    replicas = connection.execute(select(r.object_id, r.backend, r.state)).all()
    for row in objects:
        own = [(x.backend, x.state) for x in replicas if x.object_id == row.id]
        stored = sorted(backend for backend, state in own if state == "stored")
        lawful = {b for b in row.backends if cluster.active(b, now.date())}

        assert row.state == "stored", f"a {row.kind} is still {row.state}: {own}"
        assert {state for _, state in own} <= {"stored", "gone"}, f"a {row.kind} has {own}"
        assert lawful <= set(stored) <= set(row.backends), f"a {row.kind} is on {stored} alone"
        assert len(stored) == len(set(stored)), f"a {row.kind} is twice on one of {stored}"
    waiting = connection.scalar(select(func.count()).select_from(t.erasure_object))
    assert not waiting, "a complete erasure still waits"


def _manifests(cluster: Cluster, region: str) -> dict[UUID, int]:
    """Return the size of each pack's manifest."""
    return {
        UUID(key.split("/")[-1][:32]): manifest_size(data)
        for _, key, data in cluster.contents(region)
        if key.startswith("pack/")
    }


def _packs_are_whole(connection: Connection, manifests: Mapping[UUID, int]) -> None:
    """Require that every byte of a pack outside its manifest belongs to a record."""
    rows = union(
        select(t.record.c.object_id, t.record.c.start, t.record.c.length),
        select(t.file.c.object_id, t.file.c.start, t.file.c.length),
    ).subquery()
    alive = (
        select(rows.c.object_id, func.sum(rows.c.length).label("bytes"))
        .group_by(rows.c.object_id)
        .subquery()
    )
    packs = connection.execute(
        select(o.id, o.day, o.size, alive.c.bytes)
        .outerjoin(alive, alive.c.object_id == o.id)
        .where(o.kind == "pack")
    )
    for pack in packs:
        bodies = pack.size - manifests.get(pack.id, 0)
        assert bodies == pack.bytes, f"a pack of {bodies} bytes has {pack.bytes} alive"


def _keys_are_used(connection: Connection, now: datetime) -> None:
    files = select(t.file.c.key_id)
    unused = connection.scalars(select(o.id).where(o.kind == "file_key", o.id.not_in(files))).all()
    assert not unused, f"keys of no file: {unused}"
    ready = select(t.day_key.c.object_id).where(t.day_key.c.ready)
    idle = select(o.id).where(o.kind == "day_key", o.id.not_in(ready))
    assert not connection.scalars(idle).all(), "day keys that nobody uses"
    over = select(o.kind, o.day, o.state, o.announced).where(o.day <= now.date())
    late = connection.execute(over).all()
    assert not late, f"objects of days that are over: {late}"


def _days_are_over(connection: Connection, now: datetime) -> None:
    days = set(connection.scalars(select(t.day.c.day)))
    names = connection.scalars(
        text(
            "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = oid "
            "WHERE inhparent = 'record'::regclass"
        )
    )
    assert not {day for day in days if day <= now.date()}, "days that are over and still there"
    assert set(names) == {f"record_{day:%Y%m%d}" for day in days}
    orphans = connection.scalars(
        text("SELECT relname FROM pg_class WHERE relname ~ '^record_[0-9]{8}$'")
    )
    assert {f"record_{day:%Y%m%d}" for day in days} == set(orphans)
    late = select(func.count()).select_from(t.fence).where(t.fence.c.until < now)
    assert not connection.scalar(late), "fences that guard nothing any more"


def in_force(cluster: Cluster) -> list[UUID]:
    """Return the holds that are not released."""
    found: list[UUID] = []
    for region in cluster.topology.regions:
        with cluster.looking(region) as connection:
            found += connection.scalars(select(t.hold.c.id).where(t.hold.c.released.is_(None)))
    return found


def deleted_rows(connection: Connection) -> int:
    """Return the number of records that the erasures report as deleted."""
    return connection.scalar(select(func.coalesce(func.sum(t.erasure.c.deleted), 0))) or 0


def _held(cluster: Cluster, region: str) -> Iterable[tuple[str, str, ItemKind]]:
    for spec in cluster.topology.regions[region].backends:
        for trace in cluster.memory(spec.name).scan():
            yield spec.name, trace.key, trace.kind
