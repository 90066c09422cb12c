"""Compute the bound on every deletion, term by term, from the configuration and workers' pace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from regions.backends import BackendSpec
from regions.model import Bounds, Region, SubProcessor
from storage.policy.copies import ASK_AHEAD
from storage.policy.erasure import ORPHAN_GRACE

LEASE: Final = timedelta(minutes=10)  # until a worker replaces one that crashed
REPLICATION_LEASE: Final = timedelta(minutes=30)  # the same for a replication, which renews it
FIRST_RETRY: Final = timedelta(seconds=5)
LAST_RETRY: Final = timedelta(hours=1)
WAITING: Final = timedelta(minutes=1)

LOG_WAIT: Final = timedelta(hours=1)
"""How long a line of the log may wait for a checkpoint: workers try again at least that often."""

_NONE = timedelta()
_FIXED = "fixed"
_MONTH = timedelta(days=30)  # GDPR, article 12(3), allows an erasure one month


SEAL_PAUSE = timedelta(minutes=10)
"""From one checkpoint of the log to the next, if nobody waits for it and no batch is full."""


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed tries: longer each time, up to an hour."""
    grown: timedelta = FIRST_RETRY * 2 ** min(attempts, 10)
    return min(LAST_RETRY, grown)


@dataclass(frozen=True, slots=True)
class Pace:
    """The times that workers keep, if at least one runs and keeps up with its work.

    ``round``: between two rounds. ``lease``: until a worker replaces one that crashed.
    ``replication``: until an unfinished replication is abandoned, unless its worker renews it.
    ``retry``: at most between two tries on a failing backend. ``waiting``: until a step that had to
    wait is tried again.
    """

    round: timedelta
    lease: timedelta
    replication: timedelta
    retry: timedelta
    waiting: timedelta

    @classmethod
    def with_pause(cls, seconds: float) -> Self:
        """Return the pace of workers that pause for so many seconds between rounds."""
        return cls(timedelta(seconds=seconds), LEASE, REPLICATION_LEASE, LAST_RETRY, WAITING)


@dataclass(frozen=True, slots=True)
class Step:
    """One term of a bound: what happens in it, how long it takes at most, and what sets that."""

    what: str
    at_most: timedelta
    set_by: str


@dataclass(frozen=True, slots=True)
class Lateness:
    """A bound: its terms, one after the other, and the ``limit`` that their sum must keep.

    It counts from ``begins`` (in words) until no backend holds a byte, if every backend answers.
    A backend that does not answer is tried again every ``Pace.retry``; the bound then counts from
    its return.
    """

    begins: str
    steps: tuple[Step, ...]
    limit: timedelta
    set_by: str

    @property
    def at_most(self) -> timedelta:
        """The sum of all terms."""
        return sum((step.at_most for step in self.steps), _NONE)

    @property
    def fits(self) -> bool:
        """Whether the sum keeps the limit."""
        return self.at_most <= self.limit


def expiry_lateness(
    region: Region, bounds: Bounds, pace: Pace, processors: Sequence[SubProcessor] = ()
) -> Lateness:
    """Return the bound from the start of an expiry day, when reads end, until its bytes are gone.

    Copies at processors add no time: their deletion was requested early enough to meet the same
    deadline (``copy_lateness``).
    """
    steps = (
        Step("a worker finds the day due", pace.round, "worker --pause"),
        Step("a worker replaces one that crashed", pace.lease, _FIXED),
        *_writing(region, pace),
        *_purging(region, pace),
        Step("erasures that still read the day's partition end", pace.waiting, _FIXED),
        Step("a worker begins to purge the day keys", pace.round, "worker --pause"),
        Step("a failed purge of a day key is tried again", pace.retry, _FIXED),
        *(_asked_ahead(company) for company in processors),
    )
    limit = f"bounds.purge_hours = {bounds.purge_hours}"
    return Lateness("the expiry day begins and reads end", steps, bounds.purge, limit)


def erasure_lateness(
    region: Region, bounds: Bounds, pace: Pace, processors: Sequence[SubProcessor] = ()
) -> Lateness:
    """Return the bound from an erasure, when reads end, until its receipt is issued.

    All processors are asked at once, in parallel with the rest. The bound adds the slowest.
    """
    window = f"bounds.compaction_hours = {bounds.compaction_hours}"
    steps = (
        Step("a worker deletes rows and record keys", pace.round, "worker --pause"),
        Step("a pack with survivors is rewritten", bounds.compaction, window),
        Step("a worker begins to purge", pace.round, "worker --pause"),
        Step("a worker replaces one that crashed", pace.lease, _FIXED),
        *_writing(region, pace),
        *_purging(region, pace),
        *_slowest(processors, pace),
        Step("a worker lists what is left beside it", pace.round, "worker --pause"),
        Step("a failed listing is tried again", pace.retry, _FIXED),
        Step("an orphan beside it is kept, so that a person can inspect it", ORPHAN_GRACE, _FIXED),
        Step("a worker signs the receipt", pace.round, "worker --pause"),
    )
    return Lateness("an erasure is requested and reads end", steps, _MONTH, "GDPR, article 12(3)")


def shortened_lateness(region: Region, bounds: Bounds, pace: Pace) -> Lateness:
    """Return the bound from the end of reading by a shortened retention until the bytes are gone.

    If the retention was shortened later, the bound counts from then. The erasure asks for copies at
    processors back, and its receipt waits for them: see ``erasure_lateness``.
    """
    window = f"bounds.compaction_hours = {bounds.compaction_hours}"
    steps = (
        Step("a worker finds that something has ended", pace.round, "worker --pause"),
        Step("a worker deletes rows and record keys", pace.round, "worker --pause"),
        Step("a pack with survivors is rewritten", bounds.compaction, window),
        Step("a worker begins to purge", pace.round, "worker --pause"),
        Step("a worker replaces one that crashed", pace.lease, _FIXED),
        *_writing(region, pace),
        *_purging(region, pace),
    )
    begins = "a shortened retention ends reading"
    limit = f"{window}, bounds.purge_hours = {bounds.purge_hours}"
    return Lateness(begins, steps, bounds.compaction + bounds.purge, limit)


def copy_lateness(company: SubProcessor, pace: Pace) -> Lateness:
    """Return the bound from the request to delete a copy until its processor confirms the deletion.

    The limit is the time from that request to the copy's deadline.
    """
    assert company.connector is not None
    steps = (
        Step("a worker finds the copy due", pace.round, "worker --pause"),
        Step("a worker replaces one that crashed", pace.lease, _FIXED),
        *_slowest((company,), pace),
    )
    ahead = f"requested in advance: lead_hours = {company.connector.lead_hours}, plus 2 hours"
    begins = f"deletion of the copies at {company.name} is requested"
    return Lateness(begins, steps, company.connector.lead + ASK_AHEAD, ahead)


def key_copies(region: Region) -> Step:
    """Return how long record keys and pseudonyms live on in backups after the bytes are gone."""
    days = region.catalog_backup_days
    what = "The last backup of the catalog is gone"
    return Step(what, timedelta(days=days), f"catalog_backup_days = {days}")


def _writing(region: Region, pace: Pace) -> tuple[Step, ...]:
    slowest = max(region.backends, key=lambda spec: spec.longest_request)
    return (
        Step("an unfinished replication is abandoned", pace.replication, _FIXED),
        Step(
            "a write that timed out can no longer take effect",
            slowest.longest_request,
            f"{slowest.name}: longest_request_minutes = {slowest.longest_request_minutes}",
        ),
    )


def _purging(region: Region, pace: Pace) -> tuple[Step, ...]:
    return (
        Step("a worker replaces one that crashed during the purge", pace.lease, _FIXED),
        Step("a failed purge is tried again", pace.retry, _FIXED),
        *(_traces(spec) for spec in region.backends),
    )


def _asked_ahead(company: SubProcessor) -> Step:
    what = f"{company.name}: its copies are deleted (requested in advance)"
    return Step(what, _NONE, f"lead_hours = {_lead(company) // timedelta(hours=1)}")


def _slowest(processors: Sequence[SubProcessor], pace: Pace) -> tuple[Step, ...]:
    if not processors:
        return ()
    company = max(processors, key=_lead)
    hours = f"{company.name}: lead_hours = {_lead(company) // timedelta(hours=1)}"
    return (
        Step("the slowest processor has deleted its copies", _lead(company), hours),
        Step("a failed request to a processor is sent again", pace.retry, _FIXED),
    )


def _lead(company: SubProcessor) -> timedelta:
    return company.connector.lead if company.connector is not None else _NONE


def _traces(spec: BackendSpec) -> Step:
    """Add no time: the purge itself removes older versions and unfinished uploads."""
    off = " and ".join(sorted(spec.attested_off))
    what = f"{spec.name}: older versions, markers and unfinished uploads are purged too"
    return Step(what, _NONE, f"attested to be off: {off}" if off else "listed, and seen absent")
