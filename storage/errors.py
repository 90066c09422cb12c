"""Every error that Domicile raises.

    DomicileError
    ├── InvalidRequest          the caller must change the request
    │   ├── MalformedId  StaleId  UnknownClass  NaiveDatetime
    │   ├── MetadataTooLarge  BodyTooLarge  StreamFailed
    │   ├── LineageConflict     what it derives from is absent, or of another subject
    │   └── IdConflict          the id is taken by other content
    ├── Refused                 the policy says no; ``reasons`` says why
    │   ├── UnknownTenant  WrongRegion  ConsumerTenant  TenantConflict
    │   ├── AgreementMissing  ResidencyUnsatisfied  NoLawfulPlace
    │   └── PurposeRefused
    ├── NotFound                no such record for this tenant
    ├── Erased                  erased, or minted before an erasure that covers it
    ├── Expired                 past its time
    ├── Unavailable             a part of the system does not answer; try again
    │   ├── CatalogUnavailable  Busy  Abandoned  TermsChanged
    │   ├── TooFewReplicas      fewer backends took it than required; nothing is stored
    │   └── BackendError        ``backend`` names it
    │       ├── BackendUnavailable  BackendTimeout
    │       ├── BackendFull  BackendForbidden  BackendMisplaced
    │       ├── KeyAbsent       nothing under that key
    │       └── PurgeIncomplete  something is left of a key that was to go
    ├── OutcomeUnknown          stored or not, nobody can say yet; ask again with the same id
    ├── Corrupt                 no replica gives back what was written
    ├── KeyUnavailable          a key that should be there cannot be had
    ├── ConfigurationError
    │   ├── TopologyError  SettingsError
    │   ├── CatalogUnsafe  CatalogUnsupported  CatalogForbidden
    └── ReceiptInvalid

``retryable``: the same call may succeed later. ``outcome``: what a failed write left behind.
No message holds content, metadata, a subject, a file name or a key.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

Outcome = Literal["not_stored", "unknown"]


class DomicileError(Exception):
    """Something that Domicile refuses or cannot do."""

    retryable: ClassVar[bool] = False
    outcome: ClassVar[Outcome] = "not_stored"

    def __init__(self, message: str = "", *, advice: str = "") -> None:
        """``message`` says what is wrong, ``advice`` what to do about it."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.advice = advice
        super().__init__(f"{self.message} {advice}".strip())

    @property
    def code(self) -> str:
        """The stable name of the error, for logs and JSON."""
        return type(self).__name__


class InvalidRequest(DomicileError):
    """The request cannot be carried out as it is."""


class MalformedId(InvalidRequest):
    """That is not a record id."""


class StaleId(InvalidRequest):
    """The id was minted too long ago, or for another retention, to be written now."""


class UnknownClass(InvalidRequest):
    """The topology has no such data class."""


class NaiveDatetime(InvalidRequest):
    """A datetime without a time zone was given."""


class MetadataTooLarge(InvalidRequest):
    """Metadata may have 4 KiB."""


class BodyTooLarge(InvalidRequest):
    """A record may have 16 MiB; use put_file for more."""


class StreamFailed(InvalidRequest):
    """The stream that was being stored ended with an error."""


class LineageConflict(InvalidRequest):
    """What the record derives from is absent, or is about somebody else."""


class IdConflict(InvalidRequest):
    """That id is taken by other content."""


class Refused(DomicileError):
    """The policy does not allow it."""

    def __init__(self, message: str = "", *, reasons: Sequence[str] = (), advice: str = "") -> None:
        """``reasons`` are reason codes of ``storage.policy``."""
        super().__init__(message, advice=advice)
        self.reasons = tuple(reasons)


class UnknownTenant(Refused):
    """No such tenant."""


class WrongRegion(Refused):
    """The tenant is at home in a region that this process does not serve."""

    def __init__(self, message: str = "", *, home: str, advice: str = "") -> None:
        """``home`` names the region to ask."""
        super().__init__(message, reasons=("wrong_region",), advice=advice)
        self.home = home


class ConsumerTenant(Refused):
    """Tenants of consumer products are not served."""


class TenantConflict(Refused):
    """The tenant exists with another account or home."""


class AgreementMissing(Refused):
    """An agreement that the residency requires is not in force."""


class ResidencyUnsatisfied(Refused):
    """The tenant's home is outside its residency."""


class NoLawfulPlace(Refused):
    """Too few places are left that may hold this record."""


class PurposeRefused(Refused):
    """The record may not be opened for that purpose."""


class NotFound(DomicileError):
    """The tenant has no such record."""


class Erased(DomicileError):
    """The record was erased, or its id was minted before an erasure that covers it."""


class Expired(DomicileError):
    """The record's time is over."""


class Unavailable(DomicileError):
    """A part of the system does not answer."""

    retryable = True


class CatalogUnavailable(Unavailable):
    """The region's database does not answer."""


class Busy(Unavailable):
    """The write buffer was full for longer than the caller would wait."""


class Abandoned(Unavailable):
    """The write took too long and was given up; nothing is stored."""


class TermsChanged(Unavailable):
    """The tenant's terms changed during the write; nothing is stored."""


class TooFewReplicas(Unavailable):
    """Fewer backends took the record than its placement requires."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        """``failures``: what each backend answered, as error codes."""
        told = ", ".join(f"{backend}: {code}" for backend, code in sorted(failures.items()))
        super().__init__(
            f"Too few backends took the record ({told}). Nothing is stored.",
            advice="Try again when they answer. It is never stored elsewhere instead.",
        )
        self.failures = dict(failures)


class BackendError(Unavailable):
    """A backend failed."""

    def __init__(self, backend: str, message: str = "", *, advice: str = "") -> None:
        """``backend`` is its name in the topology."""
        super().__init__(
            f"{backend}: {message or (type(self).__doc__ or '').strip()}", advice=advice
        )
        self.backend = backend


class BackendUnavailable(BackendError):
    """The backend does not answer."""


class BackendTimeout(BackendError):
    """The backend did not answer in time; what was asked may still happen."""

    outcome = "unknown"


class BackendFull(BackendError):
    """The backend has no room left."""


class BackendForbidden(BackendError):
    """The backend refuses our credentials for this."""

    retryable = False


class BackendMisplaced(BackendError):
    """The backend is not where the topology says, or sends us elsewhere."""

    retryable = False


class KeyAbsent(BackendError):
    """Nothing is stored under that key."""

    retryable = False


class PurgeIncomplete(BackendError):
    """Something is left of a key that was to go."""


class OutcomeUnknown(DomicileError):
    """Whether it was stored cannot be known yet; ask again with the same id."""

    retryable = True
    outcome = "unknown"

    def __init__(self, record_id: str, message: str = "") -> None:
        """``record_id`` is safe to put again."""
        super().__init__(message, advice=f"Put {record_id} again with the same content.")
        self.record_id = record_id


class Corrupt(DomicileError):
    """No replica gives back what was written."""


class KeyUnavailable(DomicileError):
    """A key that should be there cannot be had."""

    retryable = True


class ConfigurationError(DomicileError):
    """The configuration does not allow a start."""


class TopologyError(ConfigurationError):
    """The topology contradicts itself."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        """Says where: the file, the key in it (empty: all of it), and what is wrong with it."""
        super().__init__(": ".join(part for part in (file, key, reason) if part))
        self.file, self.key, self.reason = file, key, reason


class SettingsError(ConfigurationError):
    """A setting is missing or wrong."""


class CatalogUnsafe(ConfigurationError):
    """The database may lose what it acknowledged."""


class CatalogUnsupported(ConfigurationError):
    """The catalog's revision and this code do not fit."""


class CatalogForbidden(ConfigurationError):
    """The database does not let this login do what its work needs."""


class ReceiptInvalid(DomicileError):
    """The receipt is not what its key signed."""
