"""The region itself: its identity, its keys, and its tenants."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.catalog.tables.base import MOMENT, metadata

catalog_info = Table(
    "catalog_info",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("region", Text, nullable=False),
    Column("catalog_id", Uuid, nullable=False),
    Column("oldest_code", Integer, nullable=False),  # the oldest that works with the schema; 0: all
    Column("newest_code", Integer, nullable=False),  # the revision of the schema
    Column("identity", Text),  # server, timeline, database, table; NULL: in recovery
    # backends whose ledger has not been read since a restore
    Column("unread", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("declared", Text),  # the transaction in which the last recovery began
    Column("last_exit_step", BigInteger),  # the last step of an exit when it began
    CheckConstraint("id = 1", name="catalog_info_one_row"),
)


region_stage = Table(  # the stages of the region, if it has any; only ever added to
    "region_stage",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("stage", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the text that declares the region then
    Column("at", MOMENT, nullable=False, server_default=text("now()")),
)


retirement = Table(  # of a region that retires, until it is retired
    "retirement",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("begun", MOMENT, nullable=False),
    # the number and the digest of the last entry of its ledger, noted before that is purged
    Column("entries", BigInteger, nullable=False, server_default=text("0")),
    Column("head", LargeBinary),
    CheckConstraint("id = 1", name="retirement_one_row"),
)


region_statement = Table(  # the signed evidence that the region is empty; no role deletes it
    "region_statement",
    metadata,
    Column("begun", MOMENT, primary_key=True),
    Column("token", Text, nullable=False),
    Column("signed", MOMENT, nullable=False),
    Column("exported", MOMENT),  # NULL: in this catalog alone
)


pseudonym_key = Table(  # the versions in use, each with a value that identifies its key
    "pseudonym_key",
    metadata,
    Column("version", SmallInteger, primary_key=True, autoincrement=False),
    Column("check_value", LargeBinary, nullable=False),
)


signing_key = Table(  # the keys that signed receipts, with the times of first and last use
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("first_signed", MOMENT, nullable=False),
    Column("last_signed", MOMENT, nullable=False),
)


tenant = Table(
    "tenant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("residency", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("dedicated", Boolean, nullable=False),
    Column("retention", JSONB, nullable=False),
    Column("traits", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("version", Integer, nullable=False),
    Column("created", MOMENT, nullable=False),
    Index("tenant_account", "account"),
)


cell_choice = Table(  # in the first cell of a place: which cell a tenant was given
    "cell_choice",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("cell", Text, nullable=False),
)


handover = Table(  # who attests that a company no longer runs a part of the region
    "handover",
    metadata,
    Column("company", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("at", MOMENT, primary_key=True),
)


drain = Table(  # the signed evidence that a company has nothing of the region any more
    "drain",
    metadata,
    Column("company", Text, primary_key=True),
    Column("finished", MOMENT, primary_key=True),
    Column("token", Text, nullable=False),
)


backend_storage = Table(  # by which the storage of a backend is recognized; no role deletes it
    "backend_storage",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("identity", Uuid, primary_key=True),
    Column("seen", MOMENT),  # NULL: chosen, but storage may lack it
    Column("lost", MOMENT),  # NULL: it is in use
    Column("actor", Text),
    Column("document", Text),
    Index("backend_storage_in_use", "backend", unique=True, postgresql_where=text("lost IS NULL")),
    CheckConstraint(
        "lost IS NULL OR (actor IS NOT NULL AND document IS NOT NULL)",
        name="backend_storage_attested",
    ),
)


directory = Table(  # all that a region knows about tenants of other regions
    "directory",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("home", Text, nullable=False),
    Index("directory_account", "account"),
)


objection = Table(  # what tenants said about companies; no role changes it, a function forgets
    "objection",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("company", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    CheckConstraint("kind IN ('objected', 'withdrawn')", name="objection_kind"),
    Index("objection_tenant", "tenant", "number"),
)


objection_in_force = Table(  # and how far what is at the company is moved
    "objection_in_force",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("company", Text, primary_key=True),
    Column("since", MOMENT, nullable=False),
    Column("look_at", MOMENT, nullable=False),  # when to look for what is left; leased until then
    Column("gone", MOMENT),  # since when nothing was found there; NULL: something may be
)


topology_seen = Table(  # with what it says that counts later; no role changes or deletes it
    "topology_seen",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("first_seen", MOMENT, nullable=False),
    Column("last_seen", MOMENT, nullable=False),
    Column("sub_processors", JSONB, nullable=False),
    Column("replaced", MOMENT),  # None: it is in use
    Column("epochs", JSONB),  # None: it was noted by code that knew none
    Column("rules", Text),  # the digest of what it says of retentions; None: as for epochs
)
