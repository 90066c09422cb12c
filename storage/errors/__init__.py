"""Every error that Domicile raises.

    DomicileError
    ├── InvalidRequest           the caller must change the request
    │   ├── MalformedId  StaleId  UnknownClass  NaiveDatetime
    │   ├── MetadataTooLarge  BodyTooLarge  StreamFailed
    │   ├── AnswerFull           one of many that were asked for does not fit beside the others
    │   ├── MetadataConflict     somebody else replaced the metadata
    │   ├── LineageConflict      a record that it derives from is missing, or of another subject
    │   └── IdConflict           the id belongs to other content
    ├── Refused                  the policy forbids it; ``reasons`` has the reason codes
    │   ├── ApiKeyInvalid
    │   ├── UnknownTenant  WrongRegion  ConsumerTenant  TenantConflict  TenantNotEmpty
    │   ├── AgreementMissing  ResidencyUnsatisfied  PlacementUnsatisfied
    │   ├── OriginRefused        data from before Domicile that is past its end by its origin date
    │   ├── AgreementRefused  ExitRefused
    │   ├── PurposeRefused  HandOverRefused  RetirementRefused  RegionNotEmpty
    │   ├── ObjectionRefused  GrantRefused  HoldRefused  Held
    │   └── ConsentRefused  ModelRefused
    ├── NotFound                 the tenant has no such record
    ├── Erased                   erased, or minted before an erasure that covers it
    ├── Expired                  past its retention
    ├── Unavailable              a part of the system did not respond; try again
    │   ├── CatalogUnavailable  Busy  Abandoned  TermsChanged
    │   ├── KeyServiceUnavailable
    │   ├── NoOpenBackend        too few backends may take anything new
    │   ├── TooFewReplicas       fewer backends stored it than required; nothing is stored
    │   │   └── LedgerUnwritten  the same for a ledger entry; the event did not happen
    │   ├── BackendError         ``backend`` is its name
    │   │   ├── BackendUnavailable  BackendTimeout
    │   │   ├── BackendFull  BackendForbidden  BackendMisplaced
    │   │   ├── BackendReplaced  its storage is not that in which the catalog stored before
    │   │   ├── BackendInUse     the place of a new backend holds what is not ours
    │   │   ├── BackendClosed    its posture is bad or unknown: nothing new goes there
    │   │   ├── KeyAbsent        nothing is stored under the key
    │   │   └── PurgeIncomplete  a part of a purged key is left
    │   ├── ProcessorError       ``processor`` is its name
    │   │   ├── ProcessorUnavailable  ProcessorTimeout
    │   │   ├── ProcessorForbidden  ProcessorMisplaced
    │   │   └── AcknowledgementInvalid  it does not prove that the copy is gone
    │   ├── WitnessError         ``witness`` is its name
    │   │   ├── WitnessUnavailable  WitnessRefused
    │   │   ├── WitnessBehind    it wants the proof from ``size``
    │   │   ├── WitnessAhead     it says that it has cosigned more entries: ``size``
    │   │   └── CosignatureInvalid  it is none of this checkpoint
    │   └── WitnessesMissing     required ones did not cosign; nothing was opened
    ├── OutcomeUnknown           it may be stored or not; put it again with the same id
    ├── Corrupt                  no replica has the bytes that were written
    ├── KeyUnavailable           a key that should exist cannot be read
    ├── ConfigurationError
    │   ├── TopologyError  SettingsError
    │   ├── RegionNotRoutable    declared, and not provisioned yet, or retired
    │   ├── BackendShared        a dedicated backend has data of others
    │   ├── BackendUndeclared    the topology lacks a backend that is in use
    │   ├── BackendReassigned    the topology gives a backend to another company
    │   ├── SubProcessorUnannounced  a company would begin before its notice is over
    │   ├── EpochBackdated       an epoch would be added or changed that has begun
    │   ├── CatalogUnsafe  CatalogUnsupported  CatalogForbidden
    │   └── CatalogRestored      restored from a backup, which may lack later erasures
    ├── ReceiptInvalid
    └── LogInvalid               a transparency log, or a proof of it

``retryable``: the same call may succeed later. ``outcome``: what a failed write left behind.
``url``: the page of the documentation about the error. No message contains content, metadata, a
subject, a file name or a key.
"""

from storage.errors.base import DOCUMENTATION, DomicileError, Outcome
from storage.errors.configuration import (
    BackendReassigned,
    BackendShared,
    BackendUndeclared,
    CatalogForbidden,
    CatalogRestored,
    CatalogUnsafe,
    CatalogUnsupported,
    ConfigurationError,
    EpochBackdated,
    RegionNotRoutable,
    SettingsError,
    SubProcessorUnannounced,
    TopologyError,
)
from storage.errors.failures import (
    Abandoned,
    AcknowledgementInvalid,
    BackendClosed,
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendInUse,
    BackendMisplaced,
    BackendReplaced,
    BackendTimeout,
    BackendUnavailable,
    Busy,
    CatalogUnavailable,
    Corrupt,
    KeyAbsent,
    KeyServiceUnavailable,
    KeyUnavailable,
    LedgerUnwritten,
    NoOpenBackend,
    OutcomeUnknown,
    ProcessorError,
    ProcessorForbidden,
    ProcessorMisplaced,
    ProcessorTimeout,
    ProcessorUnavailable,
    PurgeIncomplete,
    TermsChanged,
    TooFewReplicas,
    Unavailable,
)
from storage.errors.requests import (
    AgreementMissing,
    AgreementRefused,
    AnswerFull,
    ApiKeyInvalid,
    BodyTooLarge,
    ConsentRefused,
    ConsumerTenant,
    Erased,
    ExitRefused,
    Expired,
    GrantRefused,
    HandOverRefused,
    Held,
    HoldRefused,
    IdConflict,
    InvalidRequest,
    LineageConflict,
    LogInvalid,
    MalformedId,
    MetadataConflict,
    MetadataTooLarge,
    ModelRefused,
    NaiveDatetime,
    NotFound,
    ObjectionRefused,
    OriginRefused,
    PlacementUnsatisfied,
    PurposeRefused,
    ReceiptInvalid,
    Refused,
    RegionNotEmpty,
    ResidencyUnsatisfied,
    RetirementRefused,
    StaleId,
    StreamFailed,
    TenantConflict,
    TenantNotEmpty,
    UnknownClass,
    UnknownTenant,
    WrongRegion,
)
from storage.errors.witnesses import (
    CosignatureInvalid,
    WitnessAhead,
    WitnessBehind,
    WitnessError,
    WitnessesMissing,
    WitnessRefused,
    WitnessUnavailable,
)

__all__ = [
    "DOCUMENTATION",
    "Abandoned",
    "AcknowledgementInvalid",
    "AgreementMissing",
    "AgreementRefused",
    "AnswerFull",
    "ApiKeyInvalid",
    "BackendClosed",
    "BackendError",
    "BackendForbidden",
    "BackendFull",
    "BackendInUse",
    "BackendMisplaced",
    "BackendReassigned",
    "BackendReplaced",
    "BackendShared",
    "BackendTimeout",
    "BackendUnavailable",
    "BackendUndeclared",
    "BodyTooLarge",
    "Busy",
    "CatalogForbidden",
    "CatalogRestored",
    "CatalogUnavailable",
    "CatalogUnsafe",
    "CatalogUnsupported",
    "ConfigurationError",
    "ConsentRefused",
    "ConsumerTenant",
    "Corrupt",
    "CosignatureInvalid",
    "DomicileError",
    "EpochBackdated",
    "Erased",
    "ExitRefused",
    "Expired",
    "GrantRefused",
    "HandOverRefused",
    "Held",
    "HoldRefused",
    "IdConflict",
    "InvalidRequest",
    "KeyAbsent",
    "KeyServiceUnavailable",
    "KeyUnavailable",
    "LedgerUnwritten",
    "LineageConflict",
    "LogInvalid",
    "MalformedId",
    "MetadataConflict",
    "MetadataTooLarge",
    "ModelRefused",
    "NaiveDatetime",
    "NoOpenBackend",
    "NotFound",
    "ObjectionRefused",
    "OriginRefused",
    "Outcome",
    "OutcomeUnknown",
    "PlacementUnsatisfied",
    "ProcessorError",
    "ProcessorForbidden",
    "ProcessorMisplaced",
    "ProcessorTimeout",
    "ProcessorUnavailable",
    "PurgeIncomplete",
    "PurposeRefused",
    "ReceiptInvalid",
    "Refused",
    "RegionNotEmpty",
    "RegionNotRoutable",
    "ResidencyUnsatisfied",
    "RetirementRefused",
    "SettingsError",
    "StaleId",
    "StreamFailed",
    "SubProcessorUnannounced",
    "TenantConflict",
    "TenantNotEmpty",
    "TermsChanged",
    "TooFewReplicas",
    "TopologyError",
    "Unavailable",
    "UnknownClass",
    "UnknownTenant",
    "WitnessAhead",
    "WitnessBehind",
    "WitnessError",
    "WitnessRefused",
    "WitnessUnavailable",
    "WitnessesMissing",
    "WrongRegion",
]
