"""The entries of a topology, as frozen models that refuse unknown keys.

Nothing here reads a file (see ``regions.load``) or knows a secret (see ``storage.settings``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from regions.backends import BackendSpec
from regions.connectors import ConnectorSpec
from regions.fields import Digest, Jurisdiction, Model, Name, Text
from regions.witnesses import WitnessSpec

AgreementKind = Literal["dpa", "enterprise", "baa", "use_case", "confidentiality"]
"""The kinds of agreements with a customer.

A data processing agreement (GDPR, article 28); an enterprise agreement; a business associate
agreement (HIPAA, 45 CFR 164.504(e)); that the use case qualifies for it; confidentiality.
"""

PHI_AGREEMENTS: frozenset[AgreementKind] = frozenset({"enterprise", "baa", "use_case"})
"""What must be in force before protected health information is stored (HIPAA)."""

LONGEST_RETENTION_DAYS = 36_500
"""The most days that any retention may have: the expiry day must fit into a record id."""

LONGEST_NOTICE_DAYS = 365
"""The most days between the announcement of a sub-processor and its first day."""

WRITE_WINDOW = timedelta(days=1)
"""How long an id can be written after its minting, and so how long a fence must stand.

A constant: if it could be raised, an id from before an erasure would outlive the fence.
"""


class DataClass(StrEnum):
    """The class of data. The topology says how long each class may be kept."""

    PROMPT = "prompt"
    COMPLETION = "completion"
    FINE_TUNING_FILE = "fine_tuning_file"
    EVENT = "event"  # metadata without content, such as a line of a log that a law wants kept
    FLAG = "flag"  # what a classifier says of a record: no record of its own, and gone with it


RECORD_CLASSES = tuple(one for one in DataClass if one is not DataClass.FLAG)
"""The classes of records. Only these have ids, a retention, a placement and copies."""

CONTENT_CLASSES = tuple(one for one in RECORD_CLASSES if one is not DataClass.EVENT)
"""The classes of records with a body."""


class Purpose(StrEnum):
    """Why content is opened. Content is opened for no other purpose."""

    SERVE = "serve"
    FINE_TUNE = "fine_tune"
    TRAIN = "train"
    ABUSE_SCREENING = "abuse_screening"
    ABUSE_INVESTIGATION = "abuse_investigation"
    SUBJECT_REQUEST = "subject_request"
    LEGAL = "legal"


CONSENT_PURPOSES = frozenset({Purpose.TRAIN})
"""The purposes that rest on consent. Others need none, so a consent for them would say nothing."""


class Service(StrEnum):
    """The service of a sub-processor. All but hosting receive copies, through a connector."""

    HOSTING = "hosting"
    MODERATION = "moderation"
    HUMAN_REVIEW = "human_review"


class Form(StrEnum):
    """In which form content is handed over."""

    RAW = "raw"  # as it was stored
    DE_IDENTIFIED = "de_identified"  # this version cannot make it, so nothing is handed over


class HandedTo(Model):
    """That copies may be handed to processors of a service, in which form, and of which records."""

    service: Service
    form: Form
    only: Literal["flagged"] | None = None  # None: all


class Baa(Model):
    """A business associate agreement with a sub-processor (HIPAA, 45 CFR 164.502(e)(1)(ii))."""

    document: Digest  # the SHA-256 of what was signed
    since: date
    until: date | None = None  # the first day on which it is no longer in force

    def in_force(self, on: date) -> bool:
        """Return whether it is in force on that day."""
        return self.since <= on and (self.until is None or on < self.until)


class SubProcessor(Model):
    """A company that holds or handles data for us."""

    name: Name
    title: str
    service: Service
    jurisdictions: frozenset[Jurisdiction]
    agreement: str
    # what customers are told: where it works, and which products of yours it serves
    locations: tuple[Text, ...] = ()
    products: tuple[Text, ...] = ()
    announced: date | None = None  # None: it was there when the service began
    notice_days: int = Field(default=0, ge=0, le=LONGEST_NOTICE_DAYS)
    since: date
    until: date | None = None  # the first day on which it may no longer hold data
    # for a host: so many days before ``until`` what is there begins to be moved elsewhere
    exit_days: int = Field(default=0, ge=0, le=LONGEST_RETENTION_DAYS)
    connector: ConnectorSpec | None = None  # without a connector it receives no copies
    baa: Baa | None = None  # without one it gets no protected health information

    def begun(self, on: date) -> bool:
        """Return whether it may have data on that day, or might before it ended.

        Never before its notice is over, also if somebody made a topology that does not load.
        """
        told = self.announced is None or (on - self.announced).days >= self.notice_days
        return told and self.since <= on

    def active(self, on: date) -> bool:
        """Return whether the agreement covers that day."""
        return self.begun(on) and (self.until is None or on < self.until)

    def takes_phi(self, on: date) -> bool:
        """Return whether a business associate agreement with it is in force on that day."""
        return self.baa is not None and self.baa.in_force(on)

    def leaving(self, on: date) -> bool:
        """Return whether the agreement is about to end, so that nothing new goes there."""
        return self.until is not None and on >= self.until - timedelta(days=self.exit_days)

    @property
    def by_hand(self) -> bool:
        """Whether people take copies there, and record their deletion."""
        return self.connector is not None and self.connector.kind == "manual"


class CellRule(StrEnum):
    """To which cell of a place a new tenant goes."""

    FILL = "fill"  # the first that has room
    SPREAD = "spread"  # the one with the fewest tenants


class Steward(Model):
    """The company that runs a part of a region, and the location of that part."""

    sub_processor: Name
    location: Jurisdiction


class CatalogSteward(Steward):
    """The company that runs the region's database, and the hosts that the database may be on."""

    hosts: tuple[Text, ...] = ()  # empty: the one host of catalog_url


class Region(Model):
    """A region: where machines are. Its database, keys and backups are in its jurisdiction too."""

    name: Name
    jurisdiction: Jurisdiction
    catalog: CatalogSteward
    keys: Steward
    backups: Steward
    # how long a catalog backup lives
    catalog_backup_days: int = Field(ge=0, le=LONGEST_RETENTION_DAYS)
    # the region of which it is a cell, if its own name is not the one that customers see
    place: Name | None = None
    # in the first cell of a place, the one of that name: how new tenants are shared out
    cells: CellRule = CellRule.FILL
    room: int | None = Field(default=None, ge=0)  # the most tenants that the cell takes
    replicas: int = Field(ge=1)  # replicas of each object
    required: int = Field(ge=1)  # replicas before a write is acknowledged
    # the most people in the roster, who may open content under a grant
    staff_max: int = Field(default=25, ge=0)
    backends: tuple[BackendSpec, ...] = Field(min_length=1)  # in order of preference
    witnesses: tuple[WitnessSpec, ...] = ()  # of its log

    @property
    def stewards(self) -> tuple[tuple[str, Steward], ...]:
        """The stewards of the region's data outside its backends, by what they run."""
        return ("catalog", self.catalog), ("keys", self.keys), ("backups", self.backups)

    def dedicates(self, tenant: str) -> bool:
        """Return whether a tenant has backends of its own here: one that does not all retire."""
        return any(tenant in spec.dedicated_to and not spec.retires for spec in self.backends)

    def places_of(self, tenant: str | None) -> tuple[BackendSpec, ...]:
        """Return the backends for bytes of one tenant alone: its own, if it has any.

        None: for bytes of several tenants, or of none.
        """
        if tenant is not None and self.dedicates(tenant):
            return tuple(spec for spec in self.backends if tenant in spec.dedicated_to)
        return tuple(spec for spec in self.backends if not spec.dedicated_to)

    def groups(self) -> dict[str | None, list[BackendSpec]]:
        """Return ``places_of`` each tenant that has backends of its own, and of None."""
        found: dict[str | None, list[BackendSpec]] = {None: []}
        for spec in self.backends:
            owners: Sequence[str | None] = sorted(spec.dedicated_to) or (None,)
            for tenant in owners:
                found.setdefault(tenant, []).append(spec)
        retire = [t for t, own in found.items() if t and all(spec.retires for spec in own)]
        return {tenant: group for tenant, group in found.items() if tenant not in retire}


def cells_of(regions: Mapping[str, Region], place: str) -> tuple[Region, ...]:
    """Return the cells of a place, the first one first: a region of its own is its only cell."""
    others = (region for region in regions.values() if region.place == place)
    return (*(r for r in (regions.get(place),) if r is not None), *others)


class Keeping(Model):
    """How long a kind of evidence is kept, and the reason."""

    days: int = Field(ge=1, le=LONGEST_RETENTION_DAYS)
    reason: str = Field(min_length=1)


class JurisdictionRule(Model):
    """How long evidence is kept in a jurisdiction, and whether the GDPR is its law.

    ``receipts``: complete erasures, with their receipts. ``holds``: released holds, with the reads
    of what they preserved. ``log``: what the lines of the log say (None: as long as holds).
    ``consents``: what was said about consent, from its end on (None: as long as holds).
    ``agreements``: those with customers, from their end (None: as long as holds). ``objections``:
    those of customers to companies, from when they were withdrawn; ``roster``: its entries, from
    their end (None: as long as holds).
    """

    name: Jurisdiction
    receipts: Keeping
    holds: Keeping
    gdpr: bool = False
    log: Keeping | None = None
    consents: Keeping | None = None
    agreements: Keeping | None = None
    objections: Keeping | None = None
    roster: Keeping | None = None


class Residency(Model):
    """A residency that a customer may choose: where data is, and which agreements it needs."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,10}$")]
    jurisdictions: frozenset[Jurisdiction]
    agreements: frozenset[AgreementKind]


MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]

MOST_LISTED = 16
"""The most keys of metadata that a class declares as listed."""


class ClassRule(Model):
    """How long a class is kept, which purposes may open it, and which services get copies.

    A flag is kept as long as the record that it is about: its rule has purposes alone.
    """

    name: DataClass
    # None: until the customer deletes it
    retention_days: int | None = Field(default=None, ge=0, le=LONGEST_RETENTION_DAYS)
    # the most that a tenant may set; None: no ceiling
    ceiling_days: int | None = Field(default=None, ge=0, le=LONGEST_RETENTION_DAYS)
    # so many days nobody erases it, and every tenant keeps it; for records without content alone
    floor_days: int | None = Field(default=None, ge=1, le=LONGEST_RETENTION_DAYS)
    purposes: frozenset[Purpose]
    # what of the metadata a page of a list may show, opened with its rows
    listed: tuple[MetadataKey, ...] = Field(default=(), max_length=MOST_LISTED)
    # to processors of which services copies may be handed over; none occurs twice
    handed_to: tuple[HandedTo, ...] = ()

    def given_to(self, service: Service) -> HandedTo | None:
        """Return how copies are handed over to processors of a service; None: they are not."""
        return next((one for one in self.handed_to if one.service is service), None)


class Wording(Model):
    """The text that a consent is given to. ``digest``: SHA-256 of the text, as it was shown.

    A consent is for some of its ``classes`` and ``purposes`` at most, and given from ``since`` on.
    """

    digest: Digest
    title: Text
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    classes: frozenset[DataClass]
    purposes: frozenset[Purpose]
    since: date


class TrainRule(StrEnum):
    """What training needs of the customer's consent."""

    UNLESS_OPTED_OUT = "unless_opted_out"  # that the customer has not opted out
    OPTED_IN = "opted_in"  # that the customer has explicitly opted in


class Epoch(Model):
    """What the terms of the service said from a day on, until the next epoch begins.

    ``train``: None if it states nothing, which permits nothing. ``ceiling_days``: the most days
    that a record of the epoch is kept, by class.
    """

    begins: date = Field(alias="from")
    train: TrainRule | None = None
    ceiling_days: dict[DataClass, Annotated[int, Field(ge=0, le=LONGEST_RETENTION_DAYS)]] = Field(
        default_factory=dict
    )


class Cascade(Model):
    """A rule: erasing a parent record erases a child that derives from it."""

    parent: DataClass
    child: DataClass
    cause: Literal["erasure"]


class Bounds(Model):
    """The longest times of the duties. Every deadline is computed from them."""

    purge_hours: int = Field(default=24, ge=1, le=240)  # from expiry day to bytes gone
    compaction_hours: int = Field(
        default=72, ge=0, le=720
    )  # a pack is rewritten at most once in this time

    @property
    def purge(self) -> timedelta:
        """The purge bound."""
        return timedelta(hours=self.purge_hours)

    @property
    def compaction(self) -> timedelta:
        """The compaction window."""
        return timedelta(hours=self.compaction_hours)

    def allow(self, retention_days: int) -> bool:
        """Return whether a retention is 0 (nothing is stored), or leaves time to read a record.

        A record is readable until the start of the last UTC day that begins at least a purge bound
        before the retention ends. With less than a day beyond the purge bound, that day could be
        the one on which the record was written.
        """
        return retention_days == 0 or timedelta(days=retention_days) >= self.purge + timedelta(1)

    def least(self, floor_days: int) -> int:
        """Return the shortest retention by which a record is readable for ``floor_days``.

        Reading ends up to a day and a purge bound before the retention does.
        """
        return floor_days + 1 + -(-self.purge_hours // 24)


class Locations(Model):
    """The jurisdictions of the regions of providers, by the providers' own names."""

    aws: dict[str, Jurisdiction]


class Operator(Model):
    """Who runs the service."""

    founded: date  # no agreement with a customer is older


class Topology(Model):
    """A whole topology, cross-checked by ``regions.load``."""

    regions: dict[str, Region]
    sub_processors: dict[str, SubProcessor]
    residencies: dict[str, Residency]
    jurisdictions: dict[str, JurisdictionRule]
    classes: dict[DataClass, ClassRule]
    cascades: tuple[Cascade, ...]
    bounds: Bounds
    wordings: dict[str, Wording] = Field(default_factory=dict)  # by digest
    epochs: tuple[Epoch, ...] = ()  # in order of their days
    operator: Operator | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what the topology states, the same whatever the order of its sets.

        And the same in a version that knows more keys: what is not stated does not count.
        """
        text = json.dumps(self.model_dump(exclude_unset=True), sort_keys=True, default=plain)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def founded(self) -> date | None:
        """When the operator was founded, if the topology says so."""
        return None if self.operator is None else self.operator.founded

    def cascades_to(self, parent: DataClass, child: DataClass) -> bool:
        """Return whether erasing a ``parent`` erases a ``child`` that derives from it."""
        return any(c.parent == parent and c.child == child for c in self.cascades)


def plain(value: object) -> object:
    """Return a value that JSON lacks as one that it has, the same whatever the order of a set."""
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
