"""Reason codes in plain words."""

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "allowed": "lawful, and wanted",
    "spare": "lawful, but enough others come first",
    "other_region": "not the tenant's home region",
    "outside_residency": "outside the residency that the tenant asked for",
    "unknown_processor": "the topology has no such sub-processor",
    "no_connector": "that sub-processor has no connector: nothing can be handed over to it",
    "service_not_allowed": "records of this class are not handed to processors of that service",
    "too_short": "the copy would have to be deleted at once",
    "unknown_class": "the topology has no such data class",
    "service_not_served": "tenants of this service are not served",
    "unknown_residency": "the topology has no such residency",
    "unknown_home": "the topology has no such home region",
    "sub_processor_not_yet": "the sub-processor's agreement has not begun",
    "sub_processor_ended": "the sub-processor's agreement has ended",
}

_ROLES = {"catalog": "the catalog", "keys": "the keys", "backups": "the backups"}
_STATES = {
    "sub_processor_not_yet": "is run by a sub-processor whose agreement has not begun",
    "sub_processor_ended": "is run by a sub-processor whose agreement has ended",
    "missing": "is required and was never signed",
    "not_yet": "is required and was signed for later",
    "expired": "is required and has ended",
}


def reason(code: str) -> str:
    """A reason code of ``storage.policy`` for people; one that is not known, as it is."""
    if code in REASONS:
        return REASONS[code]
    subject, _, state = code.partition("_")
    if state not in _STATES:
        return code.replace("_", " ")
    return f"{_ROLES.get(subject, f'a {subject.upper()}')} {_STATES[state]}"
