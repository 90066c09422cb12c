"""Replace the metadata of a record: compare the version, seal, and write the row.

What was written first is what a retried ``put`` is compared with: the fingerprint stays.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from storage.catalog import days, holds
from storage.catalog import metadata as stored
from storage.catalog.engine import share_tenants
from storage.catalog.records import Row
from storage.crypto.record import metadata_text, seal_metadata_again
from storage.errors import Erased, Expired, InvalidRequest, MetadataConflict, Refused
from storage.model import DataClass, RecordId
from storage.packs.openings import absent
from storage.packs.reader import Opened, Reader, metadata_of, too_long
from storage.region import OpenRegion


def replace_metadata(
    region: OpenRegion,
    reader: Reader,
    tenant: str,
    record_id: RecordId,
    *,
    metadata: Mapping[str, object],
    version: int,
) -> int:
    """Replace the metadata that has that version. Return the version of the new one.

    ``reader``: of who may open the record. The same again gives the same. Raises MetadataConflict,
    Refused under a hold, InvalidRequest for an event, and what ``Reader.get`` raises.
    """
    if record_id.data_class is DataClass.EVENT:
        raise InvalidRequest(
            "The metadata of an event is what was logged.", advice="Log another event."
        )
    opened = reader.opened(tenant, record_id)
    if opened.row.metadata_version == version + 1 and _same(metadata_of(opened), metadata):
        return version + 1
    _check(opened.row, version)
    sealed = seal_metadata_again(opened.key, metadata, opened.aad, version + 1, region.entropy)
    region.catalog.run(lambda connection: _write(region, connection, opened, version, sealed))
    return version + 1


def _write(
    region: OpenRegion, connection: Connection, opened: Opened, version: int, sealed: bytes
) -> None:
    """Decide again, of the row as it is now, and write."""
    tenant, record_id = opened.row.tenant, opened.row.id
    holds.share(connection)
    share_tenants(connection, [tenant])
    if record_id.day is not None and not days.is_open(connection, record_id.day):
        raise Expired
    found = stored.lock(connection, tenant, record_id)
    if found is None:
        raise absent(connection, tenant, record_id)
    known, held = found
    if known.fenced:
        raise Erased
    if held:
        raise Refused(  # whose records a hold covers is not told
            "The metadata of the record cannot be replaced now.",
            advice="Ask whoever operates Domicile.",
        )
    if known.row.sealed_metadata == sealed:  # the answer of a commit was lost
        return
    if region.clock.now() >= opened.until:
        raise too_long()
    _check(known.row, version)
    stored.replace(connection, tenant, record_id, sealed, version + 1)


def _same(found: Mapping[str, object], given: Mapping[str, object]) -> bool:
    """Compare as JSON: in Python, 1 is True."""
    return metadata_text(found) == metadata_text(given)


def _check(row: Row, version: int) -> None:
    if row.metadata_version != version:
        raise MetadataConflict(
            f"The metadata has the version {row.metadata_version} rather than {version}."
        )
