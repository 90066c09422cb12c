"""List a bucket page by page, keys ascending, from the first key after a marker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.backends.s3.bucket import Bucket
from storage.errors import BackendUnavailable
from storage.ports import ItemKind, StoredItem

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Ask = Callable[["S3Client", dict[str, str]], Mapping[str, Any]]


def versions(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every version and delete marker; in a bucket without versions, the objects."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        return s3.list_object_versions(Bucket=bucket.name, Prefix=prefix, **marks)

    for page in _pages(bucket, ask, ("KeyMarker", "VersionIdMarker"), _from("KeyMarker", after)):
        found = [_version(entry) for entry in page.get("Versions", ())]
        found += [
            StoredItem(entry["Key"], ItemKind.MARKER, 0, entry["VersionId"])
            for entry in page.get("DeleteMarkers", ())
        ]
        yield from sorted(found, key=_by_key)


def objects(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield the current objects, for a server that cannot list versions."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        return s3.list_objects_v2(Bucket=bucket.name, Prefix=prefix, **marks)

    for page in _pages(bucket, ask, ("ContinuationToken",), _from("StartAfter", after)):
        for entry in page.get("Contents", ()):
            yield StoredItem(entry["Key"], ItemKind.OBJECT, entry["Size"])


def uploads(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every unfinished upload. S3 does not list its size: 0."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        return s3.list_multipart_uploads(Bucket=bucket.name, Prefix=prefix, **marks)

    for page in _pages(bucket, ask, ("KeyMarker", "UploadIdMarker"), _from("KeyMarker", after)):
        found = [
            StoredItem(entry["Key"], ItemKind.UPLOAD, 0, entry["UploadId"])
            for entry in page.get("Uploads", ())
        ]
        yield from sorted(found, key=_by_key)


def _pages(
    bucket: Bucket, ask: Ask, names: Sequence[str], marks: dict[str, str]
) -> Iterator[Mapping[str, Any]]:
    """Yield all pages. A page must say whether more follow: else a listing proves no absence."""
    while True:
        page = bucket.ask(lambda s3, marks=marks: ask(s3, marks))  # type: ignore[misc]
        if "IsTruncated" not in page:
            raise BackendUnavailable(bucket.backend, "invalid list response")
        yield page
        if not page["IsTruncated"]:
            return
        following = {name: page[f"Next{name}"] for name in names if page.get(f"Next{name}")}
        if not following or following == marks:
            raise BackendUnavailable(bucket.backend, "its listing ends early")
        marks = following


def _from(name: str, after: str) -> dict[str, str]:
    return {name: after} if after else {}


def _version(entry: Mapping[str, Any]) -> StoredItem:
    kind = ItemKind.OBJECT if entry["IsLatest"] else ItemKind.VERSION
    return StoredItem(entry["Key"], kind, entry["Size"], entry["VersionId"])


def _by_key(item: StoredItem) -> str:
    return item.key
