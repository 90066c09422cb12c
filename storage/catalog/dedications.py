"""Dedicated backends: whether one has what is not of the tenants whose own it is."""

from sqlalchemy import Connection, any_, literal, select

from regions.model import Region
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind
from storage.errors import BackendShared
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c


def check(connection: Connection, region: Region) -> None:
    """Raise BackendShared if a dedicated backend has anything of others, or that several share.

    It looks at every replica on the dedicated backends: two million take a second. Call it before a
    topology is noted, because one that is in use was looked at.
    """
    owners = {s.name: s.dedicated_to for s in region.backends if s.dedicated_to}
    if not owners:
        return
    found = connection.execute(
        select(r.backend, o.tenant)
        .distinct()
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == any_(literal(list(owners), o.backends.type)))
        .where(r.state != ReplicaState.GONE, o.kind != ObjectKind.CANARY)
    )
    wrong = sorted({name for name, tenant in found if tenant not in owners[name]})
    if wrong:
        raise BackendShared(
            f"The topology of {region.name} dedicates {', '.join(wrong)}, "
            "which the catalog knows to have data of others."
        )
