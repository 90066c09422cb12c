"""Record ids, and what they are made of."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from regions.model import RECORD_CLASSES, DataClass
from storage.errors import InvalidRequest, MalformedId, NaiveDatetime

Entropy = Callable[[int], bytes]
"""Returns that many random bytes: ``os.urandom``, or a seeded source in tests."""

_DAY_ZERO = date(2020, 1, 1)
_REGION = re.compile(r"[a-z0-9-]{1,63}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIQUE: Final = 16
"""The bytes of the unique part of an id."""
_OLDER: Final = b"\0old"
"""Ends the unique part of an id that is minted for an origin date: by chance, one of 2**32 does."""
_DAYS = 2**16
_LONGEST = 1024  # characters of a text form
_FORM = "An id has the form prompt.eu-central-1.<39 characters>."


def utc(moment: datetime) -> datetime:
    """Return the same moment in UTC. Raises NaiveDatetime if it has no time zone.

    Raises InvalidRequest if UTC has no such year.
    """
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise NaiveDatetime(advice="Pass datetime(..., tzinfo=UTC).")
    try:
        return in_utc(moment)
    except ValueError:
        raise InvalidRequest("A time is before the year 1 or after the year 9999.") from None


def in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC. Raises ValueError if UTC has no such year."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no year from 1 to 9999 in UTC") from None


@dataclass(frozen=True, slots=True, eq=False)
class RecordId:
    """The id of a record, minted before the record is written. It contains nothing personal.

    It equals its text form.

    ``day`` is the expiry day (None: kept until deleted); it names the only partition that can have
    the record. ``unique`` distinguishes ids of the same class, region and moment. The text form is
    ``prompt.eu-central-1.<39 characters>``.
    """

    data_class: DataClass
    region: str
    minted: datetime
    day: date | None
    unique: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise NaiveDatetime if ``minted`` has no time zone, MalformedId for what has no text.

        And MalformedId for a flag: it goes by the id of the record that it is about.
        """
        days = 1 if self.day is None else (self.day - _DAY_ZERO).days
        well_made = 0 < days < _DAYS and len(self.unique) == UNIQUE
        if utc(self.minted) < _EPOCH or not well_made or self.data_class not in RECORD_CLASSES:
            raise MalformedId(advice=_FORM)

    @classmethod
    def mint(
        cls,
        data_class: DataClass,
        region: str,
        now: datetime,
        day: date | None,
        *,
        tenant: str,
        entropy: Entropy,
        key: str | None = None,
        secret: bytes = b"",
    ) -> Self:
        """Mint an id. The same ``key`` on the same day and for the same retention names one record.

        ``secret`` keys the hash, so that an id does not disclose ``key``.
        """
        minted = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if key is None:
            unique = entropy(UNIQUE)
        else:
            parts = (tenant, data_class.value, minted.date().isoformat(), str(day), key)
            framed = b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)
            unique = hmac.digest(secret, b"domicile id" + framed, hashlib.sha256)[:UNIQUE]
        return cls(data_class, region, minted, day, unique)

    def for_older(self) -> Self:
        """Return the id for data from before Domicile."""
        return replace(self, unique=self.unique[: -len(_OLDER)] + _OLDER)

    @property
    def older(self) -> bool:
        """Whether it is for data from before Domicile."""
        return self.unique.endswith(_OLDER)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form. Raises MalformedId."""
        parsed: Self | None = None
        given: object = text
        if not isinstance(given, str) or len(given) > _LONGEST:
            raise MalformedId(advice=_FORM)
        try:
            name, region, packed = text.split(".")
            raw = base64.b32hexdecode(packed.upper() + "=")
            minted = _EPOCH + timedelta(milliseconds=int.from_bytes(raw[:6]))
            days = int.from_bytes(raw[6:8])
            day = _DAY_ZERO + timedelta(days=days) if days else None
            parsed = cls(DataClass(name), region, minted, day, raw[8:])
        except (ValueError, OverflowError):
            parsed = None
        if parsed is None or str(parsed) != text or not _REGION.fullmatch(parsed.region):
            raise MalformedId(advice=_FORM)
        return parsed

    def __str__(self) -> str:
        """Return the text form."""
        since = self.minted - _EPOCH
        days = (self.day - _DAY_ZERO).days if self.day else 0
        raw = (since // timedelta(milliseconds=1)).to_bytes(6) + days.to_bytes(2) + self.unique
        packed = base64.b32hexencode(raw).decode().rstrip("=").lower()
        return f"{self.data_class}.{self.region}.{packed}"

    def __eq__(self, other: object) -> bool:
        """Return whether the other is the same id, or its text form."""
        if isinstance(other, RecordId):
            return (self.unique, self.minted, self.day, self.region, self.data_class) == (
                *(other.unique, other.minted, other.day, other.region, other.data_class),
            )
        return str(self) == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        """Return the hash of the text form, which it equals."""
        return hash(str(self))
