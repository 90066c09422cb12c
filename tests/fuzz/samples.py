"""Valid inputs, from which the others are made."""

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from storage.catalog.records import Row
from storage.catalog.relocation import RelocatedRecord
from storage.model import DataClass, RecordId
from storage.packs.manifest import Manifest

_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ID = RecordId(DataClass.PROMPT, "eu-central-1", _AT, date(2026, 3, 30), bytes(range(16)))
IDS = tuple(
    str(made).encode()
    for made in (_ID, RecordId(DataClass.COMPLETION, "us-east-1", _AT, None, bytes(16)))
)

_VECTORS = Path(__file__).parents[1] / "unit/vectors/events.json"
EVENTS = tuple(text.encode() for text in json.loads(_VECTORS.read_text()))

ROW = Row(
    id=_ID,
    tenant="acme-eu",
    origin=_AT,
    written=_AT,
    subject=b"s" * 17,
    group=None,
    ancestors=(bytes(16),),
    object_id=UUID(int=1),
    start=0,
    length=20,
    size=3,
    streamed=False,
    incomplete=False,
    key_id=UUID(int=2),
    wrapped_key=bytes(40),
    sealed_metadata=None,
    fingerprint=bytes(16),
    sealed_flags=bytes(20),
)
_EMPTY = sha256(b"").digest()
MANIFESTS = tuple(
    manifest.model_dump_json().encode()
    for manifest in (
        Manifest(bodies=_EMPTY, rows=(ROW,)),
        Manifest(bodies=_EMPTY, moved=(RelocatedRecord("acme-eu", bytes(16), 0, 20),)),
    )
)

_LISTINGS = {
    "ListObjectVersions": "<ListVersionsResult><Name>bucket</Name><IsTruncated>false</IsTruncated>"
    "<EncodingType>url</EncodingType><Version><Key>a/%C3%A4</Key><VersionId>1</VersionId><IsLatest>true</IsLatest><Size>4</Size>"
    "</Version><DeleteMarker><Key>a</Key><VersionId>2</VersionId></DeleteMarker>"
    "</ListVersionsResult>",
    "ListObjectsV2": '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>bucket</Name><IsTruncated>true</IsTruncated><NextContinuationToken>t"
    "</NextContinuationToken><Contents><Key>a</Key><Size>4</Size></Contents></ListBucketResult>",
    "ListMultipartUploads": "<ListMultipartUploadsResult><Bucket>bucket</Bucket>"
    "<IsTruncated>false</IsTruncated><Upload><Key>a</Key><UploadId>u</UploadId></Upload>"
    "</ListMultipartUploadsResult>",
}
LISTINGS = tuple(
    f"{operation}\n<?xml version='1.0' encoding='UTF-8'?>{body}".encode()
    for operation, body in _LISTINGS.items()
)
