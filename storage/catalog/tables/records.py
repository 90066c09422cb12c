"""Records, in three tables of the same columns, and the days on which they expire."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

day = Table(  # an expiry day and its partition
    "day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("state", Text, nullable=False),
    Column("expiring_at", MOMENT),
    Column("dropped_at", MOMENT),
    Column("next_attempt", MOMENT),  # leased by a worker until then
    Column("holds", BigInteger),  # the number of the last hold placed before ``expiring``
    CheckConstraint("state IN ('open', 'expiring', 'dropped')", name="day_state"),
)


def _content_columns() -> list[Column[object]]:
    return [
        Column("tenant", Text, primary_key=True),  # an id means nothing under another tenant
        Column("uid", LargeBinary, primary_key=True),
        Column("data_class", Text, nullable=False),
        Column("born", Text, nullable=False),  # the region in the id
        Column("minted", MOMENT, nullable=False),
        # the minting of the oldest record that it derives from
        Column("origin", MOMENT, nullable=False),
        Column("written", MOMENT, nullable=False),
        Column("subject", LargeBinary),
        Column("grp", LargeBinary),
        Column("ancestors", ARRAY(LargeBinary)),
        Column("object_id", Uuid, nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("length", BigInteger, nullable=False),  # of the sealed bytes
        Column("size", BigInteger, nullable=False),  # of the plaintext
        Column("streamed", Boolean, nullable=False),
        Column("incomplete", Boolean, nullable=False),
        Column("key_id", Uuid, nullable=False),  # the key object that wraps the record key
        Column("wrapped_key", LargeBinary, nullable=False),
        Column("sealed_metadata", LargeBinary),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("sealed_flags", LargeBinary),  # no flag: null
        Column("origin_date", Date),  # of data from before Domicile, with the SHA-256 of its source
        Column("origin_source", LargeBinary),
        # how often its metadata was replaced
        Column("metadata_version", Integer, nullable=False, server_default=text("0")),
        Column("readable_until", MOMENT),  # before its last day is over, as its writer said
    ]


def _content_indexes(name: str) -> list[Index]:
    return [
        Index(f"{name}_object", "object_id"),
        Index(f"{name}_tenant", "tenant", "minted", "uid"),
        Index(
            f"{name}_by_subject",
            *("tenant", "subject", "minted"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
        Index(
            f"{name}_by_group",
            *("tenant", "grp", "minted"),
            postgresql_where=text("grp IS NOT NULL"),
        ),
        Index(
            f"{name}_flagged",
            *("tenant", "minted", "uid"),
            postgresql_where=text("sealed_flags IS NOT NULL"),
        ),
        Index(
            f"{name}_ancestors",
            "ancestors",
            postgresql_using="gin",
            postgresql_where=text("ancestors IS NOT NULL"),
        ),
    ]


record = Table(  # prompts and completions; one partition per expiry day
    "record",
    metadata,
    Column("expiry_day", Date, primary_key=True),
    *_content_columns(),
    *_content_indexes("record"),
    postgresql_partition_by="LIST (expiry_day)",
)


file = Table(  # records that are kept until the customer deletes them
    "file",
    metadata,
    *_content_columns(),
    *_content_indexes("file"),
    Index("file_key", "key_id"),
)


held = Table(  # records that a hold keeps beyond their expiry day
    "held",
    metadata,
    Column("expiry_day", Date, primary_key=True),
    *_content_columns(),
    *_content_indexes("held"),
    Index("held_key", "key_id"),
)


held_binding = (
    Table(  # with which record a wrapped key came into ``held``: only the catalog writes it
        "held_binding",
        metadata,
        Column("wrapped", LargeBinary, primary_key=True),  # SHA-256
        Column(
            "facts", LargeBinary, nullable=False
        ),  # SHA-256 of what decides whether a hold covers it
    )
)
