"""Dedicated backends: whether one has what is not of the tenants whose own it is."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, and_, any_, literal, or_, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind
from storage.errors import BackendShared
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c

_TELLING = (ObjectKind.DAY_KEY, ObjectKind.LEDGER)
"""What every shared backend has that was ever written to. They are few, and found by an index."""


def check(connection: Connection, region: str, owners: Mapping[str, Collection[str]]) -> None:
    """Raise BackendShared if a dedicated backend has keys of other tenants, or the ledger.

    ``owners``: for each dedicated backend the tenants whose own it is.
    """
    if not owners:
        return
    telling = or_(*(and_(r.key > f"{kind}/", r.key < f"{kind}0") for kind in _TELLING))
    found = connection.execute(
        select(r.backend, o.tenant)
        .distinct()
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == any_(literal(list(owners), o.backends.type)))
        .where(telling, r.state != ReplicaState.GONE)
    )
    wrong = sorted({name for name, tenant in found if tenant not in owners[name]})
    if wrong:
        raise BackendShared(
            f"The topology of {region} dedicates {', '.join(wrong)}, "
            "which the catalog knows to have data of others."
        )
