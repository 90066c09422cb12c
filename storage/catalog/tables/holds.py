"""Legal holds, and who opened what under them."""

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
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.catalog.tables.base import MOMENT, metadata

hold = Table(  # a legal hold: a predicate, no row per record that it covers
    "hold",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # in the order of placing
    Column("tenant", Text),  # NULL: it is about an account, or the whole region
    Column("account", Text),
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
    Column("authority_jurisdiction", Text),
    Column("document", Text),  # SHA-256; NULL: a version placed it that did not ask
    Column("issuer", Text, nullable=False),
    Column("placed", MOMENT, nullable=False),
    Column("review", Date, nullable=False),
    Column("released", MOMENT),
    Column("released_why", Text),
    Column("sponsor", Text),  # the person who stands for it; NULL: a process placed it
    Column("placed_login", Text, server_default=text("SESSION_USER")),
    Column(
        "confirm_by",
        MOMENT,
        nullable=False,
        server_default=text("(now() + '72:00:00'::interval)"),
    ),
    Column("confirmed", MOMENT),
    Column("confirmed_by", Text),  # another person
    Column("narrowed", MOMENT),  # the last time
    Column("resumed", MOMENT),  # when all that it had let go was resumed
    # the last row of ``held`` that was looked at for what it has let go
    Column("passed_tenant", Text),
    Column("passed_minted", MOMENT),
    Column("passed_uid", LargeBinary),
    Column("passed_day", Date),
    CheckConstraint("document ~ '^[0-9a-f]{64}$'", name="hold_document"),
    CheckConstraint(
        "scope IN ('record', 'subject', 'group', 'tenant', 'account', 'region')",
        name="hold_scope",
    ),
    CheckConstraint(
        "(tenant IS NULL) = (scope IN ('account', 'region')) "
        "AND (account IS NOT NULL) = (scope = 'account')",
        name="hold_whose",
    ),
    Index("hold_in_force", "tenant", postgresql_where=text("released IS NULL")),
    Index(
        "hold_to_resume",
        "released",
        postgresql_where=text("(released IS NOT NULL OR narrowed IS NOT NULL) AND resumed IS NULL"),
    ),
    Index("hold_wide", "scope", postgresql_where=text("released IS NULL AND tenant IS NULL")),
    Index("hold_over", "released", postgresql_where=text("resumed IS NOT NULL")),
)


hold_change = Table(  # one person requests it, another approves it: then it is in force
    "hold_change",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("hold_id", Uuid, ForeignKey("hold.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("why", Text),
    Column("carve_outs", JSONB(none_as_null=True)),
    Column("document", Text),  # SHA-256 of the legal opinion
    Column("permitted", Boolean),
    Column("requested", MOMENT, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("approved", MOMENT),
    Column("approved_by", Text),
    CheckConstraint("kind IN ('release', 'narrowing', 'decision')", name="hold_change_kind"),
    CheckConstraint("(why IS NULL) = (kind = 'decision')", name="hold_change_why"),
    CheckConstraint(
        "(carve_outs IS NOT NULL) = (kind = 'narrowing')", name="hold_change_narrowing"
    ),
    CheckConstraint(
        "(permitted IS NOT NULL) = (kind = 'decision') "
        "AND (document IS NOT NULL) = (kind = 'decision') AND document ~ '^[0-9a-f]{64}$'",
        name="hold_change_decision",
    ),
    CheckConstraint(
        "(approved IS NULL) = (approved_by IS NULL) AND approved_by <> requested_by",
        name="hold_change_approved",
    ),
    Index("hold_change_hold", "hold_id", "requested"),
)


hold_carve_out = Table(  # what a hold does not keep; given here: all must match, NULL: any
    "hold_carve_out",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("hold_id", Uuid, ForeignKey("hold.id", ondelete="CASCADE"), nullable=False),
    # NULL: it was excluded when the hold was placed
    Column("change_id", Uuid, ForeignKey("hold_change.id", ondelete="CASCADE")),
    Column("tenants", ARRAY(Text)),  # of these, or of these accounts
    Column("accounts", ARRAY(Text)),
    Column("classes", ARRAY(Text)),
    Column("minted_from", MOMENT),
    Column("minted_to", MOMENT),  # exclusive
    CheckConstraint(
        "num_nonnulls(tenants, accounts, classes, minted_from, minted_to) > 0",
        name="hold_carve_out_names",
    ),
    Index("hold_carve_out_hold", "hold_id"),
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
