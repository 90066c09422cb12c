"""Who saw what: the report over a span of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Looked:
    """What one actor opened of one tenant, for one purpose, under one grant.

    ``openings``: how often, ``records``: how many of them were different. ``case`` and
    ``approved_by`` are of the grant; a tenant's own service has none. ``logins``: of the sessions
    that added the lines, as the catalog knows them; a line that a recovery brought back has none.
    The rest is what these sessions said.
    """

    actor: str
    actor_kind: str
    employer: str
    location: str
    tenant: str
    purpose: str
    grant: str | None
    case: str | None
    approved_by: tuple[str, ...]
    openings: int
    records: int
    first: datetime
    last: datetime
    logins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line of the log that no code of Domicile wrote. ``login``: of the session that added it.

    ``number``: its place in the log. None: it is not in a checkpoint yet.
    """

    line: UUID
    number: int | None
    login: str | None


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Who opened what in a region from ``since`` up to ``until`` (exclusive), by its log.

    ``refused``: how many openings, requests and approvals were refused, by reason. ``requested``,
    ``approved`` and ``revoked`` count grants. ``mean_to_revoke``: from the last approval of those
    that were revoked to the revocation. ``staff`` and ``staff_max``: how many people the roster
    allows now, and at most. ``forgotten``: lines of the span whose text is gone, so that the report
    is not complete. ``unreadable``: how many lines are of no form that Domicile writes, so that
    nothing of them counts; ``unreadable_lines`` names the first hundred.
    """

    region: str
    since: datetime
    until: datetime
    looked: tuple[Looked, ...]
    refused: Mapping[str, int]
    requested: int
    approved: int
    revoked: int
    mean_to_revoke: timedelta | None
    staff: int
    staff_max: int
    forgotten: int
    unreadable: int = 0
    unreadable_lines: tuple[UnreadableLine, ...] = ()
