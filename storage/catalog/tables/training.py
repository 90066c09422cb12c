"""What was handed out for training and fine-tuning, and what must not be used any more."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

training_read = Table(
    "training_read",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("run", Text, nullable=False),  # of fine-tuning: the model
    Column("job", Text),
    Column("actor", Text, nullable=False),
    Column("began", MOMENT, nullable=False),
    CheckConstraint("purpose IN ('train', 'fine_tune')", name="training_read_purpose"),
    CheckConstraint("(job IS NOT NULL) = (purpose = 'fine_tune')", name="training_read_job"),
    Index("training_read_run", "run", "id"),
)


training_use = Table(  # noted before it is handed out; its subject, until the run has deleted it
    "training_use",
    metadata,
    Column("read_id", Uuid, ForeignKey("training_read.id"), primary_key=True),
    Column("uid", LargeBinary, primary_key=True),  # the record, as in its row
    Column("record", Text, nullable=False),  # its id
    Column("tenant", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("minted", MOMENT, nullable=False),
    Column("origin", MOMENT, nullable=False),
    Column("subject", LargeBinary),
    Column("grp", LargeBinary),
    Column("ancestors", ARRAY(LargeBinary)),
    Column("consent_id", Uuid),
    Column("at", MOMENT, nullable=False),
    Index("training_use_record", "tenant", "uid"),
    Index("training_use_at", "at"),
    Index(
        "training_use_subject",
        "tenant",
        "subject",
        postgresql_where=text("subject IS NOT NULL"),
    ),
)


training_exclusion = Table(  # what was erased since; a withdrawal is found from what was said
    "training_exclusion",
    metadata,
    Column("read_id", Uuid, primary_key=True),
    Column("uid", LargeBinary, primary_key=True),
    Column("at", MOMENT, nullable=False),
    ForeignKeyConstraint(["read_id", "uid"], ["training_use.read_id", "training_use.uid"]),
)


training_confirmation = Table(  # a person: the run has none of what was listed then
    "training_confirmation",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("read_id", Uuid, ForeignKey("training_read.id"), nullable=False),
    Column("listed", MOMENT, nullable=False),
    Column("confirmed", MOMENT, nullable=False),
    Column("digest", Text, nullable=False),
    Column("actor", Text, nullable=False),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="training_confirmation_digest"),
    Index("training_confirmation_read", "read_id", "listed"),
)


erasure_training = Table(  # a read whose run an erasure waits for, until it is complete
    "erasure_training",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id", ondelete="CASCADE"), primary_key=True),
    Column("read_id", Uuid, ForeignKey("training_read.id"), primary_key=True),
    Column("noted", MOMENT, nullable=False),  # when the erasure became true
    Index("erasure_training_read", "read_id"),
)


tenant_model = Table(  # a model is of one tenant, for ever
    "tenant_model",
    metadata,
    Column("name", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("added", MOMENT, nullable=False),
    Column("actor", Text, nullable=False),
    Index("tenant_model_tenant", "tenant", "name"),
)
