"""The API keys of tenants."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from storage.catalog.tables.base import MOMENT, metadata

api_key = Table(  # a tenant that is removed takes its keys along
    "api_key",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256: the key is random
    Column("created", MOMENT, nullable=False),
    Column("last_used", MOMENT),  # to the minute
    Column("revoked", MOMENT),
    CheckConstraint("scope IN ('read', 'write')", name="api_key_scope"),
    CheckConstraint("length(digest) = 32", name="api_key_digest"),
    Index("api_key_tenant", "tenant", "id"),
)
