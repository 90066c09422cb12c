"""What was said about consent. Only functions write it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

consent = Table(  # no role changes or deletes one
    "consent",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", BigInteger, Identity(), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sought", ARRAY(LargeBinary), key="match_values"),  # None: it is the tenant's
    Column("sealed_name", LargeBinary),
    Column("wording", Text),
    Column("classes", ARRAY(Text), nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("actor", Text, nullable=False),
    Column("given", MOMENT, nullable=False),
    Column("covers_from", Date),
    Column("document", Text),
    Column("recorded", MOMENT, nullable=False),
    Column("recorded_by", Text, nullable=False),  # a login
    Column("ended", MOMENT),  # since when a later statement says as much, or the tenant is gone
    CheckConstraint("kind IN ('opt_in', 'withdrawal', 'opt_out')", name="consent_kind"),
    CheckConstraint(
        "(sought IS NULL) = (sealed_name IS NULL) AND cardinality(sought) > 0",
        name="consent_subject",
    ),
    CheckConstraint(
        "(kind = 'opt_in') = (wording IS NOT NULL) "
        "AND (kind = 'opt_in') = (covers_from IS NOT NULL)",
        name="consent_opt_in",
    ),
    CheckConstraint("kind <> 'opt_out' OR document IS NOT NULL", name="consent_opt_out"),
    CheckConstraint(
        "wording ~ '^[0-9a-f]{64}$' AND document ~ '^[0-9a-f]{64}$'", name="consent_digests"
    ),
    CheckConstraint("cardinality(classes) > 0 AND cardinality(purposes) > 0", name="consent_about"),
    CheckConstraint("given <= recorded OR kind <> 'opt_in'", name="consent_given"),
    Index("consent_tenant", "tenant", "number"),
    Index("consent_subject", "match_values", postgresql_using="gin"),
    Index("consent_ended", "ended", postgresql_where=text("ended IS NOT NULL")),
)
