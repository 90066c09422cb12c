"""Objections of tenants to sub-processors."""

from dataclasses import dataclass
from datetime import date, datetime

from storage.model.losses import Loss


@dataclass(frozen=True, slots=True)
class ObjectionEffect:
    """What an objection means for the tenant.

    ``places``: the backends where its data may still be, primary first; ``replicas``: how many its
    region wants. ``due``: the day by which what is stored at the company is elsewhere.
    ``too_few_from``: the first known day on which too few places are left, so that writes are
    refused from then on.
    """

    company: str
    places: tuple[str, ...]
    replicas: int
    due: date
    too_few_from: date | None = None

    @property
    def fewer_replicas(self) -> bool:
        """Whether each record has fewer replicas than the region wants."""
        return len(self.places) < self.replicas


@dataclass(frozen=True, slots=True)
class TenantObjection:
    """An objection in force, in a list of all tenants.

    ``due``: the day by which nothing is at the company (None: the topology does not have it any
    more). ``gone``: since when nothing was there, when a worker looked last. ``lost``: as that of
    Objection.
    """

    tenant: str
    company: str
    region: str
    by: str
    ticket: str
    at: datetime
    due: date | None
    gone: datetime | None
    overdue: bool
    lost: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Objection:
    """An objection of a tenant to a company, until it is withdrawn.

    ``due``: the day by which what was stored at the company is elsewhere. ``left``: replicas and
    copies there that are not yet seen absent, up to 1,000,000. ``gone``: since when nothing is
    there, as workers saw it, who look next at ``look_at`` (past: none is running). ``overdue``:
    ``due`` has come, and something is left. ``withdrawn``: when, and by whom, it was withdrawn;
    ``due`` to ``overdue`` say nothing from then on.

    ``lost``: storage that the company lost since the tenant was created. What the tenant had there
    nobody saw absent: people attest that it cannot be read.
    """

    company: str
    by: str
    ticket: str
    at: datetime
    due: date | None = None
    left: int = 0
    gone: datetime | None = None
    look_at: datetime | None = None
    lost: tuple[Loss, ...] = ()
    overdue: bool = False
    withdrawn: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_ticket: str | None = None
