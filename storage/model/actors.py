"""Who opens content: the tenant's own service, a machine, or a person of the roster."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final


class ActorKind(StrEnum):
    """What an actor is."""

    CUSTOMER = "customer"  # the tenant's own service
    MACHINE = "machine"  # a classifier
    EMPLOYEE = "employee"
    CONTRACTOR = "contractor"


STAFF: Final = frozenset({ActorKind.EMPLOYEE, ActorKind.CONTRACTOR})
"""The actors that are people. They open nothing without a grant."""

KEEPER: Final = "roster_keeper"
"""The role of those who make entries in the roster."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who opens content, where from, and for whom it works. The caller has authenticated it.

    ``id`` is opaque: what your identity provider calls it. ``employer`` is the company that it
    works for. ``location`` is the jurisdiction in which it is now (``EU``): for a person, reading
    from elsewhere is a transfer.
    """

    id: str
    kind: ActorKind
    employer: str
    location: str

    @property
    def staff(self) -> bool:
        """Whether it is a person."""
        return self.kind in STAFF


@dataclass(frozen=True, slots=True)
class RosterSpec:
    """What to enter in the roster about an actor. From now on it counts, and no older entry does.

    ``kind``: not CUSTOMER. ``location``: the jurisdiction in which the actor works. ``login``: the
    actor's own login to the catalog, which is never anybody else's; without one it can open content
    but neither request, approve nor revoke. ``agreement``: the SHA-256 of the confidentiality
    agreement, which a contractor must have. ``until``: exclusive.
    """

    actor: str
    kind: ActorKind
    role: str
    employer: str
    location: str
    since: date
    until: date | None = None
    login: str | None = None
    agreement: str | None = None
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """What the roster of a region says of an actor, from an entry on until the next one of it.

    ``login`` is the actor's own login to the catalog: who requests, approves and enters is known by
    it. ``agreement`` is the SHA-256 of the confidentiality agreement. ``until`` (exclusive) ends
    it. ``suspended``: it may open nothing, though its time is not over. ``entered_by`` is the login
    of whoever made the entry.
    """

    actor: str
    kind: ActorKind
    role: str
    employer: str
    location: str
    login: str | None
    agreement: str | None
    since: date
    until: date | None
    suspended: bool
    entered: datetime
    entered_by: str

    def in_force(self, on: date) -> bool:
        """Return whether the actor may act on that day."""
        ended = self.until is not None and on >= self.until
        return self.since <= on and not ended and not self.suspended

    def describes(self, actor: Actor) -> bool:
        """Return whether the entry is about this actor, as it is now."""
        said = (self.actor, self.kind, self.employer, self.location)
        return said == (actor.id, actor.kind, actor.employer, actor.location)
