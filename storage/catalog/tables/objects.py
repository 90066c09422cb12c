"""What is on backends: objects, their replicas, and what the scrub found."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.catalog.tables.base import MOMENT, metadata

object_ = Table(  # what is stored on backends: a pack, a key object, a ledger entry
    "object",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("day", Date),
    Column("tenant", Text),  # set: it contains bytes of this tenant only
    Column("backends", ARRAY(Text), nullable=False),
    Column("size", BigInteger),
    Column("digest", LargeBinary),
    Column("announced", MOMENT, nullable=False),
    Column("deadline", MOMENT, nullable=False),  # still ``writing`` after it: abandoned
    Column("family", Uuid, nullable=False),  # a pack and all compactions of it
    Column("compact_at", MOMENT),
    Column("replicate_at", MOMENT),
    Column("gone_at", MOMENT),
    Column("number", BigInteger),  # of a ledger entry; or how many lines the log had with it
    Column("absence", BigInteger),  # the number of the moment at which it was gone
    CheckConstraint(
        "kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger', 'held', 'hold_key',"
        " 'log_tiles', 'log_lines', 'checkpoint')",
        name="object_kind",
    ),
    CheckConstraint(
        "(kind IN ('ledger', 'log_tiles', 'log_lines', 'checkpoint')) = (number IS NOT NULL)",
        name="object_number",
    ),
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
    Column("key", Text(collation="C"), nullable=False, unique=True),  # sorts as backends list keys
    Column("state", Text, nullable=False),
    Column("land_by", MOMENT, nullable=False),  # no write of it can take effect later
    Column("next_attempt", MOMENT),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("purging_since", MOMENT),
    Column("gone_at", MOMENT),
    Column("how", Text),  # by earlier code only: 'seen' or 'attested' to be absent
    Column("sub_processor", Text),  # that ran the backend when it was seen to be absent
    Column("located", Text),  # how it was known then where the backend stands
    Column("seen", ARRAY(Text)),  # the kinds of trace that the listing shows
    Column("attested", ARRAY(Text)),  # the kinds that are attested to be off
    Column("control", Uuid),  # the object that the backend listed meanwhile
    Column(
        "posture", JSONB(none_as_null=True)
    ),  # that of the backend then: when it was read, and what is not ok
    Column("swept", BigInteger),  # the number of the last sweep beside it, if it is gone
    CheckConstraint("state IN ('writing', 'stored', 'purging', 'gone')", name="replica_state"),
    Index("replica_object", "object_id"),
    Index("replica_listing", "backend", "key"),
    Index("replica_purge", "next_attempt", postgresql_where=text("state = 'purging'")),
    Index("replica_gone", "gone_at", postgresql_where=text("state = 'gone'")),
)


day_key = Table(  # the key itself is on the backends only
    "day_key",
    metadata,
    Column("object_id", Uuid, ForeignKey("object.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("tenant", Text, nullable=False),  # '' unless dedicated
    Column("ready", Boolean, nullable=False),
    Index("day_key_ready", "day", "shard", "tenant", unique=True, postgresql_where=text("ready")),
)


scrub = Table(  # the progress of the scrub of each backend
    "scrub",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("due", MOMENT, nullable=False),  # when the next round begins
    Column("started", MOMENT),  # NULL: no round is under way
    Column("after", Text, nullable=False),  # the last key that was examined
    Column("seed", LargeBinary, nullable=False),
    Column("share", Float, nullable=False),  # the share of objects that are read whole
    Column("tally", JSONB, nullable=False),
    Column("lease", MOMENT),  # leased by a process until then
    Column("finished", MOMENT),
    # of the last round that finished
    Column("unmended", Integer, nullable=False, key="unrepaired"),
)


posture = Table(  # of each backend that has one, as it was last read
    "posture",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("findings", JSONB, nullable=False),
    Column("read", MOMENT, nullable=False),
    Column("reader", Text, nullable=False),  # the login that read it
)


ledger_place = Table(  # backends that an operator accepts for ledger entries whatever they do
    "ledger_place",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("since", MOMENT, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ended", MOMENT),  # NULL: in force
    Column("ended_by", Text),
)


departure = Table(  # of what is on a backend that leaves, until it is empty
    "departure",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("begun", MOMENT, nullable=False),
    # purged and seen to be absent since then: replicas, and the sizes of their objects
    Column("replicas", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
)


statement = Table(  # the signed evidence that a backend is empty: no role changes or deletes it
    "statement",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("begun", MOMENT, primary_key=True),
    Column("replicas", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("token", Text, nullable=False),
    Column("signed", MOMENT, nullable=False),
    Column("exported", MOMENT),  # NULL: in this catalog alone
)


sweep = Table(  # a listing before receipts are signed, of the keys of one kind and day
    "sweep",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("prefix", Text(collation="C"), primary_key=True),
    Column("due", MOMENT, nullable=False),  # when its next piece is to be done
    Column("began", BigInteger),  # its number; NULL: it begins anew
    Column("after", Text, nullable=False, server_default=text("''")),  # the last key that is done
    Column("orphans", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
)


absence = Sequence("absence")  # numbers absences and sweeps in the order in which they happen


orphan = Table(  # bytes on a backend that no row knows
    "stray",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("first_seen", MOMENT, nullable=False),
    Column("last_seen", MOMENT, nullable=False),
)
