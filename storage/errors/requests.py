"""Errors about a request, or about what it refers to: the same request fails again."""

from collections.abc import Sequence

from storage.errors.base import DOCUMENTATION, DomicileError


class InvalidRequest(DomicileError):
    """The request is invalid."""

    http_status = 400
    usual_advice = "Change the request. The same request fails again."


class MalformedId(InvalidRequest):
    """The text is not a record id."""

    usual_advice = "Use an id from new_id, or from the result of a put."


class StaleId(InvalidRequest):
    """The id was minted too long ago, or for another retention, and cannot be written now."""

    usual_advice = "Mint a new id for this write."


class UnknownClass(InvalidRequest):
    """The topology does not define the data class."""

    usual_advice = "Use a class of the topology's classes.toml."


class NaiveDatetime(InvalidRequest):
    """The datetime has no time zone."""

    usual_advice = "Add a time zone, such as UTC."


class MetadataTooLarge(InvalidRequest):
    """The metadata is larger than 4 KiB."""

    http_status = 413
    usual_advice = "Put large values into the body."


class BodyTooLarge(InvalidRequest):
    """The body is larger than 16 MiB, or than its data class allows."""

    http_status = 413
    usual_advice = "Use put_file for large content."


class StreamFailed(InvalidRequest):
    """The source of the stream raised an error. Nothing is stored."""

    usual_advice = "Send the stream again from its beginning."


class LineageConflict(InvalidRequest):
    """A record that this one derives from is missing, or has another subject or group."""

    http_status = 409
    usual_advice = "Store the parent first. Give both the same subject and group."


class IdConflict(InvalidRequest):
    """The id belongs to a record with other content."""

    http_status = 409
    usual_advice = "Mint a new id. The existing record is unchanged."


class AnswerFull(InvalidRequest):
    """The record does not fit beside those before it, which fill the answer."""

    http_status = 413
    usual_advice = "Ask for it in another call."


class MetadataConflict(InvalidRequest):
    """Another call has replaced the metadata of the record."""

    http_status = 409
    usual_advice = "Read the record again, and replace what it has now."


class Refused(DomicileError):
    """The policy forbids the request."""

    http_status = 403
    usual_advice = "See: domicile policy explain"

    def __init__(self, message: str = "", *, reasons: Sequence[str] = (), advice: str = "") -> None:
        """``reasons`` are reason codes of ``storage.policy``."""
        super().__init__(message, advice=advice)
        self.reasons = tuple(reasons)


class ApiKeyInvalid(Refused):
    """The API key is unknown or revoked, or its tenant has left."""

    http_status = 401
    usual_advice = "Check the key, or create another one: domicile apikey create"


class UnknownTenant(Refused):
    """The tenant does not exist in the regions that this process serves."""

    http_status = 404
    usual_advice = "Check the tenant id, or add the tenant."


class WrongRegion(Refused):
    """The tenant's home is a region that this process does not serve."""

    http_status = 421
    usual_advice = "Send the request to a process that serves the home region."

    def __init__(self, message: str = "", *, home: str, advice: str = "") -> None:
        """``home`` is the name of the home region."""
        super().__init__(message, reasons=("wrong_region",), advice=advice)
        self.home = home


class ConsumerTenant(Refused):
    """Domicile does not serve tenants of consumer products."""

    usual_advice = "Store data of API tenants only."


class TenantConflict(Refused):
    """The tenant exists with another account or home."""

    http_status = 409
    usual_advice = "Use another tenant id, or the account and home that the tenant has."


class TenantNotEmpty(Refused):
    """Something of the tenant is left, so it is not removed."""

    http_status = 409
    usual_advice = "Erase the tenant, release its holds, and let the workers complete both."


class AgreementMissing(Refused):
    """An agreement that the residency requires is not in force."""

    usual_advice = "Record the signed agreement of the tenant, then try again."


class ResidencyUnsatisfied(Refused):
    """The tenant's home is outside its residency."""

    usual_advice = "Choose a home region in a jurisdiction of the residency."


class PlacementUnsatisfied(Refused):
    """The policy allows too few backends for this record."""

    usual_advice = "See: domicile policy explain. The record is never stored elsewhere instead."


class OriginRefused(Refused):
    """Data from before Domicile is past its end by its origin date, or that date is not valid."""

    usual_advice = "Do not take it in: retention counts from the day on which the data came in."


class PurposeRefused(Refused):
    """The policy does not allow to open the record for that purpose."""


class HandOverRefused(Refused):
    """The policy does not allow to hand the record over to that processor."""

    usual_advice = "See: domicile processor list"


class RetirementRefused(Refused):
    """The backend may not be emptied now."""

    usual_advice = f"See {DOCUMENTATION}howto/retire-a-backend/"


class RegionNotEmpty(Refused):
    """Something is left in the region, or it was never retired, so it does not end."""

    http_status = 409
    usual_advice = f"See {DOCUMENTATION}howto/retire-a-region/"


class ObjectionRefused(Refused):
    """The region cannot do without that company for this tenant."""

    usual_advice = "See: domicile subprocessor list"


class AgreementRefused(Refused):
    """The agreement cannot be recorded like that."""

    usual_advice = f"See {DOCUMENTATION}howto/record-agreements/"


class ExitRefused(Refused):
    """What happens to a tenant's data at its end cannot be chosen, confirmed or done like that."""

    usual_advice = f"See {DOCUMENTATION}howto/end-a-contract/"


class GrantRefused(Refused):
    """The grant or the entry in the roster is not allowed, or the grant opens nothing any more."""

    usual_advice = f"See {DOCUMENTATION}howto/open-for-an-investigation/"


class ConsentRefused(Refused):
    """That may not be recorded about consent."""

    usual_advice = f"See {DOCUMENTATION}howto/record-consent/"


class ModelRefused(Refused):
    """The model is not the tenant's own."""

    usual_advice = f"See {DOCUMENTATION}howto/train-on-consented-data/"


class HoldRefused(Refused):
    """A legal hold is not confirmed, changed or read that way."""

    usual_advice = f"See {DOCUMENTATION}howto/place-a-hold/"


class Held(Refused):
    """A legal hold preserves the record, so it is not destroyed."""

    http_status = 409
    usual_advice = "See: domicile hold list. What was deferred resumes when the hold is released."


class NotFound(DomicileError):
    """The tenant has no such record."""

    http_status = 404
    usual_advice = "Check the id and the tenant."


class Erased(DomicileError):
    """The record was erased, or its id was minted before an erasure that covers it."""

    http_status = 410
    usual_advice = "Erased data cannot be restored. Mint a new id for new data."


class Expired(DomicileError):
    """The retention of the record is over."""

    http_status = 410
    usual_advice = "Expired data cannot be restored. Mint a new id for new data."


class ReceiptInvalid(DomicileError):
    """The receipt is not what its key signed."""

    usual_advice = "Ask the issuer for the receipt again, and for the public key."


class LogInvalid(DomicileError):
    """The log is not what was signed, or does not continue what it was."""

    usual_advice = (
        "Do not rely on this copy of the log. Get it again; if that one is refused too, keep both "
        "and ask its operator."
    )
