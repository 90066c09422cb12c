"""What a topology says, as frozen models that refuse unknown keys.

Nothing here reads a file (see ``regions.load``) or knows a secret (see ``storage.settings``).
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from regions.backends import BackendSpec
from regions.connectors import ConnectorSpec
from regions.fields import Model, Name

Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]

AgreementKind = Literal["dpa"]

LONGEST_RETENTION_DAYS = 36_500
"""The most days that any retention may have: the expiry day must fit into a record id."""


class DataClass(StrEnum):
    """What a record is. The topology says how long each class may be kept."""

    PROMPT = "prompt"
    COMPLETION = "completion"
    FINE_TUNING_FILE = "fine_tuning_file"


class Purpose(StrEnum):
    """Why content is opened. Nothing else opens content."""

    SERVE = "serve"
    FINE_TUNE = "fine_tune"
    TRAIN = "train"
    ABUSE_SCREENING = "abuse_screening"
    ABUSE_INVESTIGATION = "abuse_investigation"
    SUBJECT_REQUEST = "subject_request"
    LEGAL = "legal"


class Service(StrEnum):
    """What a sub-processor is there for. All but hosting are given copies, through a connector."""

    HOSTING = "hosting"
    MODERATION = "moderation"
    HUMAN_REVIEW = "human_review"


class SubProcessor(Model):
    """A company that holds or handles data for us."""

    name: Name
    title: str
    service: Service
    jurisdictions: frozenset[Jurisdiction]
    agreement: str
    since: date
    until: date | None = None  # the first day on which it may hold nothing any more
    connector: ConnectorSpec | None = None  # without one it is given no copy

    def active(self, on: date) -> bool:
        """Whether the agreement covers that day."""
        return self.since <= on and (self.until is None or on < self.until)

    @property
    def by_hand(self) -> bool:
        """Whether people carry copies there, and record that they are gone."""
        return self.connector is not None and self.connector.kind == "manual"


class Steward(Model):
    """Who runs something that holds data about a region, and where."""

    sub_processor: Name
    location: Jurisdiction


class Region(Model):
    """Where machines stand. Its database, keys and backups are in its jurisdiction too."""

    name: Name
    jurisdiction: Jurisdiction
    catalog: Steward
    keys: Steward
    backups: Steward
    # how long a catalog backup lives
    catalog_backup_days: int = Field(ge=0, le=LONGEST_RETENTION_DAYS)
    replicas: int = Field(ge=1)  # copies wanted
    required: int = Field(ge=1)  # copies before a write is acknowledged
    backends: tuple[BackendSpec, ...] = Field(min_length=1)  # in order of preference

    @property
    def stewards(self) -> tuple[tuple[str, Steward], ...]:
        """Who holds data about the region beside its backends, by what they run."""
        return ("catalog", self.catalog), ("keys", self.keys), ("backups", self.backups)


class Keeping(Model):
    """How long a kind of evidence is kept, and the reason, for whoever asks."""

    days: int = Field(ge=1, le=LONGEST_RETENTION_DAYS)
    reason: str = Field(min_length=1)


class JurisdictionRule(Model):
    """How long the law of a place has evidence kept.

    ``receipts``: an erasure that is complete, with its receipt. ``holds``: a hold that has been
    released, with who looked at what it kept.
    """

    name: Jurisdiction
    receipts: Keeping
    holds: Keeping


class Residency(Model):
    """What a customer may ask for: where data lives, and what must be signed first."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,10}$")]
    jurisdictions: frozenset[Jurisdiction]
    agreements: frozenset[AgreementKind]


class ClassRule(Model):
    """How long a class is kept, what may open it, and who may be given a copy."""

    name: DataClass
    # None: until the customer deletes it
    retention_days: int | None = Field(default=None, ge=0, le=LONGEST_RETENTION_DAYS)
    # the most that a tenant may set; None: no ceiling
    ceiling_days: int | None = Field(default=None, ge=0, le=LONGEST_RETENTION_DAYS)
    purposes: frozenset[Purpose]
    # to processors of which service a copy may be handed over
    handed_to: frozenset[Service] = frozenset()


class Cascade(Model):
    """Erasing a parent record erases a child that derives from it."""

    parent: DataClass
    child: DataClass
    cause: Literal["erasure"]


class Bounds(Model):
    """How long things may take. The bound of every deadline is computed from these."""

    purge_hours: int = Field(default=24, ge=1, le=240)  # from expiry day to bytes gone
    compaction_hours: int = Field(default=72, ge=0, le=720)  # one rewrite of a pack in so long
    write_window_hours: int = Field(default=24, ge=1, le=240)  # an id is good for so long

    @property
    def purge(self) -> timedelta:
        """The purge bound."""
        return timedelta(hours=self.purge_hours)

    @property
    def compaction(self) -> timedelta:
        """The compaction window."""
        return timedelta(hours=self.compaction_hours)

    @property
    def write_window(self) -> timedelta:
        """The write window of an id, and so the life of a fence."""
        return timedelta(hours=self.write_window_hours)

    def allow(self, retention_days: int) -> bool:
        """Whether a retention is 0 (nothing is stored), or leaves a record time to be read.

        Reading ends with the UTC day that begins a purge bound or more before the retention does
        end. So it takes a day besides the purge bound until a record sees the day after its own.
        """
        return retention_days == 0 or timedelta(days=retention_days) >= self.purge + timedelta(1)


class Topology(Model):
    """Everything above, cross-checked by ``regions.load``."""

    regions: dict[str, Region]
    sub_processors: dict[str, SubProcessor]
    residencies: dict[str, Residency]
    jurisdictions: dict[str, JurisdictionRule]
    classes: dict[DataClass, ClassRule]
    cascades: tuple[Cascade, ...]
    bounds: Bounds

    def cascades_to(self, parent: DataClass, child: DataClass) -> bool:
        """Whether erasing a ``parent`` erases a ``child`` that derives from it."""
        return any(c.parent == parent and c.child == child for c in self.cascades)
