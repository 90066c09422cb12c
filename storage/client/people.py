"""Checks of entries in the roster, and of grants. No error message shows a value."""

import re
from uuid import UUID

from regions.fields import DIGEST, JURISDICTION
from storage.client.validate import (
    check_code,
    check_note,
    check_purpose,
    check_scope,
    check_tenant_id,
    check_text,
    is_date,
)
from storage.errors import InvalidRequest
from storage.model import (
    LONGEST_GRANT_HOURS,
    ActorKind,
    GrantSpec,
    Purpose,
    RosterSpec,
    Scope,
    ScopeKind,
)

MOST_RECORDS = 1_000_000  # that one grant may open
_LOGIN = 63  # bytes of a name in PostgreSQL
_SIGNATURE = 64  # bytes of Ed25519


def check_roster(spec: object) -> None:
    """Check an entry in the roster. Raises InvalidRequest."""
    if not isinstance(spec, RosterSpec):
        raise InvalidRequest(
            "An entry must be a RosterSpec.", advice="Pass RosterSpec(actor, ...)."
        )
    check_note("actor", spec.actor)  # the catalog knows whether it was entered so before
    if not isinstance(spec.kind, ActorKind):
        raise InvalidRequest("Unknown kind of actor.", advice="Pass an ActorKind.")
    check_note("role of an actor", spec.role)
    check_note("employer of an actor", spec.employer)
    if not _matches(JURISDICTION, spec.location):
        raise InvalidRequest(
            "The location of an actor must be a jurisdiction.", advice="Pass its code, such as EU."
        )
    _check_dates(spec.since, spec.until)
    if spec.login is not None:
        check_text("login", spec.login)
        if len(spec.login.encode()) > _LOGIN:
            raise InvalidRequest(f"A login has at most {_LOGIN} bytes.")
    if spec.agreement is not None and not _matches(DIGEST, spec.agreement):
        raise InvalidRequest(
            "The agreement must be a SHA-256.", advice="Pass the 64 hexadecimal digits."
        )
    if not isinstance(spec.suspended, bool):
        raise InvalidRequest("Whether an actor is suspended must be True or False.")


def _check_dates(since: object, until: object) -> None:
    if not is_date(since) or not (until is None or is_date(until)):
        raise InvalidRequest("since and until must be dates.", advice="Pass date(2027, 1, 15).")
    if until is not None and until <= since:  # type: ignore[operator]
        raise InvalidRequest(
            "The entry ends before it begins.", advice="until is the first day without access."
        )


def check_grant(spec: object) -> None:
    """Check the request of a grant. Raises InvalidRequest or MalformedId."""
    if not isinstance(spec, GrantSpec):
        raise InvalidRequest("A grant must be a GrantSpec.", advice="Pass one: GrantSpec(...).")
    check_tenant_id(spec.tenant)
    check_purpose(spec.purpose)
    check_note("actor of a grant", spec.actor)
    _check_scope(spec.purpose, spec.scope)
    check_text("justification", spec.justification)
    _check_number("number of records", spec.records_max, MOST_RECORDS)
    _check_number("number of hours", spec.hours, LONGEST_GRANT_HOURS)
    if spec.case is not None:
        check_code("case of a grant", spec.case)
    if spec.hold is not None and not isinstance(spec.hold, UUID):
        raise InvalidRequest("The hold of a grant must be the UUID of a hold.")


def _check_scope(purpose: Purpose, scope: Scope | None) -> None:
    if purpose is Purpose.LEGAL:
        if scope is not None:
            raise InvalidRequest(
                "A grant for legal has no scope of its own.",
                advice="Leave it out: the grant opens what its hold covers.",
            )
        return
    check_scope(scope)
    if scope is not None and scope.kind is ScopeKind.ACCOUNT:
        raise InvalidRequest("A grant is for one tenant.", advice="Request one for each of them.")


def check_signature(signature: object) -> None:
    """Check the form of a signature. Raises InvalidRequest."""
    if not isinstance(signature, bytes) or len(signature) != _SIGNATURE:
        raise InvalidRequest(
            f"A signature must be {_SIGNATURE} bytes.",
            advice="Sign storage.evidence.grants.statement of the grant with Ed25519.",
        )


def _check_number(what: str, number: object, most: int) -> None:
    if type(number) is not int or not 1 <= number <= most:
        raise InvalidRequest(f"The {what} must be from 1 to {most}.")


def _matches(pattern: str, text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern, text) is not None
