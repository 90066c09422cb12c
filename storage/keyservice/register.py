"""What a key service looks up for itself, with its own login to the catalog."""

from dataclasses import dataclass
from typing import Protocol

from storage.catalog import grants, holds, kept, logins, roster
from storage.catalog.engine import Catalog
from storage.model import Grant, Hold, RosterEntry, StaffPermit, TenantSpec
from storage.policy import KeptRecord


@dataclass(frozen=True, slots=True)
class Found:
    """The grant with its hold, what the roster says of the person, the tenant and the record.

    ``counted``: the opening of the record is counted against the grant.
    """

    grant: Grant | None
    hold: Hold | None
    entry: RosterEntry | None
    tenant: TenantSpec | None
    record: KeptRecord | None
    counted: bool


class Register(Protocol):
    """Finds what a permit names."""

    def find(self, permit: StaffPermit) -> Found:
        """Return what exists of it, as it is now. Raises Unavailable if that cannot be read."""
        ...


class CatalogRegister:
    """The register of a region: its catalog. Implements ``Register``."""

    def __init__(self, catalog: Catalog, *, own_login: bool = False) -> None:
        """``own_login``: refuse one that may do more than look up what a permit names."""
        self._catalog = catalog
        self._own_login = own_login

    def find(self, permit: StaffPermit) -> Found:
        with self._catalog.begin() as connection:
            if self._own_login:  # each time: a role may be granted after the start
                logins.check_looks_up_only(connection)
            grant = grants.find(connection, self._catalog.region, permit.grant)
            entry = roster.entry(connection, permit.actor.id)
            named = [grant.hold] if grant is not None and grant.hold is not None else []
            hold = next(iter(holds.show(connection, self._catalog.region, named)), None)
            tenant = kept.tenant(connection, permit.tenant)
            record = kept.find(connection, permit.tenant, permit.record, *named)
            counted = grants.used(connection, permit.grant, permit.record.unique)
            return Found(grant, hold, entry, tenant, record, counted)
