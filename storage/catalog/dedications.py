"""Dedicated backends: whether one has what is not of the tenants whose own it is."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, any_, literal, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind
from storage.errors import BackendShared
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c


def check(connection: Connection, region: str, owners: Mapping[str, Collection[str]]) -> None:
    """Raise BackendShared if a dedicated backend has anything of others, or that several share.

    ``owners``: for each dedicated backend the tenants whose own it is. It looks at every replica on
    these backends: two million take a second.
    """
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
            f"The topology of {region} dedicates {', '.join(wrong)}, "
            "which the catalog knows to have data of others."
        )
