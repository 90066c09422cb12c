"""Where a record is, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from regions.fields import Located
from storage.model.ids import RecordId
from storage.model.records import Origin
from storage.model.training import Use


class ReplicaState(StrEnum):
    """The state of a replica. A replica is one attempt to write one object to one backend."""

    WRITING = "writing"  # announced; the PUT may be under way until its deadline
    STORED = "stored"  # the backend acknowledged it
    PURGING = "purging"  # must go; purged again until it is seen to be absent
    GONE = "gone"  # seen absent, later than any attempt to write it could take effect


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of the object that contains a record."""

    backend: str
    state: ReplicaState


class PlacementReason(StrEnum):
    """Why a backend may or may not hold a record."""

    ALLOWED = "allowed"
    SPARE = "spare"  # allowed, but enough other backends are preferred
    OTHER_REGION = "other_region"  # within the residency, but not the tenant's home
    OUTSIDE_RESIDENCY = "outside_residency"
    SUB_PROCESSOR_NOT_YET = "sub_processor_not_yet"
    SUB_PROCESSOR_ENDED = "sub_processor_ended"
    SUB_PROCESSOR_LEAVING = "sub_processor_leaving"  # its agreement ends in exit_days or fewer
    BACKEND_RETIRES = "backend_retires"
    NOT_DEDICATED = "not_dedicated"  # the tenant has backends of its own, and it is none of them
    OBJECTED = "objected"  # the tenant objects to the company
    POSTURE_BAD = "posture_bad"  # its bucket does what it must not: see its posture
    POSTURE_UNREADABLE = "posture_unreadable"
    POSTURE_UNKNOWN = "posture_unknown"  # not read within five minutes
    CATALOG_SUB_PROCESSOR_NOT_YET = "catalog_sub_processor_not_yet"
    CATALOG_SUB_PROCESSOR_ENDED = "catalog_sub_processor_ended"
    KEYS_SUB_PROCESSOR_NOT_YET = "keys_sub_processor_not_yet"
    KEYS_SUB_PROCESSOR_ENDED = "keys_sub_processor_ended"
    BACKUPS_SUB_PROCESSOR_NOT_YET = "backups_sub_processor_not_yet"
    BACKUPS_SUB_PROCESSOR_ENDED = "backups_sub_processor_ended"
    SUB_PROCESSOR_BAA_MISSING = "sub_processor_baa_missing"  # it may get no health information
    CATALOG_BAA_MISSING = "catalog_baa_missing"
    KEYS_BAA_MISSING = "keys_baa_missing"
    BACKUPS_BAA_MISSING = "backups_baa_missing"
    CATALOG_OBJECTED = "catalog_objected"
    KEYS_OBJECTED = "keys_objected"
    BACKUPS_OBJECTED = "backups_objected"
    UNKNOWN_CLASS = "unknown_class"
    SERVICE_NOT_SERVED = "service_not_served"
    UNKNOWN_RESIDENCY = "unknown_residency"
    UNKNOWN_HOME = "unknown_home"
    NO_ROOM = "no_room"  # no cell of the region takes another tenant
    DPA_MISSING = "dpa_missing"
    DPA_NOT_YET = "dpa_not_yet"
    DPA_EXPIRED = "dpa_expired"
    ENTERPRISE_MISSING = "enterprise_missing"
    ENTERPRISE_NOT_YET = "enterprise_not_yet"
    ENTERPRISE_EXPIRED = "enterprise_expired"
    BAA_MISSING = "baa_missing"
    BAA_NOT_YET = "baa_not_yet"
    BAA_EXPIRED = "baa_expired"
    USE_CASE_MISSING = "use_case_missing"
    USE_CASE_NOT_YET = "use_case_not_yet"
    USE_CASE_EXPIRED = "use_case_expired"
    CONFIDENTIALITY_MISSING = "confidentiality_missing"
    CONFIDENTIALITY_NOT_YET = "confidentiality_not_yet"
    CONFIDENTIALITY_EXPIRED = "confidentiality_expired"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a backend may hold a record, and why.

    ``located``: how it is known where the backend stands.
    """

    backend: str
    region: str
    allowed: bool
    reason: PlacementReason
    located: Located


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a record is on some backends and not on others, and what it was used for.

    ``origin``: that of data from before Domicile.
    """

    id: RecordId
    verdicts: tuple[Verdict, ...]
    replicas: tuple[Replica, ...]
    readable_until: datetime | None
    deadline: datetime | None
    uses: tuple[Use, ...] = ()
    origin: Origin | None = None
