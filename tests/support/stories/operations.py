"""The operations on a Domicile, as values that Hypothesis can draw.

A number stands for the n-th item that exists when the operation runs, counted round.
"""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from regions.model import CONTENT_CLASSES
from storage.model import DataClass, ScopeKind
from tests.support.stories.staff_operations import Ask, Restore, Screen, StaffOp

Size = Literal["none", "small", "own_pack", "chunks"]
Naming = Literal["given", "none", "key", "minted", "taken", "same", "batch"]
"""How a put gets its id: minted before or by the put, of an idempotency key, minted long ago, taken
by other content, taken by the same content, or taken earlier in the same batch.
"""

SCOPES = tuple(kind for kind in ScopeKind if kind is not ScopeKind.CLASS)
ERASABLE = tuple(kind for kind in SCOPES if kind is not ScopeKind.REGION)
SHORT = (DataClass.PROMPT, DataClass.COMPLETION)
KEPT = (0, 2, 3, 5, 7, 7)  # days, of what has a ceiling of seven
FILES_KEPT = (0, 2, 5, None)
NUMBER = st.integers(0, 15)
PROCESS = st.integers(0, 1)


@dataclass(frozen=True)
class Item:
    """One record of a put. The last two count if the put names no id that is there."""

    data_class: DataClass
    size: Size
    subject: str | None
    group: str | None
    parents: tuple[int, ...]
    naming: Naming
    number: int
    keep: int | None = None  # for fewer days than its tenant
    taken: int | None = None  # it came in so many days ago


@dataclass(frozen=True)
class Put:
    """``put``, ``put_file`` for a file that derives from nothing, or ``put_many``."""

    tenant: int
    items: tuple[Item, ...]
    many: bool


@dataclass(frozen=True)
class Mint:
    """Mint an id, for later."""

    tenant: int
    data_class: DataClass
    key: int | None


@dataclass(frozen=True)
class Get:
    """Read a record whole, in ranges, or as another tenant."""

    tenant: int
    number: int
    how: Literal["get", "ranges", "stranger", "train"]


@dataclass(frozen=True)
class Search:
    """List by class, subject and group, in pages."""

    tenant: int
    data_class: DataClass | None
    subject: str | None
    group: str | None


@dataclass(frozen=True)
class Erase:
    """Erase a scope."""

    tenant: int
    kind: ScopeKind
    number: int


@dataclass(frozen=True)
class Work:
    """Run all duties of a worker, or some pieces of one, given by number or name."""

    duty: int | str | None
    pieces: int


@dataclass(frozen=True)
class Hold:
    """Place a legal hold on a scope; ``future``: also on what is minted later."""

    tenant: int
    kind: ScopeKind
    number: int
    future: bool


@dataclass(frozen=True)
class Release:
    """Release the n-th hold in force, counted from the youngest."""

    number: int


@dataclass(frozen=True)
class Confirm:
    """Confirm the n-th hold in force."""

    number: int


@dataclass(frozen=True)
class Narrow:
    """Let the n-th hold in force keep nothing of a class any more."""

    number: int
    data_class: DataClass


@dataclass(frozen=True)
class Scrub:
    """Scrub a backend, reading every byte."""

    backend: int


@dataclass(frozen=True)
class Corrupt:
    """Lose a replica of a stored pack, or flip a bit of it, while another is good."""

    number: int
    flip: bool


@dataclass(frozen=True)
class HandOver:
    """Hand a copy of a record to a processor."""

    tenant: int
    number: int


@dataclass(frozen=True)
class Retain:
    """Keep a class of a tenant for so many days. ``back``: and then for as long as before."""

    tenant: int
    data_class: DataClass
    days: int | None
    back: bool = False


@dataclass(frozen=True)
class Say:
    """Say yes or no to training: a tenant, or its subject. A yes covers ``back`` days before."""

    tenant: int
    subject: str | None
    yes: bool
    back: int = 0


@dataclass(frozen=True)
class Train:
    """Read a tenant's records for a run of training."""

    tenant: int
    run: int


@dataclass(frozen=True)
class Wait:
    """Let time pass. To the end of the day: ``minutes`` before or after midnight."""

    minutes: int
    midnight: bool = False
    lands: bool = True


@dataclass(frozen=True)
class Kill:
    """Kill the process that is running an operation."""


Op = (
    Put
    | Mint
    | Get
    | Search
    | Erase
    | Work
    | Wait
    | Kill
    | Hold
    | Release
    | Confirm
    | Narrow
    | Scrub
    | Corrupt
    | HandOver
    | Retain
    | Say
    | Train
    | StaffOp
    | Ask
    | Screen
    | Restore
)

CLASSES = st.sampled_from(CONTENT_CLASSES)
SUBJECTS = st.sampled_from([None, "ann", "ben"])
GROUPS = st.sampled_from([None, None, "thread-1", "thread-2"])
_PARENTS = st.lists(NUMBER, max_size=2).map(tuple)

items = st.builds(
    Item,
    data_class=st.sampled_from([DataClass.PROMPT, DataClass.COMPLETION, *CONTENT_CLASSES]),
    size=st.sampled_from(["small"] * 5 + ["none", "own_pack", "chunks"]),
    subject=SUBJECTS,
    group=GROUPS,
    parents=st.one_of(st.just(()), _PARENTS),
    naming=st.sampled_from(["given", "none", "given", "key", "minted", "taken", "same", "batch"]),
    number=NUMBER,
    keep=st.sampled_from([None] * 5 + [2, 3, 5]),
    taken=st.sampled_from([None] * 5 + [0, 1, 3, 8]),
)
plain_items = st.builds(
    Item,
    data_class=st.sampled_from([DataClass.PROMPT, DataClass.COMPLETION]),
    size=st.just("small"),
    subject=SUBJECTS,
    group=GROUPS,
    parents=st.one_of(st.just(()), _PARENTS),
    naming=st.just("given"),
    number=st.just(0),
)
puts = st.builds(Put, NUMBER, st.tuples(items), st.just(value=False))
batches = st.builds(
    Put,
    NUMBER,
    st.lists(st.one_of(plain_items, items), min_size=2, max_size=6).map(tuple),
    st.just(value=True),
)
mints = st.builds(Mint, NUMBER, CLASSES, st.one_of(st.none(), st.integers(0, 2)))
gets = st.builds(Get, NUMBER, NUMBER, st.sampled_from(["get", "ranges", "stranger", "train"]))
searches = st.builds(Search, NUMBER, st.one_of(st.none(), CLASSES), SUBJECTS, GROUPS)
erasures = st.builds(
    Erase,
    NUMBER,
    st.sampled_from(
        [ScopeKind.RECORD, ScopeKind.SUBJECT, ScopeKind.RECORD, ScopeKind.GROUP, *ERASABLE]
    ),
    NUMBER,
)
retains = st.one_of(
    st.builds(Retain, NUMBER, st.sampled_from(SHORT), st.sampled_from(KEPT), st.booleans()),
    st.builds(
        Retain,
        NUMBER,
        st.just(DataClass.FINE_TUNING_FILE),
        st.sampled_from(FILES_KEPT),
        st.booleans(),
    ),
)
works = st.one_of(
    st.builds(Work, st.none(), st.just(1)),
    st.builds(Work, st.integers(0, 31), st.integers(1, 3)),
)
waits = st.one_of(
    st.builds(Wait, st.integers(1, 120), lands=st.booleans()),
    st.builds(Wait, st.integers(2, 80).map(lambda hours: hours * 60), lands=st.booleans()),
    st.builds(Wait, st.integers(1, 9).map(lambda days: days * 1440), lands=st.booleans()),
    st.builds(Wait, st.integers(-2, 2), st.just(value=True), st.booleans()),
)
moments = st.builds(Wait, st.integers(1, 7), lands=st.booleans())

interruptions = st.one_of(
    erasures, works, erasures, works, puts, batches, st.just(Kill()), moments, gets
)
interrupted = st.one_of(puts, batches, works, erasures, works, gets)
