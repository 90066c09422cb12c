"""The tables of a region's catalog. ``migrations`` makes them; a test holds the two together.

No foreign key points to a partitioned table, and there is no DEFAULT partition: either would keep
a partition from being detached concurrently.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time in UTC, whatever zone the session is in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database gave, in UTC."""
        return None if value is None else value.astimezone(UTC)


_MOMENT = Moment()

catalog_info = Table(
    "catalog_info",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("region", Text, nullable=False),
    Column("catalog_id", Uuid, nullable=False),
    Column("oldest_code", Integer, nullable=False),
    Column("newest_code", Integer, nullable=False),
    Column("identity", Text),  # the place it is in; not set while it is being recovered
    # backends that nobody has read the ledger of since a restore
    Column("unread", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    CheckConstraint("id = 1", name="catalog_info_one_row"),
)

pseudonym_key = Table(  # the versions in use, each with what tells its key from another
    "pseudonym_key",
    metadata,
    Column("version", SmallInteger, primary_key=True, autoincrement=False),
    Column("check_value", LargeBinary, nullable=False),
)

signing_key = Table(  # the keys that have signed receipts, and from when to when
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("first_signed", _MOMENT, nullable=False),
    Column("last_signed", _MOMENT, nullable=False),
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
    Column("version", Integer, nullable=False),
    Column("created", _MOMENT, nullable=False),
    Index("tenant_account", "account"),
)

agreement = Table(
    "agreement",
    metadata,
    Column("tenant", Text, ForeignKey("tenant.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("signed", Date, primary_key=True),
    Column("until", Date),
)

directory = Table(  # all that a region knows of tenants at home elsewhere
    "directory",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("home", Text, nullable=False),
    Index("directory_account", "account"),
)

object_ = Table(  # a thing on backends: a pack, a key object, an entry of the ledger
    "object",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("day", Date),
    Column("tenant", Text),  # set: it holds this tenant's bytes only
    Column("backends", ARRAY(Text), nullable=False),
    Column("size", BigInteger),
    Column("digest", LargeBinary),
    Column("announced", _MOMENT, nullable=False),
    Column("deadline", _MOMENT, nullable=False),  # still writing after it: abandoned
    Column("family", Uuid, nullable=False),  # a pack and all compactions of it
    Column("compact_at", _MOMENT),
    Column("replicate_at", _MOMENT),
    Column("gone_at", _MOMENT),
    Column("number", BigInteger),  # of an entry of the ledger
    CheckConstraint(
        "kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger', 'held', 'hold_key')",
        name="object_kind",
    ),
    CheckConstraint("(kind = 'ledger') = (number IS NOT NULL)", name="object_number"),
    CheckConstraint("state IN ('writing', 'stored', 'purging', 'gone')", name="object_state"),
    Index("object_writing", "deadline", postgresql_where=text("state = 'writing'")),
    Index("object_day", "day", "kind"),
    Index("object_family", "family"),
    Index("object_compact", "compact_at", postgresql_where=text("compact_at IS NOT NULL")),
    Index("object_replicate", "replicate_at", postgresql_where=text("replicate_at IS NOT NULL")),
    Index("object_file_key", "announced", postgresql_where=text("kind = 'file_key'")),
    Index("object_number", "number", postgresql_where=text("number IS NOT NULL")),
    Index("object_held", "tenant", postgresql_where=text("kind IN ('held', 'hold_key')")),
    Index("object_gone", "gone_at", postgresql_where=text("gone_at IS NOT NULL")),
)

replica = Table(  # one attempt to write one object to one backend, under a key of its own
    "replica",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("object_id", Uuid, ForeignKey("object.id", ondelete="CASCADE"), nullable=False),
    Column("backend", Text, nullable=False),
    Column("key", Text(collation="C"), nullable=False, unique=True),  # sorts as backends list
    Column("state", Text, nullable=False),
    Column("land_by", _MOMENT, nullable=False),  # no attempt to write it can take effect later
    Column("next_attempt", _MOMENT),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("purging_since", _MOMENT),
    Column("gone_at", _MOMENT),
    Column("how", Text),  # all that former code notes: 'seen' or 'attested' to be absent
    Column("sub_processor", Text),  # whose backend it was when it was seen to be absent
    Column("seen", ARRAY(Text)),  # the kinds of trace that were listed then
    Column("attested", ARRAY(Text)),  # those that a person vouched could not be there
    CheckConstraint("state IN ('writing', 'stored', 'purging', 'gone')", name="replica_state"),
    Index("replica_object", "object_id"),
    Index("replica_listing", "backend", "key"),
    Index("replica_purge", "next_attempt", postgresql_where=text("state = 'purging'")),
    Index("replica_gone", "gone_at", postgresql_where=text("state = 'gone'")),
)

day = Table(  # a day on which records expire, and its partition
    "day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("state", Text, nullable=False),
    Column("expiring_at", _MOMENT),
    Column("dropped_at", _MOMENT),
    Column("next_attempt", _MOMENT),  # a worker is at it until then
    Column("holds", BigInteger),  # the number of the last hold that came before ``expiring``
    CheckConstraint("state IN ('open', 'expiring', 'dropped')", name="day_state"),
)

day_key = Table(  # the key itself lies on the backends only
    "day_key",
    metadata,
    Column("object_id", Uuid, ForeignKey("object.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("tenant", Text, nullable=False),  # '' unless dedicated
    Column("ready", Boolean, nullable=False),
    Index("day_key_ready", "day", "shard", "tenant", unique=True, postgresql_where=text("ready")),
)


def _content_columns() -> list[Column[object]]:
    return [
        Column("tenant", Text, primary_key=True),  # an id means nothing under another tenant
        Column("uid", LargeBinary, primary_key=True),
        Column("data_class", Text, nullable=False),
        Column("born", Text, nullable=False),  # the region that the id names
        Column("minted", _MOMENT, nullable=False),
        Column("origin", _MOMENT, nullable=False),  # the oldest minting of what it derives from
        Column("written", _MOMENT, nullable=False),
        Column("subject", LargeBinary),
        Column("grp", LargeBinary),
        Column("ancestors", ARRAY(LargeBinary)),
        Column("object_id", Uuid, nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("length", BigInteger, nullable=False),  # sealed
        Column("size", BigInteger, nullable=False),  # plain
        Column("streamed", Boolean, nullable=False),
        Column("incomplete", Boolean, nullable=False),
        Column("key_id", Uuid, nullable=False),  # the key object that wraps the record key
        Column("wrapped_key", LargeBinary, nullable=False),
        Column("sealed_metadata", LargeBinary),
        Column("fingerprint", LargeBinary, nullable=False),
    ]


def _content_indexes(name: str) -> list[Index]:
    return [
        Index(f"{name}_object", "object_id"),
        Index(f"{name}_tenant", "tenant", "minted", "uid"),
        Index(f"{name}_subject", "tenant", "subject", postgresql_where=text("subject IS NOT NULL")),
        Index(f"{name}_grp", "tenant", "grp", postgresql_where=text("grp IS NOT NULL")),
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

file = Table(  # what is kept until the customer deletes it
    "file",
    metadata,
    *_content_columns(),
    *_content_indexes("file"),
    Index("file_key", "key_id"),
)

held = Table(  # records that a hold has kept beyond their expiry day
    "held",
    metadata,
    Column("expiry_day", Date, primary_key=True),
    *_content_columns(),
    *_content_indexes("held"),
    Index("held_key", "key_id"),
)

hold = Table(  # a legal hold: a predicate, and no row per record that it covers
    "hold",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # in the order of placing
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("sought", ARRAY(LargeBinary)),  # pseudonyms or a unique part
    Column("sealed_name", LargeBinary),  # of whom it is about, if it covers the future
    Column("classes", ARRAY(Text)),  # none: all
    Column("minted_from", _MOMENT),
    Column("minted_to", _MOMENT),  # exclusive
    Column("cutoff", _MOMENT),  # none: it covers what is minted later too
    Column("matter", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("placed", _MOMENT, nullable=False),
    Column("review", Date, nullable=False),
    Column("released", _MOMENT),
    Column("released_why", Text),
    Column("resumed", _MOMENT),  # what it deferred goes on since then
    CheckConstraint("scope IN ('record', 'subject', 'group', 'tenant')", name="hold_scope"),
    Index("hold_in_force", "tenant", postgresql_where=text("released IS NULL")),
    Index(
        "hold_to_resume",
        "released",
        postgresql_where=text("released IS NOT NULL AND resumed IS NULL"),
    ),
    Index("hold_over", "released", postgresql_where=text("resumed IS NOT NULL")),
)

audit = Table(  # who opened what for a purpose that is not the tenant's own
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", _MOMENT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("hold_id", Uuid, nullable=False),
    Column("uid", LargeBinary, nullable=False),
    Index("audit_hold", "hold_id", "id"),
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("sought", ARRAY(LargeBinary)),  # pseudonyms or a unique part; forgotten when planned
    Column("reason", Text, nullable=False),
    Column("ticket", Text),
    Column("state", Text, nullable=False),
    Column("requested", _MOMENT, nullable=False),
    Column("cutoff", _MOMENT, nullable=False),
    Column("fenced", _MOMENT),  # since when it is true in this catalog; as requested if not set
    Column("awaited", Boolean, nullable=False, server_default=text("false")),
    Column("planned", _MOMENT),
    Column("completed", _MOMENT),
    Column("deleted", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('fenced', 'deferred', 'purging', 'complete')", name="erasure_state"),
    Index("erasure_open", "requested", postgresql_where=text("state <> 'complete'")),
    Index("erasure_complete", "completed", postgresql_where=text("state = 'complete'")),
    Index("erasure_tenant", "tenant", "requested"),
)

fence = Table(  # what makes an erasure true at once
    "fence",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("value", LargeBinary, primary_key=True),
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("cutoff", _MOMENT, nullable=False),
    Column("until", _MOMENT, nullable=False),
    Index("fence_cutoff", "tenant", "scope", "cutoff"),
    Index("fence_until", "until"),
    Index("fence_erasure", "erasure_id"),
)

erasure_object = Table(  # an object that an erasure waits for, until it is complete
    "erasure_object",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("object_id", Uuid, ForeignKey("object.id"), primary_key=True),
    Column("holds_ranges", Boolean, nullable=False),  # else: was being written, content unknown
    Index("erasure_object_object", "object_id"),
)

deferral = Table(  # what a hold keeps of what an erasure covers, and since when
    "deferral",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id", ondelete="CASCADE"), primary_key=True),
    Column("hold_id", Uuid, ForeignKey("hold.id"), primary_key=True),
    Column("since", _MOMENT, primary_key=True),
    Column("until", _MOMENT),
    Column("records", BigInteger, nullable=False),
    Index("deferral_hold", "hold_id"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("token", Text, nullable=False),
    Column("issued", _MOMENT, nullable=False),
)

scrub = Table(  # how far each backend has been compared with this catalog
    "scrub",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("due", _MOMENT, nullable=False),  # when the next round begins
    Column("started", _MOMENT),  # unset: no round is under way
    Column("after", Text, nullable=False),  # the last key that is done
    Column("seed", LargeBinary, nullable=False),
    Column("share", Float, nullable=False),  # of the objects, those that are read as a whole
    Column("tally", JSONB, nullable=False),
    Column("lease", _MOMENT),  # a process is at it until then
    Column("finished", _MOMENT),
    Column("unmended", Integer, nullable=False),  # by the last round that finished
)

orphan = Table(  # what a backend holds and no row knows of
    "stray",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("first_seen", _MOMENT, nullable=False),
    Column("last_seen", _MOMENT, nullable=False),
)

processor_copy = Table(  # what a processor was handed; whom it is about, until it is gone
    "processor_copy",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("uid", LargeBinary, nullable=False),  # the record, as in its row
    Column("data_class", Text, nullable=False),
    Column("expiry_day", Date),
    Column("origin", _MOMENT, nullable=False),
    Column("subject", LargeBinary),
    Column("grp", LargeBinary),
    Column("ancestors", ARRAY(LargeBinary)),
    Column("processor", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("announced", _MOMENT, nullable=False),
    Column("land_by", _MOMENT, nullable=False),  # no delivery can be carried out later
    Column("deadline", _MOMENT, nullable=False),
    Column("lead", Interval, nullable=False),
    Column("next_attempt", _MOMENT),  # to ask for its deletion, first or again
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("requested", _MOMENT),
    Column("acknowledged", _MOMENT),
    Column("how", Text),
    Column("digest", LargeBinary),
    Column("actor", Text),  # who attested it
    CheckConstraint(
        "state IN ('announced', 'delivered', 'requested', 'confirmed')", name="processor_copy_state"
    ),
    CheckConstraint("how IN ('acknowledged', 'attested')", name="processor_copy_how"),
    CheckConstraint(
        "CASE WHEN state = 'confirmed' THEN num_nulls(acknowledged, how, digest) = 0 "
        "AND next_attempt IS NULL ELSE acknowledged IS NULL AND next_attempt IS NOT NULL END",
        name="processor_copy_confirmed",
    ),
    Index("processor_copy_due", "next_attempt", postgresql_where=text("state <> 'confirmed'")),
    Index(
        "processor_copy_open",
        "processor",
        "deadline",
        postgresql_where=text("state <> 'confirmed'"),
    ),
    Index("processor_copy_tenant", "tenant"),
    Index("processor_copy_over", "id", postgresql_where=text("state = 'confirmed'")),
)

erasure_copy = Table(  # a copy that an erasure waits for, until it is complete
    "erasure_copy",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id", ondelete="CASCADE"), primary_key=True),
    Column("copy_id", Uuid, ForeignKey("processor_copy.id"), primary_key=True),
    Index("erasure_copy_copy", "copy_id"),
)
