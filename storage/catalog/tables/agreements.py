"""Agreements with tenants, and what happens to their data at the end. Only functions add rows."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from storage.catalog.tables.base import MOMENT, metadata

agreement_entry = Table(  # no role changes or deletes one
    "agreement_entry",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("document", Text),  # SHA-256; NULL: from before it was asked for
    Column("signatory", Text),
    Column("signed", Date, nullable=False),
    Column("since", Date, nullable=False),
    Column("until", Date),  # exclusive
    Column("supersedes", Uuid),  # the entry that it replaces from ``recorded`` on
    Column("recorded", MOMENT, nullable=False),
    Column("recorded_by", Text, nullable=False),  # a login
    UniqueConstraint("id", name="agreement_entry_id"),
    CheckConstraint(
        "kind IN ('dpa', 'enterprise', 'baa', 'use_case', 'confidentiality')",
        name="agreement_entry_kind",
    ),
    CheckConstraint("document ~ '^[0-9a-f]{64}$'", name="agreement_entry_document"),
    CheckConstraint("length(signatory) BETWEEN 1 AND 200", name="agreement_entry_signatory"),
    CheckConstraint("until >= since", name="agreement_entry_term"),
    UniqueConstraint("supersedes", name="agreement_entry_superseded"),
    Index("agreement_entry_tenant", "tenant", "number"),
)


tenant_removal = Table(  # rows up to these numbers are those of a tenant that was removed
    "tenant_removal",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("last_agreement", BigInteger, nullable=False),
    Column("last_choice", BigInteger, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("login", Text, nullable=False),
    Index("tenant_removal_tenant", "tenant", "number"),
)


exit_choice = Table(  # the newest of a tenant counts
    "exit_choice",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("exit_on", Date, nullable=False),
    Column("document", Text, nullable=False),  # SHA-256 of the customer's instruction
    Column("erasure", Uuid, nullable=False),  # the id that its erasure will have
    Column("actor", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("lapsed", MOMENT),  # when an entry replaced the agreement that had let it lapse
    UniqueConstraint("id", name="exit_choice_id"),
    UniqueConstraint("erasure", name="exit_choice_erasure"),
    CheckConstraint("kind IN ('delete', 'return')", name="exit_choice_kind"),
    CheckConstraint("document ~ '^[0-9a-f]{64}$'", name="exit_choice_document"),
    Index("exit_choice_tenant", "tenant", "number"),
)


exit_step = Table(
    "exit_step",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("choice_id", Uuid, ForeignKey("exit_choice.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("document", Text),  # SHA-256 of the notice
    Column("actor", Text),  # NULL: a worker
    Column("login", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    CheckConstraint("step IN ('notice', 'confirmation', 'erasure')", name="exit_step_kind"),
    CheckConstraint(
        "(step = 'notice') = (document IS NOT NULL) AND document ~ '^[0-9a-f]{64}$'",
        name="exit_step_document",
    ),
    CheckConstraint("(step = 'erasure') = (actor IS NULL)", name="exit_step_person"),
    Index("exit_step_choice", "choice_id", "number"),
)
