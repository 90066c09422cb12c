"""List a bucket page by page, keys ascending, from the first key after a marker.

A listing proves that something is absent, so a page is believed only if it is one of what was asked
for: see ``pages`` for its form. Here: its keys are under the prefix, and ascend from page to
page; its markers advance.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from storage.backends.s3.bucket import Bucket
from storage.backends.s3.pages import OBJECTS, UPLOADS, VERSIONS, Form, Page, read
from storage.backends.s3.signed import send
from storage.errors import BackendUnavailable
from storage.ports import StoredItem

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MOST_PAGES = 100  # that end at the same key: 100,000 versions of it


def versions(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every version and delete marker; in a bucket without versions, the objects."""
    return _listed(bucket, VERSIONS, prefix, after)


def objects(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield the current objects, for a server that cannot list versions."""
    return _listed(bucket, OBJECTS, prefix, after)


def uploads(bucket: Bucket, prefix: str, after: str = "") -> Iterator[StoredItem]:
    """Yield every unfinished upload. S3 does not list its size: 0."""
    return _listed(bucket, UPLOADS, prefix, after)


def _listed(bucket: Bucket, form: Form, prefix: str, after: str) -> Iterator[StoredItem]:
    """Yield the items of all pages, by key."""
    always = {"prefix": prefix} | ({"encoding-type": "url"} if form.encoded else {})
    marks: dict[str, str] | None = {form.after: after} if after else {}
    progress = _Progress(bucket.backend, prefix)
    while marks is not None:
        query = always | marks
        page = bucket.ask(lambda s3, query=query: _asked(s3, form, bucket.name, query))  # type: ignore[misc]
        # moto does not repeat that of uploads; the control of each purge shows that they are listed
        missing = prefix if form is UPLOADS else ""
        if (missing if page.prefix is None else page.prefix) != prefix:
            raise progress.invalid("a listing of another prefix")
        marks = page.following
        yield from progress.check(sorted(page.items, key=attrgetter("key")), marks)


def _asked(s3: "S3Client", form: Form, bucket: str, query: dict[str, str]) -> Page:
    answer = send(s3, form.operation, bucket, query=query, unread=True)
    return read(form, answer["body"], bucket)


@dataclass(slots=True)
class _Progress:
    """How far a listing is. A listing that goes in circles, or back, proves nothing."""

    backend: str
    prefix: str
    last: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)  # markers since ``last`` changed

    def check(self, found: list[StoredItem], marks: dict[str, str] | None) -> list[StoredItem]:
        """Return the sorted items of the next page. Raises BackendUnavailable if they cannot be."""
        if not all(item.key.startswith(self.prefix) for item in found):
            raise self.invalid("a key outside the prefix")
        if found and found[0].key < self.last:
            raise self.invalid("its keys do not ascend")
        if found and found[-1].key > self.last:
            self.last = found[-1].key
            self.seen.clear()
        if marks is not None:
            if not marks or marks in self.seen or len(self.seen) >= _MOST_PAGES:
                raise self.invalid("its listing does not advance")
            self.seen.append(marks)
        return found

    def invalid(self, what: str) -> BackendUnavailable:
        """Return the error for a listing that is not one of what was asked for."""
        return BackendUnavailable(self.backend, f"invalid list response: {what}")
