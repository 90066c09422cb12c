"""How late things can be: the bound on every deletion, term by term, from the configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from regions.backends import BackendSpec
from regions.model import Bounds, Region, SubProcessor
from storage.policy.copies import ASKING

_NONE = timedelta()
_MONTH = timedelta(days=30)  # an erasure must be over within a month: GDPR, article 12(3)


@dataclass(frozen=True, slots=True)
class Pace:
    """What workers promise, if at least one runs and keeps up with its work.

    ``round``: between two rounds. ``lease``: until another takes over from one that was killed.
    ``copying``: for so long a copy to a backend may go on before it is put off. ``retry``: between
    two attempts on a backend that fails. ``waiting``: until a step that has to wait is tried again.
    """

    round: timedelta
    lease: timedelta
    copying: timedelta
    retry: timedelta
    waiting: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """One term of a bound: what may have to be waited for, how long, and what sets that."""

    what: str
    at_most: timedelta
    set_by: str


@dataclass(frozen=True, slots=True)
class Lateness:
    """A bound: its terms, one after the other, and the ``limit`` that they must keep within.

    From ``begins`` (in words) until no backend holds a byte, if all of them answer. ``fits`` is
    whether they do. One that does not answer is tried again every ``Pace.retry``: the bound then
    counts from its return.
    """

    begins: str
    steps: tuple[Step, ...]
    limit: timedelta
    set_by: str

    @property
    def at_most(self) -> timedelta:
        """All terms together."""
        return sum((step.at_most for step in self.steps), _NONE)

    @property
    def fits(self) -> bool:
        """Whether the limit is kept."""
        return self.at_most <= self.limit


def expiry_lateness(
    region: Region, bounds: Bounds, pace: Pace, processors: Sequence[SubProcessor] = ()
) -> Lateness:
    """From the beginning of an expiry day, when reading ends, until its bytes are gone.

    Copies at processors take no time of their own here: they were asked back ahead of it, so that
    each is gone by the same deadline (``copy_lateness``).
    """
    steps = (
        Step("a worker comes to it", pace.round, "worker --pause"),
        Step("one that was killed at it is replaced", pace.lease, "fixed"),
        *_writing(region, pace),
        *_purging(region, pace),
        Step("its partition is in use, or an erasure still reads it", pace.waiting, "fixed"),
        Step("a worker comes to its day keys", pace.round, "worker --pause"),
        Step("a day key's backend failed once", pace.retry, "fixed"),
        *(_asked_ahead(company) for company in processors),
    )
    limit = f"bounds.purge_hours = {bounds.purge_hours}"
    return Lateness(
        "the expiry day begins, and nothing is read any more", steps, bounds.purge, limit
    )


def erasure_lateness(
    region: Region, bounds: Bounds, pace: Pace, processors: Sequence[SubProcessor] = ()
) -> Lateness:
    """From a request to erase, when reading ends, until its bytes are gone and it has a receipt.

    The processors are asked at once, side by side with the rest: the bound adds the slowest.
    """
    window = f"bounds.compaction_hours = {bounds.compaction_hours}"
    steps = (
        Step("a worker deletes rows and record keys", pace.round, "worker --pause"),
        Step("a pack with survivors is rewritten", bounds.compaction, window),
        Step("a worker comes to it", pace.round, "worker --pause"),
        Step("one that was killed at it is replaced", pace.lease, "fixed"),
        *_writing(region, pace),
        *_purging(region, pace),
        *_slowest(processors, pace),
        Step("a worker signs the receipt", pace.round, "worker --pause"),
    )
    return Lateness(
        "an erasure is asked for, and nothing is read any more",
        steps,
        _MONTH,
        "GDPR, article 12(3)",
    )


def copy_lateness(company: SubProcessor, pace: Pace) -> Lateness:
    """From the moment when a copy at a processor is asked back until the processor says it is gone.

    The limit is the copy's deadline: that moment is so long before it.
    """
    assert company.connector is not None
    steps = (
        Step("a worker comes to it", pace.round, "worker --pause"),
        Step("one that was killed at it is replaced", pace.lease, "fixed"),
        *_slowest((company,), pace),
    )
    ahead = f"asked for ahead: lead_hours = {company.connector.lead_hours}, and 2 hours"
    begins = f"copies at {company.name} are asked back"
    return Lateness(begins, steps, company.connector.lead + ASKING, ahead)


def key_copies(region: Region) -> Step:
    """After the bytes are gone: until the last backup that holds a record key or a pseudonym is."""
    days = region.catalog_backup_days
    what = "The last backup of the catalog is gone"
    return Step(what, timedelta(days=days), f"catalog_backup_days = {days}")


def _writing(region: Region, pace: Pace) -> tuple[Step, ...]:
    slowest = max(region.backends, key=lambda spec: spec.longest_request)
    return (
        Step("a copy that had begun is given up", pace.copying, "fixed"),
        Step(
            "a request that nobody waits for may still land",
            slowest.longest_request,
            f"{slowest.name}: longest_request_minutes = {slowest.longest_request_minutes}",
        ),
    )


def _purging(region: Region, pace: Pace) -> tuple[Step, ...]:
    return (
        Step("one that was killed at the purge is replaced", pace.lease, "fixed"),
        Step("a purge that failed is tried again", pace.retry, "fixed"),
        *(_traces(spec) for spec in region.backends),
    )


def _asked_ahead(company: SubProcessor) -> Step:
    what = f"{company.name}: its copies were asked back in time"
    return Step(what, _NONE, f"lead_hours = {_lead(company) // timedelta(hours=1)}")


def _slowest(processors: Sequence[SubProcessor], pace: Pace) -> tuple[Step, ...]:
    if not processors:
        return ()
    company = max(processors, key=_lead)
    hours = f"{company.name}: lead_hours = {_lead(company) // timedelta(hours=1)}"
    return (
        Step("a processor has deleted its copies", _lead(company), hours),
        Step("it is asked again", pace.retry, "fixed"),
    )


def _lead(company: SubProcessor) -> timedelta:
    return company.connector.lead if company.connector is not None else _NONE


def _traces(spec: BackendSpec) -> Step:
    """Old versions and unfinished uploads take no time of their own: a purge removes them."""
    off = " and ".join(sorted(spec.attested_off))
    what = f"{spec.name}: older versions, markers and unfinished uploads go with the purge"
    return Step(what, _NONE, f"attested to be off: {off}" if off else "listed, and seen absent")
