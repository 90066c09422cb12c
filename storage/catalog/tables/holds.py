"""Legal holds, and who opened what under them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

hold = Table(  # a legal hold: a predicate, no row per record that it covers
    "hold",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # in the order of placing
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    # pseudonyms, or the unique part of an id
    Column("sought", ARRAY(LargeBinary), key="match_values"),
    Column("sealed_name", LargeBinary),  # subject or group, if it covers what is stored later
    Column("classes", ARRAY(Text)),  # NULL: all
    Column("minted_from", MOMENT),
    Column("minted_to", MOMENT),  # exclusive
    Column("cutoff", MOMENT),  # NULL: it covers what is minted later too
    Column("matter", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("placed", MOMENT, nullable=False),
    Column("review", Date, nullable=False),
    Column("released", MOMENT),
    Column("released_why", Text),
    Column("resumed", MOMENT),  # when what it deferred was resumed
    CheckConstraint("scope IN ('record', 'subject', 'group', 'tenant')", name="hold_scope"),
    Index("hold_in_force", "tenant", postgresql_where=text("released IS NULL")),
    Index(
        "hold_to_resume",
        "released",
        postgresql_where=text("released IS NOT NULL AND resumed IS NULL"),
    ),
    Index("hold_over", "released", postgresql_where=text("resumed IS NOT NULL")),
)


audit = Table(  # who opened which record for a purpose other than the tenant's own
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("hold_id", Uuid, nullable=False),
    Column("uid", LargeBinary, nullable=False),
    Index("audit_hold", "hold_id", "id"),
)
