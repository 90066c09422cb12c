"""The transparency log of the region: its lines, and what of it is stored on backends."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata
from storage.model import LineKind

log_line = Table(  # only ever added to: functions number and forget
    "log_line",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("text", Text),  # canonical JSON; NULL: forgotten
    Column("salt", LargeBinary),
    Column("commitment", LargeBinary, nullable=False),  # the entry of the log
    Column("number", BigInteger),  # NULL: not in the log yet
    Column("login", Text, nullable=False, server_default=text("session_user")),
    CheckConstraint("(text IS NULL) = (salt IS NULL)", name="log_line_forgotten"),
    CheckConstraint("text IS NULL OR text IS JSON OBJECT", name="log_line_text"),
    CheckConstraint("octet_length(text) <= 65536", name="log_line_length"),
    CheckConstraint(
        "at >= '1970-01-01 00:00+00' AND at < '9999-01-01 00:00+00'", name="log_line_moment"
    ),
    CheckConstraint(
        f"kind IN ({', '.join(repr(kind.value) for kind in LineKind)})", name="log_line_kind"
    ),
    CheckConstraint(
        "octet_length(salt) = 32 AND octet_length(commitment) = 33", name="log_line_sizes"
    ),
    CheckConstraint("number IS NOT NULL OR text IS NOT NULL", name="log_line_waiting"),
    Index("log_line_number", "number", unique=True),
    Index("log_line_waiting", "at", "id", postgresql_where=text("number IS NULL")),
    Index("log_line_known", "number", postgresql_where=text("text IS NOT NULL")),
    Index("log_line_at", "at", "id"),
)


log_checkpoint = Table(  # any login adds a row: one counts if the region has signed it
    "log_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, primary_key=True),
    Column("note", Text, primary_key=True),
    Column("at", MOMENT, nullable=False),
    CheckConstraint("size > 0 AND octet_length(root) = 32", name="log_checkpoint_root"),
)


log_cosignature = Table(  # of a witness, below a checkpoint: one counts if it verifies
    "log_cosignature",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True),
    Column("line", Text, primary_key=True),
    Column("at", MOMENT, nullable=False),
)


log_tile = Table(  # where tiles and bundles are: a range of an object
    "log_tile",
    metadata,
    Column("object_id", Uuid, ForeignKey("object.id", ondelete="CASCADE"), primary_key=True),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),  # -1: a bundle of entries
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("width", SmallInteger, nullable=False),
    Column("start", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Index("log_tile_place", "level", "index", "width"),
)


log_state = Table(
    "log_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("holder", Uuid),  # the process that seals a batch
    Column("lease", MOMENT),  # until when
    # the first entry that the log still serves
    Column("minimum", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("id = 1", name="log_state_one_row"),
)
