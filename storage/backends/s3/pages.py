"""Read a page of a listing: exactly what is used of it, and all of that is checked.

A listing proves that something is absent, so what is not one of what was asked for is an error:
another root or bucket, ``maybe`` for false, an entry without a field, keys that are grouped by a
common prefix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes
from xml.etree.ElementTree import Element

from storage.backends.s3.responses import InvalidResponse, parse
from storage.backends.s3.vocabulary import local_name, plain_name
from storage.ports import ItemKind, StoredItem

Fields = Mapping[str, str]
_LARGEST = 2**53  # bytes; no object is larger


@dataclass(frozen=True, slots=True)
class Entry:
    """An element of a listing: the fields that it must have, and what it means."""

    fields: tuple[str, ...]
    item: Callable[[Fields], StoredItem]


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of listing. ``bucket``: the element that names the bucket.

    ``after``: the parameter that begins after a key. ``markers``: that of the next request, for
    each element that says where it begins.
    ``encoded``: whether the server may be asked to encode keys, which XML cannot all contain.
    """

    operation: str
    root: str
    bucket: str
    after: str
    markers: Mapping[str, str]
    entries: Mapping[str, Entry]
    encoded: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page. ``prefix``: None if it has none. ``following``: None if it is the last."""

    prefix: str | None
    items: list[StoredItem]
    following: dict[str, str] | None


def _version(fields: Fields) -> StoredItem:
    kind = ItemKind.OBJECT if _flag("IsLatest", fields["IsLatest"]) else ItemKind.VERSION
    return StoredItem(fields["Key"], kind, _size(fields["Size"]), fields["VersionId"])


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidResponse(f"{name} is neither true nor false")
    return text == "true"


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST):
        raise InvalidResponse("an invalid Size")
    return int(text)


VERSIONS: Final = Form(
    "ListObjectVersions",
    "ListVersionsResult",
    "Name",
    "key-marker",
    {"NextKeyMarker": "key-marker", "NextVersionIdMarker": "version-id-marker"},
    {
        "Version": Entry(("Key", "VersionId", "IsLatest", "Size"), _version),
        "DeleteMarker": Entry(
            ("Key", "VersionId"),
            lambda fields: StoredItem(fields["Key"], ItemKind.MARKER, 0, fields["VersionId"]),
        ),
    },
)
OBJECTS: Final = Form(
    "ListObjectsV2",
    "ListBucketResult",
    "Name",
    "start-after",
    {"NextContinuationToken": "continuation-token"},
    {
        "Contents": Entry(
            ("Key", "Size"),
            lambda fields: StoredItem(fields["Key"], ItemKind.OBJECT, _size(fields["Size"])),
        )
    },
)
UPLOADS: Final = Form(
    "ListMultipartUploads",
    "ListMultipartUploadsResult",
    "Bucket",
    "key-marker",
    {"NextKeyMarker": "key-marker", "NextUploadIdMarker": "upload-id-marker"},
    {
        "Upload": Entry(  # S3 does not list its size
            ("Key", "UploadId"),
            lambda fields: StoredItem(fields["Key"], ItemKind.UPLOAD, 0, fields["UploadId"]),
        )
    },
    encoded=False,
)


def read(form: Form, body: object, bucket: str) -> Page:
    """Return what a page of a bucket lists. Raises InvalidResponse."""
    root = parse(body)
    if local_name(root) != form.root:
        raise InvalidResponse("another root element")
    entries, head = list[tuple[Entry, Element]](), dict[str, list[str]]()
    for child in root:
        name = plain_name(child.tag)
        if name in form.entries:
            entries.append((form.entries[name], child))
        elif len(child):
            raise InvalidResponse("entries of a kind that was not asked for")
        else:
            head.setdefault(name, []).append(child.text or "")
    if _only(head, form.bucket) != bucket:
        raise InvalidResponse("a listing of another bucket")
    truncated = _flag("IsTruncated", _only(head, "IsTruncated"))
    decode = _decoded if form.encoded and _only(head, "EncodingType") == "url" else str
    return Page(
        decode(_only(head, "Prefix")) if "Prefix" in head else None,
        [entry.item(_fields(element, entry.fields, decode)) for entry, element in entries],
        _following(head, form, decode) if truncated else None,
    )


def _only(head: Mapping[str, list[str]], name: str) -> str:
    """Return the text of an element that may be there once."""
    found = head.get(name, [""])
    if len(found) > 1:
        raise InvalidResponse(f"more than one {name}")
    return found[0]


def _following(
    head: Mapping[str, list[str]], form: Form, decode: Callable[[str], str]
) -> dict[str, str]:
    """Return the parameters of the request for the next page. None are given: no page."""
    found = {parameter: _only(head, name) for name, parameter in form.markers.items()}
    if "key-marker" in found:
        found["key-marker"] = decode(found["key-marker"])
    return {parameter: text for parameter, text in found.items() if text}


def _fields(entry: Element, wanted: tuple[str, ...], decode: Callable[[str], str]) -> Fields:
    """Return the text of the fields of an entry."""
    # the text of what has elements is only a part
    fields = {plain_name(x.tag): "" if len(x) else x.text or "" for x in entry}
    if len(fields) < len(entry):  # there may be several checksums
        names = [plain_name(child.tag) for child in entry]
        if any(names.count(name) > 1 for name in wanted):
            raise InvalidResponse("an entry with a field twice")
    for name in wanted:
        if not fields.get(name):
            raise InvalidResponse(f"an entry without {name}")
    fields["Key"] = decode(fields["Key"])
    return fields


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode() if "%" in text else text
    except UnicodeDecodeError:
        raise InvalidResponse("a key that is not text") from None
