"""Every error that Domicile raises.

    DomicileError
    ├── InvalidRequest          the caller must change the request
    │   ├── MalformedId  StaleId  UnknownClass  NaiveDatetime
    │   ├── MetadataTooLarge  BodyTooLarge  StreamFailed
    │   ├── LineageConflict     what it derives from is absent, or of another subject
    │   └── IdConflict          the id is taken by other content
    ├── Refused                 the policy says no; ``reasons`` says why
    │   ├── UnknownTenant  WrongRegion  ConsumerTenant  TenantConflict
    │   ├── AgreementMissing  ResidencyUnsatisfied  PlacementUnsatisfied
    │   └── PurposeRefused  HandOverRefused  Held
    ├── NotFound                no such record for this tenant
    ├── Erased                  erased, or minted before an erasure that covers it
    ├── Expired                 past its time
    ├── Unavailable             a part of the system does not answer; try again
    │   ├── CatalogUnavailable  Busy  Abandoned  TermsChanged
    │   ├── TooFewReplicas      fewer backends took it than required; nothing is stored
    │   │   └── LedgerUnwritten  the same of an event, which so has not happened
    │   ├── BackendError        ``backend`` names it
    │   │   ├── BackendUnavailable  BackendTimeout
    │   │   ├── BackendFull  BackendForbidden  BackendMisplaced
    │   │   ├── KeyAbsent       nothing under that key
    │   │   └── PurgeIncomplete  something is left of a key that was to go
    │   └── ProcessorError      ``processor`` names it
    │       ├── ProcessorUnavailable  ProcessorTimeout
    │       ├── ProcessorForbidden  ProcessorMisplaced
    │       └── AcknowledgementInvalid  it does not show that this copy is gone
    ├── OutcomeUnknown          stored or not, nobody can say yet; ask again with the same id
    ├── Corrupt                 no replica gives back what was written
    ├── KeyUnavailable          a key that should be there cannot be had
    ├── ConfigurationError
    │   ├── TopologyError  SettingsError
    │   ├── CatalogUnsafe  CatalogUnsupported  CatalogForbidden
    │   └── CatalogRestored     a copy, which may have forgotten erasures
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
    usual_advice: ClassVar[str] = "See docs/operations.md."

    def __init__(self, message: str = "", *, advice: str = "") -> None:
        """``message`` says what is wrong, ``advice`` what to do about it."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.advice = advice or self.usual_advice
        super().__init__(f"{self.message} {self.advice}")

    @property
    def code(self) -> str:
        """The stable name of the error, for logs and JSON."""
        return type(self).__name__


class InvalidRequest(DomicileError):
    """The request cannot be carried out as it is."""

    usual_advice = "Change the request; the same again is refused again."


class MalformedId(InvalidRequest):
    """That is not a record id."""

    usual_advice = "An id comes from new_id, or from the result of a put."


class StaleId(InvalidRequest):
    """The id was minted too long ago, or for another retention, to be written now."""

    usual_advice = "Mint a new id for this write."


class UnknownClass(InvalidRequest):
    """The topology has no such data class."""

    usual_advice = "classes.toml of the topology names the classes."


class NaiveDatetime(InvalidRequest):
    """A datetime without a time zone was given."""

    usual_advice = "Give it a time zone, such as UTC."


class MetadataTooLarge(InvalidRequest):
    """Metadata may have 4 KiB."""

    usual_advice = "Put what is larger into the body."


class BodyTooLarge(InvalidRequest):
    """A record may have 16 MiB; use put_file for more."""

    usual_advice = "Use put_file."


class StreamFailed(InvalidRequest):
    """The stream that was being stored ended with an error."""

    usual_advice = "Nothing is stored. Send it again from its beginning."


class LineageConflict(InvalidRequest):
    """What the record derives from is absent, or is about somebody else."""

    usual_advice = "Store what it derives from first; give both the same subject and group."


class IdConflict(InvalidRequest):
    """That id is taken by other content."""

    usual_advice = "Mint another id; the record that has this one stays."


class Refused(DomicileError):
    """The policy does not allow it."""

    usual_advice = "The reasons are codes of storage.policy; the topology says what is allowed."

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


class PlacementUnsatisfied(Refused):
    """Too few places are left that may hold this record."""


class PurposeRefused(Refused):
    """The record may not be opened for that purpose."""


class HandOverRefused(Refused):
    """A copy of the record may not be handed over to that processor."""

    usual_advice = "See: domicile processor list"


class Held(Refused):
    """A legal hold still needs it, so it is not destroyed."""


class NotFound(DomicileError):
    """The tenant has no such record."""

    usual_advice = "Check the id and the tenant."


class Erased(DomicileError):
    """The record was erased, or its id was minted before an erasure that covers it."""

    usual_advice = "Nothing brings it back. For new data, mint a new id."


class Expired(DomicileError):
    """The record's time is over."""

    usual_advice = "Nothing brings it back. For new data, mint a new id."


class Unavailable(DomicileError):
    """A part of the system does not answer."""

    retryable = True
    usual_advice = "Try again; see: domicile doctor"


class CatalogUnavailable(Unavailable):
    """The region's database does not answer."""


class Busy(Unavailable):
    """The write buffer was full for longer than the caller would wait."""

    usual_advice = "Try again more slowly, or put_many, which waits for room."


class Abandoned(Unavailable):
    """The write took too long and was given up; nothing is stored."""

    usual_advice = "Try again."


class TermsChanged(Unavailable):
    """The tenant's terms changed during the write; nothing is stored."""

    usual_advice = "Try again."


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


class LedgerUnwritten(TooFewReplicas):
    """Fewer backends took the entry of the ledger than the region requires."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        """``failures``: what each backend answered, as error codes."""
        super().__init__(failures)
        told = ", ".join(f"{backend}: {code}" for backend, code in sorted(failures.items()))
        self.message = (
            f"Too few backends took the entry of the ledger ({told}). Nothing has happened."
        )
        self.advice = "Try again when they answer: a restored catalog would forget it."
        self.args = (f"{self.message} {self.advice}",)


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

    usual_advice = "Make room on it, or add a backend to its region."


class BackendForbidden(BackendError):
    """The backend refuses our credentials for this."""

    retryable = False
    usual_advice = "Give its credentials that right; see: domicile doctor"


class BackendMisplaced(BackendError):
    """The backend is not where the topology says, or sends us elsewhere."""

    retryable = False
    usual_advice = "Compare its entry in the topology with where it is; see: domicile doctor"


class KeyAbsent(BackendError):
    """Nothing is stored under that key."""

    retryable = False
    usual_advice = "Another replica is used, if there is one; see: domicile status"


class PurgeIncomplete(BackendError):
    """Something is left of a key that was to go."""

    usual_advice = "It is tried again by itself; see: domicile status"


class ProcessorError(Unavailable):
    """A processor failed."""

    usual_advice = "What may have arrived is asked back by itself; see: domicile processor copies"

    def __init__(self, processor: str, message: str = "", *, advice: str = "") -> None:
        """``processor`` is its name in the topology."""
        super().__init__(
            f"{processor}: {message or (type(self).__doc__ or '').strip()}", advice=advice
        )
        self.processor = processor


class ProcessorUnavailable(ProcessorError):
    """The processor does not answer, or not in the way that was agreed."""


class ProcessorTimeout(ProcessorError):
    """The processor did not answer in time; what was asked may still happen."""

    outcome = "unknown"


class ProcessorForbidden(ProcessorError):
    """The processor refuses our request."""

    retryable = False
    usual_advice = "Give it the public key of our requests; see: domicile processor key"


class ProcessorMisplaced(ProcessorError):
    """The processor sends us elsewhere."""

    retryable = False
    usual_advice = "Compare its url in sub_processors.toml with where it is."


class AcknowledgementInvalid(ProcessorError):
    """What the processor signed does not show that this copy is gone."""

    usual_advice = "The copy counts as being there. Ask the processor; compare its public key."


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

    usual_advice = "Restore the object on one of its backends, if you can."


class KeyUnavailable(DomicileError):
    """A key that should be there cannot be had."""

    retryable = True
    usual_advice = "Try again when its backends answer; see: domicile doctor"


class ConfigurationError(DomicileError):
    """The configuration does not allow a start."""

    usual_advice = "See: domicile doctor"


class TopologyError(ConfigurationError):
    """The topology contradicts itself."""

    usual_advice = "Change the file at that key; docs/howto/add-a-region.md says what it may hold."

    def __init__(self, file: str, key: str, reason: str) -> None:
        """Says where: the file, the key in it (empty: all of it), and what is wrong with it."""
        super().__init__(": ".join(part for part in (file, key, reason) if part))
        self.file, self.key, self.reason = file, key, reason


class SettingsError(ConfigurationError):
    """A setting is missing or wrong."""

    usual_advice = "docs/operations.md lists the settings; see also: domicile doctor"


class CatalogUnsafe(ConfigurationError):
    """The database may lose what it acknowledged."""


class CatalogUnsupported(ConfigurationError):
    """The catalog's revision and this code do not fit."""

    usual_advice = "Run: domicile init"


class CatalogForbidden(ConfigurationError):
    """The database does not let this login do what its work needs."""


class CatalogRestored(ConfigurationError):
    """The catalog is a copy, and may have forgotten what was erased since."""


class ReceiptInvalid(DomicileError):
    """The receipt is not what its key signed."""

    usual_advice = "Ask who issued it for the receipt again, and for the public key."
