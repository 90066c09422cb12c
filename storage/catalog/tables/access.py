"""Who may open content of tenants, and under which grants. Only functions write these tables."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

roster = Table(  # the newest entry of an actor counts; no role changes one, a function forgets
    "roster",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("employer", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("login", Text),  # of one actor, also when its entries are forgotten
    Column("agreement", Text),  # SHA-256 of the confidentiality agreement
    Column("since", Date, nullable=False),
    Column("until", Date),  # exclusive
    Column("suspended", Boolean, nullable=False),
    Column("entered", MOMENT, nullable=False),
    Column("entered_by", Text, nullable=False),  # a login
    CheckConstraint("kind IN ('employee', 'contractor', 'machine')", name="roster_kind"),
    CheckConstraint("kind <> 'contractor' OR agreement IS NOT NULL", name="roster_agreement"),
    CheckConstraint("until > since", name="roster_term"),
    Index("roster_actor", "actor", "number"),
    Index("roster_login", "login", postgresql_where=text("login IS NOT NULL")),
)


former_login = Table(  # of people whose entries are forgotten, as long as the database has it
    "former_login",
    metadata,
    Column("login", Text, primary_key=True),
    Column("actor", Text, nullable=False),
)


access_grant = Table(  # unchanging; no role deletes it
    "access_grant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("login", Text, nullable=False),  # of the requester
    Column("scope", Text, nullable=False),
    # pseudonyms, or the unique part of an id
    Column("sought", ARRAY(LargeBinary), nullable=False),
    Column("hold_id", Uuid),
    Column("case", Text),
    Column("records_max", Integer, nullable=False),
    Column("justification_digest", Text, nullable=False),
    Column("sealed_justification", LargeBinary, nullable=False),
    Column("customer_must_approve", Boolean, nullable=False),
    Column("requested", MOMENT, nullable=False),
    Column("until", MOMENT, nullable=False),
    CheckConstraint(
        "purpose IN ('abuse_investigation', 'legal', 'subject_request')",
        name="access_grant_purpose",
    ),
    CheckConstraint("scope IN ('record', 'subject', 'group', 'tenant')", name="access_grant_scope"),
    CheckConstraint("(purpose = 'legal') = (hold_id IS NOT NULL)", name="access_grant_hold"),
    CheckConstraint(
        "(purpose = 'abuse_investigation' OR \"case\" IS NOT NULL) "
        'AND length("case") BETWEEN 1 AND 200',
        name="access_grant_case",
    ),
    CheckConstraint("records_max > 0", name="access_grant_records"),
    CheckConstraint("justification_digest ~ '^[0-9a-f]{64}$'", name="access_grant_digest"),
    CheckConstraint(
        "until > requested AND until - requested <= interval '24 hours'",
        name="access_grant_hours",
    ),
    Index("access_grant_tenant", "tenant", "id"),
)


grant_approval = Table(
    "grant_approval",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("grant_id", Uuid, ForeignKey("access_grant.id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("for_customer", Boolean, nullable=False),
    Column("signature", LargeBinary),
    Column("at", MOMENT, nullable=False),
    UniqueConstraint(
        "grant_id",
        "for_customer",
        "actor",
        "signature",
        name="grant_approval_once",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint(
        "for_customer = (signature IS NULL) AND octet_length(signature) = 64",
        name="grant_approval_signed",
    ),
)


grant_revocation = Table(
    "grant_revocation",
    metadata,
    Column("grant_id", Uuid, ForeignKey("access_grant.id"), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
)


grant_use = Table(  # which records were opened under a grant, and when first
    "grant_use",
    metadata,
    Column("grant_id", Uuid, ForeignKey("access_grant.id"), primary_key=True),
    Column("uid", LargeBinary, primary_key=True),
    Column("login", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
)
