"""Lines of the log about the roster, and about what was refused.

Those about grants are written by the functions of the catalog that write the grants.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from storage.catalog import log, roster
from storage.catalog.log import Facts
from storage.errors import DomicileError, Refused
from storage.model import Grant, LineKind, RosterEntry
from storage.region import OpenRegion

T = TypeVar("T")


def approvers(grant: Grant) -> list[str]:
    """Return who approved a grant, oldest first."""
    return [approval.actor for approval in grant.approvals]


def note_entry(
    region: OpenRegion, connection: Connection, entry: RosterEntry, staff_max: int | None
) -> None:
    """Append a line about an entry in the roster, with how many people it has now."""
    at = region.clock.now()
    facts: Facts = {
        "actor": entry.actor,
        "actor_kind": entry.kind.value,
        "role": entry.role,
        "employer": entry.employer,
        "location": entry.location,
        "agreement": entry.agreement,
        "since": entry.since.isoformat(),
        "until": None if entry.until is None else entry.until.isoformat(),
        "suspended": int(entry.suspended),
        "by": entry.entered_by,
        "staff": roster.staff_in_force(connection, at.date()),
        "staff_max": staff_max,
    }
    log.append(connection, LineKind.ROSTER, facts, at, region.entropy)


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
        if not error.retryable:
            _note_refusal(region, facts, error)
        raise


def _note_refusal(region: OpenRegion, facts: Facts, error: DomicileError) -> None:
    reasons = list(error.reasons) if isinstance(error, Refused) else []
    said = {**facts, "error": error.code, "reasons": reasons}
    with region.catalog.begin() as connection:
        person = roster.of_session(connection)
        if person is not None:
            said["by"] = person.actor
        log.append(connection, LineKind.REFUSAL, said, region.clock.now(), region.entropy)
