"""Change how long a tenant keeps a class, as an operator does."""

from dataclasses import replace

from storage.model import DataClass
from storage.testing import Domicile


def keep(domicile: Domicile, tenant: str, **days: int | None) -> None:
    """Set the days of classes; None: those of the topology again."""
    known = domicile.store.admin.tenants.get(tenant)
    changed = {DataClass(name): n for name, n in days.items() if n is not None}
    others = {name: n for name, n in known.retention.items() if name.value not in days}
    domicile.store.admin.tenants.ensure(replace(known, retention={**others, **changed}))
