"""What an object is: its kind, its state, and its key. All that a kind implies stands here."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Table

from storage.catalog import tables as t


class ObjectKind(StrEnum):
    """What an object contains. Keys on backends begin with the value."""

    PACK = "pack"
    DAY_KEY = "day_key"
    FILE_KEY = "file_key"
    CANARY = "canary"
    LEDGER = "ledger"
    HELD = "held"  # records of one tenant that a hold keeps beyond their day
    HOLD_KEY = "hold_key"
    LOG_TILES = "log_tiles"
    LOG_LINES = "log_lines"  # the texts of lines, sealed
    CHECKPOINT = "checkpoint"

    @property
    def under_hold(self) -> bool:
        """Whether it exists because of a legal hold.

        Backends lock it if they can. Recovery keeps it even if the catalog lost its row.
        """
        return self in (ObjectKind.HELD, ObjectKind.HOLD_KEY)

    @property
    def keeps_orphans(self) -> bool:
        """Whether orphans of this kind are reported, and never purged.

        A restored catalog may have lost the hold. What the ledger says is for recovery to read.
        """
        return self.under_hold or self is ObjectKind.LEDGER

    @property
    def of_log(self) -> bool:
        """Whether it is a part of the transparency log."""
        return self in (ObjectKind.LOG_TILES, ObjectKind.LOG_LINES, ObjectKind.CHECKPOINT)

    @property
    def has_content(self) -> bool:
        """Whether it contains records, or a key that opens nothing but records of one object."""
        return self in (ObjectKind.PACK, ObjectKind.FILE_KEY) or self.under_hold

    @property
    def precedes_rows(self) -> bool:
        """Whether it is a key that is stored before the first row that uses it.

        If that row is never committed, the key stays unused and is purged.
        """
        return self in (ObjectKind.FILE_KEY, ObjectKind.HOLD_KEY)

    def rows(self, day: date | None) -> Table:
        """Return the table whose rows need such an object of that day, for their bytes or key."""
        if self.under_hold:
            return t.held
        return t.file if day is None else t.record


class ObjectState(StrEnum):
    """The life of an object."""

    WRITING = "writing"
    STORED = "stored"
    PURGING = "purging"
    GONE = "gone"


def key_of(
    kind: ObjectKind, object_id: UUID, replica: UUID, *, day: date | None, number: int | None
) -> str:
    """Return the key of a replica: kind, partition, object, replica. Nothing personal.

    The partition is the expiry day, ``kept``, or a number: of a ledger entry, or how many lines
    the log had.
    """
    partition = str(day or "kept") if number is None else numbered(number)
    return f"{kind}/{partition}/{object_id.hex}-{replica.hex}"


def replica_of(key: str) -> UUID:
    """Return the replica that a key names."""
    return UUID(key[-32:])


def kind_of(key: str) -> ObjectKind | None:
    """Return the kind that a key names; None if the key is not one of ours."""
    kind, slash, _ = key.partition("/")
    return ObjectKind(kind) if slash and kind in set(ObjectKind) else None


def numbered(number: int) -> str:
    """Return the partition of a number. Keys sort by it."""
    return f"{number:016d}"
