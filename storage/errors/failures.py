"""Errors of a part of the system: most requests may succeed later."""

from collections.abc import Mapping
from typing import ClassVar

from storage.errors.base import DomicileError

REFUSED_ADVICE = "Correct the rights or the locations of these backends. See: domicile doctor"


def _refusals() -> set[str]:
    """Return the codes of the errors of backends that only a person can correct."""
    return {BackendClosed.__name__, BackendForbidden.__name__, BackendMisplaced.__name__}


class Unavailable(DomicileError):
    """A part of the system did not respond."""

    http_status = 503
    retryable = True
    usual_advice = "Try again. See: domicile doctor"


class CatalogUnavailable(Unavailable):
    """The database of the region did not respond."""

    def __init__(self, message: str = "", *, advice: str = "", retryable: bool = True) -> None:
        """``retryable``: False if a person must correct the cause first."""
        super().__init__(message, advice=advice)
        self.retryable = retryable


class KeyServiceUnavailable(Unavailable):
    """The key service of the region did not respond. Nothing was opened."""

    usual_advice = "Start it, or see its log: domicile keyservice serve. See: domicile doctor"


class Busy(Unavailable):
    """Too many writes wait, and there was no room for one more."""

    usual_advice = "Try again later, or use put_many, which waits for room."


class Abandoned(Unavailable):
    """The write took too long and was abandoned. Nothing is stored."""

    usual_advice = "Try again."


class TermsChanged(Unavailable):
    """The terms of the tenant changed during the write. Nothing is stored."""

    usual_advice = "Try again."


class TooFewReplicas(Unavailable):
    """Fewer backends stored the record than its placement requires."""

    usual_advice = "Try again when they respond. The record is never stored elsewhere instead."
    _what: ClassVar[str] = "record"
    _note: ClassVar[str] = "The record is never stored elsewhere instead. "

    def __init__(
        self, failures: Mapping[str, str], consequence: str = "Nothing is stored."
    ) -> None:
        """``failures`` are error codes by backend. It is retryable unless all of them refuse."""
        refused = bool(failures) and set(failures.values()) <= _refusals()
        codes = ", ".join(f"{backend}: {code}" for backend, code in sorted(failures.items()))
        super().__init__(
            f"Too few backends stored the {self._what} ({codes}). {consequence}",
            advice=self._note + REFUSED_ADVICE if refused else "",
        )
        self.failures, self.retryable = dict(failures), not refused


class LedgerUnwritten(TooFewReplicas):
    """Fewer backends stored the ledger entry than the region requires."""

    usual_advice = "Try again when they respond. A restored catalog would lack the event."
    _what = "ledger entry"
    _note = ""


class NoOpenBackend(Unavailable):
    """Too few backends of the region may take anything new."""

    retryable = False
    http_status = 500
    usual_advice = (
        "Correct these buckets. See: domicile backend posture. "
        "Until then an operator can let ledger entries alone go to one: domicile backend accept"
    )

    def __init__(self, region: str, closed: Mapping[str, str], consequence: str) -> None:
        """``closed``: why each backend takes nothing, by its name."""
        why = ", ".join(f"{name}: {reason}" for name, reason in sorted(closed.items()))
        super().__init__(f"Too few backends of {region} take anything new ({why}). {consequence}")
        self.closed = dict(closed)


class BackendError(Unavailable):
    """The backend failed."""

    def __init__(self, backend: str, message: str = "", *, advice: str = "") -> None:
        """``backend`` is its name in the topology."""
        super().__init__(f"{backend}: {message or self._summary()}", advice=advice)
        self.backend = backend


class BackendUnavailable(BackendError):
    """The backend did not respond."""


class BackendTimeout(BackendError):
    """The backend did not respond in time. The request may still take effect."""

    outcome = "unknown"


class BackendFull(BackendError):
    """The backend has no room left."""

    usual_advice = "Make room on it, or add a backend to its region."


class BackendForbidden(BackendError):
    """The backend refused the credentials for this request."""

    retryable = False
    http_status = 500
    usual_advice = "Grant the credentials that right. See: domicile doctor"


class BackendInUse(BackendError):
    """The place of a new backend exists, and holds what is not ours."""

    retryable = False
    http_status = 500
    usual_advice = "Nothing was changed there. Name another bucket or directory in the topology."


class BackendClosed(BackendError):
    """Nothing new may go to the backend: its posture is bad or unknown."""

    retryable = False
    http_status = 500
    usual_advice = "See: domicile backend posture"


class BackendMisplaced(BackendError):
    """The backend is not where the topology says, or redirects elsewhere."""

    retryable = False
    http_status = 500
    usual_advice = "Compare its entry in the topology with its location. See: domicile doctor"


class BackendReplaced(BackendMisplaced):
    """The backend has other storage (directory or bucket) than that in which the catalog stored.

    Nothing that is absent there was deleted from the former.
    """

    usual_advice = (
        "Point its entry in the topology to the former directory or bucket. New storage needs a "
        "backend of a new name; or, if the former is lost for good: domicile backend lost"
    )

    @classmethod
    def _summary(cls) -> str:
        return "its storage is not that in which this catalog stored before"


class KeyAbsent(BackendError):
    """Nothing is stored under the key."""

    retryable = False
    http_status = 500
    usual_advice = "Domicile reads another replica, if there is one. See: domicile status"


class PurgeIncomplete(BackendError):
    """A part of a purged key is left."""

    usual_advice = "Domicile repeats the purge by itself. See: domicile status"


class ProcessorError(Unavailable):
    """The processor failed."""

    usual_advice = (
        "Domicile requests the deletion of what may have arrived. See: domicile processor copies"
    )

    def __init__(self, processor: str, message: str = "", *, advice: str = "") -> None:
        """``processor`` is its name in the topology."""
        super().__init__(f"{processor}: {message or self._summary()}", advice=advice)
        self.processor = processor


class ProcessorUnavailable(ProcessorError):
    """The processor did not respond, or not as agreed."""


class ProcessorTimeout(ProcessorError):
    """The processor did not respond in time. The request may still take effect."""

    outcome = "unknown"


class ProcessorForbidden(ProcessorError):
    """The processor refused the request."""

    retryable = False
    http_status = 500
    usual_advice = "Give it the public key of our requests. See: domicile processor key"


class ProcessorMisplaced(ProcessorError):
    """The processor redirects elsewhere."""

    retryable = False
    http_status = 500
    usual_advice = "Compare its url in sub_processors.toml with its location."


class AcknowledgementInvalid(ProcessorError):
    """The acknowledgement of the processor does not prove that the copy is gone."""

    usual_advice = "The copy counts as present. Ask the processor, and compare its public key."


class OutcomeUnknown(DomicileError):
    """The record may be stored or not."""

    http_status = 503
    retryable = True
    outcome = "unknown"
    usual_advice = "Put the record again with the same id and content."

    def __init__(self, record_id: str, message: str = "") -> None:
        """``record_id`` can be put again safely."""
        super().__init__(message, advice=f"Put {record_id} again with the same content.")
        self.record_id = record_id


class Corrupt(DomicileError):
    """No replica has the bytes that were written."""

    usual_advice = "Restore the object on one of its backends, if you can."


class KeyUnavailable(DomicileError):
    """A key that should exist cannot be read."""

    http_status = 503
    retryable = True
    usual_advice = "Try again when its backends respond. See: domicile doctor"

    def __init__(self, message: str = "", *, advice: str = "", lost: bool = False) -> None:
        """``lost``: no backend has it any more, so that nothing is gained by repeating."""
        super().__init__(message, advice=advice)
        self.lost = lost
        if lost:
            self.retryable = False
