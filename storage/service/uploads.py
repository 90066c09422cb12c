"""A multipart form with a file, parsed as it arrives: no file, and little memory, holds it."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from storage.service.answers import ApiError

PIECE: Final = 256 * 1024
"""Bytes of the file that are passed on at once."""
_VALUE: Final = 256  # bytes of a field at most
_NAME: Final = 1024  # bytes of a file name at most


class FileForm:
    """A form with fields, and after them one part with a file.

    ``begin`` reads the fields, up to the beginning of the file. ``pieces`` yields the file, and
    ends once the form has ended as it must. Both raise ApiError.
    """

    def __init__(
        self,
        content_type: str | None,
        stream: AsyncIterator[bytes],
        *,
        known: Mapping[str, str],
        needed: str,
    ) -> None:
        """``known``: the names of fields, each with the name of its parameter.

        ``needed``: the field without which no file may begin.
        """
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self.most = 0
        self._known = known
        self._needed = needed
        self._stream = stream
        self._headers: dict[bytes, bytes] = {}
        self._header = [b"", b""]
        self._field: str | None = None
        self._value = bytearray()
        self._pending = bytearray()
        self._in_file = self._ended = False
        kind, options = parse_options_header(content_type or "")
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise ApiError(
                400,
                "invalid_content_type",
                "Send the file as multipart/form-data, with a boundary.",
                param="Content-Type",
            )
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed() from error
        # It quotes what it reads, so what it logs goes nowhere.
        self._parser.logger = logging.Logger("silent", logging.CRITICAL)  # noqa: LOG001

    async def begin(self, *, most: int) -> None:
        """Read up to the beginning of the file. ``most``: the bytes that it may have."""
        self.most = most
        while self.filename is None:
            if not await self._read():
                raise _missing("file") if self._ended else _malformed()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the file, and read the form to its end."""
        more = True
        while more:
            more = await self._read()
            if len(self._pending) >= PIECE or (not more and self._pending):
                piece, self._pending = bytes(self._pending), bytearray()
                yield piece
        if not self._ended:
            raise _malformed()

    async def _read(self) -> bool:
        """Read a little. False: the request is over."""
        try:
            chunk = await anext(self._stream)
        except StopAsyncIteration:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed() from error
        return True

    def _begin_part(self) -> None:
        self._headers, self._header = {}, [b"", b""]
        self._field, self._in_file = None, False
        self._value = bytearray()

    def _add(self, side: int, data: bytes) -> None:
        self._header[side] += data

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        field = _decoded(options.get(b"name", b""), "name of a field")
        if field == "file":
            self._begin_file(options.get(b"filename"))
            return
        if field not in self._known:
            raise ApiError(400, "unknown_parameter", "The form has an unknown field.")
        param = self._known[field]
        if field in self.fields:
            raise ApiError(400, "repeated_parameter", f"{param} is given twice.", param=param)
        if self.filename is not None:
            raise ApiError(400, "late_parameter", f"Send {param} before the file.", param=param)
        self._field = field

    def _begin_file(self, name: bytes | None) -> None:
        if self.filename is not None:
            raise ApiError(400, "repeated_parameter", "file is given twice.", param="file")
        if not name:
            raise ApiError(400, "missing_file_name", "The file has no name.", param="file")
        if self._needed not in self.fields:
            raise _missing(self._needed, f"{self._needed} is missing. Send it before the file.")
        if len(name) > _NAME:
            raise ApiError(
                400, "invalid_file_name", f"A file name has at most {_NAME} bytes.", param="file"
            )
        self.filename = _decoded(name, "file name")
        self._in_file = True

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.size += end - start
            if self.size > self.most:
                raise too_large(self.most)
            self._pending += data[start:end]
            return
        self._value += data[start:end]
        if len(self._value) > _VALUE:
            param = self._known[self._field or ""]
            raise ApiError(400, "invalid_parameter", f"{param} is too long.", param=param)

    def _end_part(self) -> None:
        if self._field is not None:
            param = self._known[self._field]
            self.fields[self._field] = _decoded(bytes(self._value), param)

    def _end(self) -> None:
        self._ended = True


def too_large(most: int) -> ApiError:
    """Return the error for a file that has more bytes than one may have."""
    return ApiError(413, "file_too_large", f"A file has at most {most} bytes.", param="file")


def _missing(param: str, message: str = "") -> ApiError:
    return ApiError(400, "missing_parameter", message or f"{param} is missing.", param=param)


def _malformed() -> ApiError:
    return ApiError(400, "invalid_form", "The multipart form is malformed, or it is cut off.")


def _decoded(given: bytes, what: str) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise ApiError(400, "invalid_charset", f"The {what} is not UTF-8.") from None
