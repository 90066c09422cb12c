"""The object locks of versions: legal holds, which we set, and retention periods of others."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from storage.backends.s3.bucket import Bucket
from storage.errors import KeyAbsent
from storage.ports import ItemKind, ObjectLock, StoredItem

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MOST = 10  # versions of a key that are looked at, in a request each


def set_legal_hold(
    s3: "S3Client", bucket: str, key: str, status: Literal["ON", "OFF"], version: str | None = None
) -> None:
    """Set the legal hold of the newest version, or of the one named."""
    named: Any = {} if version is None else {"VersionId": version}
    s3.put_object_legal_hold(Bucket=bucket, Key=key, LegalHold={"Status": status}, **named)


def read_lock(bucket: Bucket, items: Sequence[StoredItem]) -> ObjectLock | None:
    """Return what keeps the first of these versions. None: nothing, or we may not see it."""
    stored = [item for item in items if item.kind in (ItemKind.OBJECT, ItemKind.VERSION)]
    found = [_read(bucket, item) for item in stored[:_MOST]]
    ends = [lock.until for lock in found if lock.until is not None]
    held = any(lock.held for lock in found)
    return ObjectLock(max(ends, default=None), held) if ends or held else None


def _read(bucket: Bucket, item: StoredItem) -> ObjectLock:
    named = {"Bucket": bucket.name, "Key": item.key}
    if item.handle is not None:
        named["VersionId"] = item.handle

    def work(s3: "S3Client") -> ObjectLock:
        answer: Any = s3.head_object(**named)  # type: ignore[arg-type]
        end: datetime | None = answer.get("ObjectLockRetainUntilDate")
        if end is not None:
            end = end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
        return ObjectLock(end, answer.get("ObjectLockLegalHoldStatus") == "ON")

    with suppress(KeyAbsent):
        return bucket.ask(work)
    return ObjectLock(None, held=False)
