"""Lines of the log about what was refused.

Those about grants and the roster are written by the functions of the catalog that write these.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from storage.catalog import log, roster
from storage.catalog.log import Facts
from storage.errors import DomicileError, KeyUnavailable, Refused, Unavailable
from storage.model import Actor, Grant, LineKind
from storage.model.codes import as_code
from storage.policy import Access, for_login
from storage.region import OpenRegion

T = TypeVar("T")


def approvers(grant: Grant) -> list[str]:
    """Return who approved a grant, oldest first."""
    return [approval.actor for approval in grant.approvals]


def facts_of(actor: Actor, tenant: str, purpose: str) -> Facts:
    """Return what a line says of who opens for what."""
    return {
        "actor": as_code(actor.id),
        "actor_kind": actor.kind.value,
        "employer": as_code(actor.employer),
        "location": as_code(actor.location),
        "purpose": purpose,
        "tenant": tenant,
    }


def check_login(region: OpenRegion, actor: Actor, facts: Facts) -> None:
    """Refuse, on record, a service or a machine in a process that has the login of a person.

    What opens asks again. This is here because what services open leaves no line.
    """
    if actor.staff:
        return
    reason = for_login(actor, login_of_person=region.session.is_persons(region.catalog))
    if reason is not None:
        with noting(region, facts):
            Access(reason).demand()


def deciding(region: OpenRegion, what: str, facts: Facts, work: Callable[[Connection], T]) -> T:
    """Run work in a transaction; if it is refused, append a line about that in another one."""
    with noting(region, {**facts, "what": what}):
        return region.catalog.run(work)


@contextmanager
def noting(region: OpenRegion, facts: Facts) -> Iterator[None]:
    """Append a line if the block is refused. An outage is no refusal."""
    try:
        yield
    except DomicileError as error:
        if not _is_outage(error):
            _note_refusal(region, facts, error)
        raise


def _is_outage(error: DomicileError) -> bool:
    """Return whether a part of the system failed, also if a person must mend it."""
    if isinstance(error, KeyUnavailable):
        return not error.lost
    return error.retryable or isinstance(error, Unavailable)


def _note_refusal(region: OpenRegion, facts: Facts, error: DomicileError) -> None:
    reasons = list(error.reasons) if isinstance(error, Refused) else []
    said = {**facts, "error": error.code, "reasons": reasons}
    with region.catalog.begin() as connection:
        person = roster.of_session(connection)
        if person is not None:
            said["by"] = person.actor
        log.append(connection, LineKind.REFUSAL, said, region.clock.now(), region.entropy)
