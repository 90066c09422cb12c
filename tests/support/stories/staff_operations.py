"""Operations of people: grants, openings under them, the roster; and a catalog that is restored."""

from dataclasses import dataclass
from typing import Literal

from storage.model import Purpose, ScopeKind, Trait

How = Literal["own", "another", "none", "purpose", "tenant"]
"""Who uses a grant for what: as it says; another person; nobody shows it; for another purpose; or
for a record of another tenant.
"""

Change = Literal["enter", "bare", "suspend", "end"]
"""What the roster says of a person from now on. ``bare``: without a confidentiality agreement."""


@dataclass(frozen=True)
class RequestGrant:
    """Request a grant on a scope, or for ``legal`` on what the tenant's youngest hold covers.

    ``user``, ``by``: who is to use it, and who asks. ``most``: how many records.
    """

    tenant: int
    purpose: Purpose
    kind: ScopeKind
    number: int
    user: int
    most: int
    hours: int
    case: bool
    by: int = 0


@dataclass(frozen=True)
class ApproveGrant:
    """Approve the n-th grant, counted from the youngest, as a person or for the customer."""

    number: int
    by: int


@dataclass(frozen=True)
class RevokeGrant:
    """Revoke the n-th grant, counted from the youngest."""

    number: int


@dataclass(frozen=True)
class Enroll:
    """Enter a person in the roster anew."""

    who: int
    change: Change


@dataclass(frozen=True)
class Pass:
    """Let minutes pass while a person has a record open."""

    minutes: int


@dataclass(frozen=True)
class Look:
    """Open a record under the n-th grant: a range, and after what ``then`` does another one."""

    number: int
    record: int
    how: How = "own"
    then: tuple["StaffOp", ...] = ()


@dataclass(frozen=True)
class Ask:
    """From now on a tenant asks for one thing alone, or for nothing."""

    tenant: int
    trait: Trait | None


@dataclass(frozen=True)
class Screen:
    """Show all prompts of a tenant to a classifier that flags the n-th."""

    tenant: int
    number: int


@dataclass(frozen=True)
class Restore:
    """Lose the catalog, restore it from a backup and recover it.

    ``lost``: what is done after the backup.
    """

    lost: tuple["StaffOp", ...] = ()


StaffOp = RequestGrant | ApproveGrant | RevokeGrant | Enroll | Look | Pass
"""What people do. Of all this a ledger knows nothing: with the catalog it is lost."""
