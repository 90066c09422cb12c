"""Rows of ``record`` in the binary format of COPY, made for this table: five times the speed.

The format: PostgreSQL's manual, COPY, "Binary Format". A row is the number of its fields, and each
field is its length and its bytes, or the length -1 for null. A timestamp is microseconds since
2000, a date days since then.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.catalog.records import Row

COLUMNS: Final = (
    "expiry_day",
    "uid",
    "minted",
    "origin",
    "written",
    "object_id",
    "start",
    "length",
    "size",
    "streamed",
    "incomplete",
    "key_id",
    "tenant",
    "data_class",
    "born",
    "subject",
    "grp",
    "ancestors",
    "wrapped_key",
    "sealed_metadata",
    "fingerprint",
    "sealed_flags",
    "origin_date",
    "origin_source",
    "readable_until",
)

_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_BLOCK: Final = 256  # rows that are sent at a time
_NULL: Final = b"\xff\xff\xff\xff"
_BYTEA: Final = 17  # its number as a type
_MOMENT_ZERO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_DAY_ZERO: Final = date(2000, 1, 1).toordinal()
_TICK: Final = timedelta(microseconds=1)
_FIXED: Final = struct.Struct(">h ii i16s iq iq iq i16s iq iq iq i? i? i16s".replace(" ", ""))


def in_binary(rows: Sequence["Row"]) -> Iterator[bytes]:
    """Yield what COPY reads, some rows at a time. Each has an expiry day."""
    yield _BEGIN
    for begin in range(0, len(rows), _BLOCK):
        yield b"".join([_row(row) for row in rows[begin : begin + _BLOCK]])
    yield _END


def _row(row: "Row") -> bytes:
    record_id = row.id
    assert record_id.day is not None
    minted = _microseconds(record_id.minted)
    return b"".join(
        (
            _FIXED.pack(
                len(COLUMNS),
                4,
                record_id.day.toordinal() - _DAY_ZERO,
                16,
                record_id.unique,
                8,
                minted,
                8,
                minted if row.origin is record_id.minted else _microseconds(row.origin),
                8,
                _microseconds(row.written),
                16,
                row.object_id.bytes,
                8,
                row.start,
                8,
                row.length,
                8,
                row.size,
                1,
                row.streamed,
                1,
                row.incomplete,
                16,
                row.key_id.bytes,
            ),
            _field(row.tenant.encode()),
            _field(record_id.data_class.value.encode()),
            _field(record_id.region.encode()),
            _field(row.subject),
            _field(row.group),
            _array(row.ancestors) if row.ancestors else _NULL,
            _field(row.wrapped_key),
            _field(row.sealed_metadata),
            _field(row.fingerprint),
            _field(row.sealed_flags),
            _NULL if row.origin_date is None else _date(row.origin_date),
            _field(row.origin_source),
            _NULL if row.readable_until is None else _moment(row.readable_until),
        )
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _MOMENT_ZERO) // _TICK


def _field(value: bytes | None) -> bytes:
    return _NULL if value is None else len(value).to_bytes(4) + value


def _date(day: date) -> bytes:
    return _field((day.toordinal() - _DAY_ZERO).to_bytes(4, signed=True))


def _moment(at: datetime) -> bytes:
    return _field(_microseconds(at).to_bytes(8, signed=True))


def _array(values: Iterable[bytes]) -> bytes:
    """Return an array of byte strings, of one dimension, from 1 on, without null."""
    fields = [_field(value) for value in values]
    return _field(struct.pack(">iiiii", 1, 0, _BYTEA, len(fields), 1) + b"".join(fields))
