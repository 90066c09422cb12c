"""What a key service looks up for itself, with its own login to the catalog."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import kept
from storage.catalog.engine import Catalog
from storage.model import Grant, RosterEntry, StaffPermit
from storage.policy import KeptRecord

Found = tuple[Grant | None, RosterEntry | None, KeptRecord | None]
"""The grant, what the roster says of the person, and the record that a permit names."""


class Register(Protocol):
    """Finds what a permit names."""

    def find(self, permit: StaffPermit) -> Found:
        """Return what exists of it, as it is now. Raises Unavailable if that cannot be read."""
        ...


class CatalogRegister:
    """The register of a region: its catalog. Implements ``Register``."""

    def __init__(
        self,
        catalog: Catalog,
        grant: Callable[[Connection, UUID], Grant | None],
        entry: Callable[[Connection, str], RosterEntry | None],
    ) -> None:
        """``grant`` finds a grant by its id, ``entry`` the newest entry of an actor."""
        self._catalog = catalog
        self._grant = grant
        self._entry = entry

    def find(self, permit: StaffPermit) -> Found:
        with self._catalog.begin() as connection:
            grant = self._grant(connection, permit.grant)
            entry = self._entry(connection, permit.actor.id)
            hold = grant.hold if grant is not None else None
            return grant, entry, kept.find(connection, permit.tenant, permit.record, hold)
