"""OpenAI's Files: create, list, retrieve, content and delete."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from storage import (
    AsyncOpenFile,
    DataClass,
    Erased,
    KeyScope,
    NotFound,
    OutcomeUnknown,
    Purpose,
    RecordId,
    ServiceSettings,
    StreamFailed,
)
from storage.service import listing
from storage.service.answers import ApiError, snake
from storage.service.callers import Caller, caller_with
from storage.service.ranges import wanted
from storage.service.room import Room
from storage.service.shapes import FileDeleted, FileList, FileObject, file_object, page_of
from storage.service.uploads import PIECE, FileForm, too_large

Reader = Annotated[Caller, Depends(caller_with(KeyScope.READ))]
Writer = Annotated[Caller, Depends(caller_with(KeyScope.WRITE))]

_READ: Final = 1024 * 1024  # bytes that are fetched from a backend at once
_SHORTEST, _LONGEST, _DIGITS = 3600, 2_592_000, 8  # seconds: an hour, thirty days
_AROUND: Final = 64 * 1024  # bytes of a form around its file
_FIELDS: Final = {
    "purpose": "purpose",
    "expires_after[anchor]": "expires_after",
    "expires_after[seconds]": "expires_after",
}
_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["purpose", "file"],
                    "properties": {
                        "purpose": {"type": "string"},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer"},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}


def routes(settings: ServiceSettings) -> APIRouter:
    """Return the routes of files."""
    router = APIRouter(prefix="/v1/files", tags=["Files"])
    (stored_as,) = set(settings.purposes.values())
    _add_creation(router, settings)
    _add_listing(router, settings, stored_as)
    _add_routes_of_one(router, stored_as)
    return router


def _add_creation(router: APIRouter, settings: ServiceSettings) -> None:
    room = Room()

    @router.post("", openapi_extra=_FORM)
    async def create(
        request: Request,
        caller: Writer,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> FileObject:
        """Store a file. The fields of the form come before the file.

        With an Idempotency-Key, a repeated request on the same UTC day stores the file once.
        """
        form = FileForm(
            request.headers.get("content-type"),
            _body(request, settings),
            known=_FIELDS,
            needed="purpose",
        )
        with room.taken_by(caller.tenant.id):
            await form.begin(most=settings.file_bytes)
            purpose, lasts = _purpose(form, settings), _lasts(form)
            data_class = settings.purposes[purpose]
            minted, until = await _minted(caller, data_class, idempotency_key, lasts)
            return await _store(caller, form, purpose, minted, until)


def _add_listing(router: APIRouter, settings: ServiceSettings, stored_as: DataClass) -> None:
    @router.get("")
    async def list_files(
        caller: Reader,
        *,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = listing.PAGE,
        order: Literal["asc", "desc"] = "desc",
        purpose: str | None = None,
    ) -> FileList:
        """List the files of the tenant. A page has at most 100, whatever ``limit`` says."""
        if purpose is not None and purpose not in settings.purposes:
            raise _unknown_purpose(settings)
        files, has_more = await listing.page(
            caller.tenant,
            stored_as,
            purpose=purpose,
            after=after,
            newest_first=order == "desc",
            limit=min(limit, listing.PAGE),
        )
        return page_of(files, has_more=has_more)


def _add_routes_of_one(router: APIRouter, stored_as: DataClass) -> None:
    @router.get("/{file_id}")
    async def retrieve(caller: Reader, file_id: str) -> FileObject:
        """Return what is known of a file."""
        found = _parsed(file_id, stored_as)
        async with caller.tenant.open(found, purpose=Purpose.SERVE) as file:
            return file_object(file.info, file.metadata)

    @router.delete("/{file_id}")
    async def delete(request: Request, caller: Writer, file_id: str) -> FileDeleted:
        """Erase a file. On return nothing of it can be read."""
        found = _parsed(file_id, stored_as)
        with suppress(Erased):  # by this request, whose answer was lost
            await caller.tenant.head(found)
            await caller.tenant.delete(found, ticket=request.state.request_id)
        return FileDeleted(id=str(found))

    @router.get("/{file_id}/content", response_class=StreamingResponse)
    async def content(request: Request, caller: Reader, file_id: str) -> StreamingResponse:
        """Return the content of a file, or one range of it."""
        found = _parsed(file_id, stored_as)
        return await _content(request, caller, found)


async def _minted(
    caller: Caller, data_class: DataClass, key: str | None, lasts: timedelta | None
) -> tuple[RecordId, datetime | None]:
    """Return the id of a new file, and when it expires. The time is that of its minting."""
    minted = await caller.tenant.new_id(data_class, key=key)
    if lasts is None:
        return minted, None
    until = minted.minted + lasts
    return await caller.tenant.new_id(data_class, key=key, readable_until=until), until


async def _store(
    caller: Caller, form: FileForm, purpose: str, minted: RecordId, until: datetime | None
) -> FileObject:
    try:
        put = await caller.tenant.put_file(
            form.pieces(),
            id=minted,
            filename=form.filename,
            metadata={"purpose": purpose},
            readable_until=until,
        )
    except OutcomeUnknown as unknown:
        raise ApiError(
            503,
            snake(unknown.code),
            f"Whether the file {minted} was stored is not known. Retrieve it in a moment.",
            headers={"x-should-retry": "false"},  # another upload would be another file
        ) from unknown
    except StreamFailed as failed:
        if isinstance(failed.__cause__, Exception):
            raise failed.__cause__ from None
        raise
    if not put.stored:
        raise ApiError(
            403,
            "zero_retention",
            "Nothing was stored: the tenant keeps no files (zero retention).",
        )
    if put.id.minted != minted.minted:  # it was stored before: what was said then counts
        found = await caller.tenant.head(put.id)
        until = found.readable_until
    return FileObject(
        id=str(put.id),
        bytes=form.size,
        created_at=int(put.id.minted.timestamp()),
        filename=form.filename or "",
        purpose=purpose,
        expires_at=None if until is None else int(until.timestamp()),
    )


async def _content(request: Request, caller: Caller, id: RecordId) -> StreamingResponse:
    tag = f'"{id}"'  # a record never changes
    asked = request.headers.get("range")
    if request.headers.get("if-range", tag) != tag:
        asked = None
    async with AsyncExitStack() as stack:
        file = await stack.enter_async_context(caller.tenant.open(id, purpose=Purpose.SERVE))
        part = wanted(asked, file.size)
        start, stop = part or (0, file.size)
        pieces = _pieces(file, start, stop)
        first = await anext(pieces, b"")  # what is refused has no status 200
        kept = stack.pop_all()
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "content-length": str(stop - start),
        "etag": tag,
        "x-content-type-options": "nosniff",
    }
    if part is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return StreamingResponse(
        _rest(first, pieces, kept),
        status_code=200 if part is None else 206,
        headers=headers,
        media_type="application/octet-stream",
    )


async def _pieces(file: AsyncOpenFile, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes in pieces that a slow client takes in time."""
    for at in range(start, stop, _READ):
        body = await file.read_range(at, min(at + _READ, stop))
        for begin in range(0, len(body), PIECE):
            yield body[begin : begin + PIECE]


async def _rest(
    first: bytes, pieces: AsyncGenerator[bytes, None], kept: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    async with kept:
        yield first
        async for piece in pieces:
            yield piece


async def _body(request: Request, settings: ServiceSettings) -> AsyncIterator[bytes]:
    """Yield the body of a request. Raises ApiError at once if it says that it is too large."""
    most = settings.file_bytes + _AROUND
    said = request.headers.get("content-length", "0")
    if int(said) > most:
        raise too_large(settings.file_bytes)
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most:
            raise too_large(settings.file_bytes)
        yield chunk


def _purpose(form: FileForm, settings: ServiceSettings) -> str:
    given = form.fields["purpose"]
    if given not in settings.purposes:
        raise _unknown_purpose(settings)
    return given


def _lasts(form: FileForm) -> timedelta | None:
    """Return how long the file is to be read. None: as long as its tenant keeps files."""
    given = {name: form.fields.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    if given == {"anchor": None, "seconds": None}:
        return None
    seconds = given["seconds"] or ""
    right = given["anchor"] == "created_at" and seconds.isascii() and seconds.isdigit()
    if not right or not _SHORTEST <= int(seconds[:_DIGITS]) <= _LONGEST:
        raise ApiError(
            400,
            "invalid_parameter",
            f"expires_after has the anchor created_at, and {_SHORTEST} to {_LONGEST} seconds.",
            param="expires_after",
        )
    return timedelta(seconds=int(seconds))


def _unknown_purpose(settings: ServiceSettings) -> ApiError:
    known = ", ".join(sorted(settings.purposes))
    return ApiError(
        400, "invalid_purpose", f"No such purpose. This service has: {known}.", param="purpose"
    )


def _parsed(file_id: str, stored_as: DataClass) -> RecordId:
    """Return the id of a file. Raises MalformedId, and NotFound for what is no file."""
    found = RecordId.parse(file_id)
    if found.data_class is not stored_as:
        raise NotFound
    return found
