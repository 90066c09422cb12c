"""The vocabulary of the interface: what callers pass and receive, as frozen values.

The ``repr`` of a value never shows content, metadata, a subject, a group or a file name.
"""

from regions.model import DataClass, Purpose
from storage.model.access import AccessReport, Looked, UnreadableLine
from storage.model.actors import KEEPER, STAFF, Actor, ActorKind, RosterEntry, RosterSpec
from storage.model.agreements import ExitKind, ExitState, RecordedAgreement, TenantExit
from storage.model.api_keys import ApiKey, KeyScope, NewApiKey
from storage.model.codes import CODE, CODE_ADVICE
from storage.model.consents import Consent, ConsentKind
from storage.model.copies import Copy, CopyState, HandedOver
from storage.model.erasures import (
    REQUESTED,
    AccountErasure,
    Deferral,
    Erasure,
    ErasureState,
    Kept,
    Outstanding,
    Reason,
)
from storage.model.flags import Classifier, Flag, NewFlag, Screened, ScreenFailure
from storage.model.grants import (
    GRANT_PURPOSES,
    LONGEST_GRANT_HOURS,
    Approval,
    Grant,
    GrantSpec,
    GrantState,
)
from storage.model.health import BackendHealth, RegionHealth, StoreHealth
from storage.model.holds import (
    CarveOut,
    ChangeKind,
    Decision,
    ExpiringDay,
    Hold,
    HoldChange,
    HoldSpec,
    PlacedHold,
)
from storage.model.ids import UNIQUE, Entropy, RecordId, in_utc, utc
from storage.model.log import LineKind, LogLine
from storage.model.losses import Loss
from storage.model.objections import Objection, ObjectionEffect, TenantObjection
from storage.model.permits import PERMIT_LASTS, StaffPermit
from storage.model.placement import Explanation, PlacementReason, Replica, ReplicaState, Verdict
from storage.model.posture import Posture, PostureFinding, PostureState
from storage.model.purposes import ConsentFacts, EpochFacts, PurposeExplanation
from storage.model.records import (
    Count,
    GetFailure,
    NewRecord,
    Origin,
    Page,
    PutFailure,
    PutResult,
    Record,
    RecordInfo,
)
from storage.model.scopes import Scope, ScopeKind, count_named
from storage.model.status import (
    BackendState,
    LeavingState,
    PlaceStatus,
    ProcessorState,
    RegionStatus,
    StoreStatus,
)
from storage.model.tenants import Agreement, Dpa, TenantSpec, Trait
from storage.model.training import (
    TRAINING_CHUNK,
    Exclusion,
    ExclusionList,
    ExclusionReason,
    FineTuning,
    TenantModel,
    TrainingRecord,
    Use,
)

__all__ = [
    "CODE",
    "CODE_ADVICE",
    "GRANT_PURPOSES",
    "KEEPER",
    "LONGEST_GRANT_HOURS",
    "PERMIT_LASTS",
    "REQUESTED",
    "STAFF",
    "TRAINING_CHUNK",
    "UNIQUE",
    "AccessReport",
    "AccountErasure",
    "Actor",
    "ActorKind",
    "Agreement",
    "ApiKey",
    "Approval",
    "BackendHealth",
    "BackendState",
    "CarveOut",
    "ChangeKind",
    "Classifier",
    "Consent",
    "ConsentFacts",
    "ConsentKind",
    "Copy",
    "CopyState",
    "Count",
    "DataClass",
    "Decision",
    "Deferral",
    "Dpa",
    "Entropy",
    "EpochFacts",
    "Erasure",
    "ErasureState",
    "Exclusion",
    "ExclusionList",
    "ExclusionReason",
    "ExitKind",
    "ExitState",
    "ExpiringDay",
    "Explanation",
    "FineTuning",
    "Flag",
    "GetFailure",
    "Grant",
    "GrantSpec",
    "GrantState",
    "HandedOver",
    "Hold",
    "HoldChange",
    "HoldSpec",
    "Kept",
    "KeyScope",
    "LeavingState",
    "LineKind",
    "LogLine",
    "Looked",
    "Loss",
    "NewApiKey",
    "NewFlag",
    "NewRecord",
    "Objection",
    "ObjectionEffect",
    "Origin",
    "Outstanding",
    "Page",
    "PlaceStatus",
    "PlacedHold",
    "PlacementReason",
    "Posture",
    "PostureFinding",
    "PostureState",
    "ProcessorState",
    "Purpose",
    "PurposeExplanation",
    "PutFailure",
    "PutResult",
    "Reason",
    "Record",
    "RecordId",
    "RecordInfo",
    "RecordedAgreement",
    "RegionHealth",
    "RegionStatus",
    "Replica",
    "ReplicaState",
    "RosterEntry",
    "RosterSpec",
    "Scope",
    "ScopeKind",
    "ScreenFailure",
    "Screened",
    "StaffPermit",
    "StoreHealth",
    "StoreStatus",
    "TenantExit",
    "TenantModel",
    "TenantObjection",
    "TenantSpec",
    "TrainingRecord",
    "Trait",
    "UnreadableLine",
    "Use",
    "Verdict",
    "count_named",
    "in_utc",
    "utc",
]
