"""What a tenant's own service, or a copy for a processor, may open."""

from sqlalchemy import Connection

from regions.model import Purpose, Service
from storage.catalog import fences, records
from storage.catalog.records import Row
from storage.errors import Erased, NotFound
from storage.model import Actor, RecordId
from storage.packs.reader import Find, Permitted
from storage.policy import Openable, may_open, term_of
from storage.region import OpenRegion


def for_tenant(region: OpenRegion, actor: Actor, purpose: Purpose | Service) -> Find:
    """Return a ``Find`` for what an actor without a grant may open for a purpose.

    It raises NotFound, Erased, Expired or PurposeRefused.
    """

    def find(connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        found = records.find(connection, tenant, record_id)
        if found is None:
            raise absent(connection, tenant, record_id)
        record = openable(region, found.row, fenced=found.fenced)
        now = region.clock.now()
        return Permitted(
            found.row, may_open(region.topology, record, actor, purpose, now=now).demand()
        )

    return find


def openable(region: OpenRegion, row: Row, *, fenced: bool) -> Openable:
    """Return what the policy must know of a record."""
    until = term_of(row.id.day, region.topology.bounds).readable_until
    return Openable(
        row.tenant, row.id.unique, row.id.data_class, until, fenced, row.subject, row.group
    )


def absent(connection: Connection, tenant: str, record_id: RecordId) -> Erased | NotFound:
    """Return the error for a record that has no row: it may have been erased."""
    if fences.fenced_by_name(connection, tenant, record_id.unique, record_id.minted):
        return Erased()
    return NotFound(advice="Check the id and the tenant.")
