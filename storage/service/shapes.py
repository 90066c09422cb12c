"""The JSON that the service answers with, as OpenAI's API has it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from storage import RecordInfo


class FileObject(BaseModel):
    """A file. ``bytes``: its size. ``created_at`` and ``expires_at``: seconds since 1970."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: int | None = None


class FileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    """A file that was deleted."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail


def file_object(info: RecordInfo, metadata: Mapping[str, object]) -> FileObject:
    """Return what is shown of a file."""
    return FileObject(
        id=str(info.id),
        bytes=info.size,
        created_at=int(info.id.minted.timestamp()),
        filename=str(metadata.get("filename", "")),
        purpose=str(metadata.get("purpose", "")),
        expires_at=None if info.readable_until is None else int(info.readable_until.timestamp()),
    )


def page_of(files: Sequence[FileObject], *, has_more: bool) -> FileList:
    """Return a page of the list."""
    return FileList(
        data=list(files),
        first_id=files[0].id if files else None,
        last_id=files[-1].id if files else None,
        has_more=has_more,
    )
