"""List a bucket page by page, keys ascending, from the first key after a marker.

A listing proves that something is absent, so a page is believed only if it is one of what was asked
for: see ``responses`` for its form. Here: its keys are under the prefix, and ascend from page to
page; its markers advance.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage.backends.s3.bucket import Bucket
from storage.errors import BackendUnavailable
from storage.ports import ItemKind, StoredItem

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Ask = Callable[["S3Client", dict[str, str]], Mapping[str, Any]]
Read = Callable[[Mapping[str, Any]], list[StoredItem]]

_MOST_PAGES = 100  # that end at the same key: 100,000 versions of it


def versions(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every version and delete marker; in a bucket without versions, the objects."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        return s3.list_object_versions(Bucket=bucket.name, Prefix=prefix, **marks)

    def read(page: Mapping[str, Any]) -> list[StoredItem]:
        deleted = [
            StoredItem(entry["Key"], ItemKind.MARKER, 0, entry["VersionId"])
            for entry in page.get("DeleteMarkers", ())
        ]
        return [_version(entry) for entry in page.get("Versions", ())] + deleted

    return _listed(
        bucket, prefix, after, ask=ask, read=read, markers=("KeyMarker", "VersionIdMarker")
    )


def objects(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield the current objects, for a server that cannot list versions."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        return s3.list_objects_v2(Bucket=bucket.name, Prefix=prefix, **marks)

    def read(page: Mapping[str, Any]) -> list[StoredItem]:
        return [
            StoredItem(entry["Key"], ItemKind.OBJECT, entry["Size"])
            for entry in page.get("Contents", ())
        ]

    return _listed(
        bucket,
        prefix,
        after,
        ask=ask,
        read=read,
        markers=("ContinuationToken",),
        first="StartAfter",
    )


def uploads(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every unfinished upload. S3 does not list its size: 0."""

    def ask(s3: "S3Client", marks: dict[str, Any]) -> Mapping[str, Any]:
        # moto does not repeat the prefix; the control of each purge shows that uploads are listed
        given = {"Prefix": prefix}
        return given | s3.list_multipart_uploads(Bucket=bucket.name, Prefix=prefix, **marks)

    def read(page: Mapping[str, Any]) -> list[StoredItem]:
        return [
            StoredItem(entry["Key"], ItemKind.UPLOAD, 0, entry["UploadId"])
            for entry in page.get("Uploads", ())
        ]

    return _listed(
        bucket, prefix, after, ask=ask, read=read, markers=("KeyMarker", "UploadIdMarker")
    )


def _listed(
    bucket: Bucket,
    prefix: str,
    after: str,
    *,
    ask: Ask,
    read: Read,
    markers: Sequence[str],
    first: str = "KeyMarker",
) -> Iterator[StoredItem]:
    """Yield the items of all pages, by key."""
    marks, progress = {first: after} if after else {}, _Progress(bucket.backend, prefix)
    while marks is not None:
        given = marks

        def work(s3: "S3Client") -> tuple[list[StoredItem], dict[str, str] | None]:
            page = ask(s3, given)  # noqa: B023 - called at once
            if page.get("Prefix", "") != prefix:
                raise progress.invalid("a listing of another prefix")
            return read(page), _following(page, markers)

        found, marks = bucket.ask(work)  # type: ignore[assignment]
        yield from progress.check(sorted(found, key=_by_key), marks)


def _following(page: Mapping[str, Any], markers: Sequence[str]) -> dict[str, str] | None:
    """Return where the next page begins. None: there is none."""
    if not page["IsTruncated"]:
        return None
    return {name: page[f"Next{name}"] for name in markers if page.get(f"Next{name}")}


@dataclass(slots=True)
class _Progress:
    """How far a listing is. A listing that goes in circles, or back, proves nothing."""

    backend: str
    prefix: str
    last: bytes = b""
    seen: list[dict[str, str]] = field(default_factory=list)  # markers since ``last`` changed

    def check(self, found: list[StoredItem], marks: dict[str, str] | None) -> list[StoredItem]:
        """Return the items of the next page. Raises BackendUnavailable if they cannot be."""
        keys = [item.key.encode(errors="surrogatepass") for item in found]
        if not all(item.key.startswith(self.prefix) for item in found):
            raise self.invalid("a key outside the prefix")
        if keys and min(keys) < self.last:
            raise self.invalid("its keys do not ascend")
        if keys and max(keys) > self.last:
            self.last = max(keys)
            self.seen.clear()
        if marks is not None:
            if not marks or marks in self.seen or len(self.seen) >= _MOST_PAGES:
                raise self.invalid("its listing does not advance")
            self.seen.append(marks)
        return found

    def invalid(self, what: str) -> BackendUnavailable:
        """Return the error for a listing that is not one of what was asked for."""
        return BackendUnavailable(self.backend, f"invalid list response: {what}")


def _version(entry: Mapping[str, Any]) -> StoredItem:
    kind = ItemKind.OBJECT if entry["IsLatest"] else ItemKind.VERSION
    return StoredItem(entry["Key"], kind, entry["Size"], entry["VersionId"])


def _by_key(item: StoredItem) -> bytes:
    return item.key.encode(errors="surrogatepass")
