"""The metrics of a region: the name of each, its unit, and how it is taken from a reading."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from storage.watching.readings import Reading

Sample = tuple[str | None, float]
"""A value, and the backend that it is about, if it is about one."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric of a region. ``unit`` is as OpenTelemetry writes it."""

    name: str
    unit: str
    about: str
    take: Callable[[Reading], Iterable[Sample]]


def _one(take: Callable[[Reading], float]) -> Callable[[Reading], Iterable[Sample]]:
    return lambda reading: [(None, float(take(reading)))]


def _each(
    take: Callable[[Reading], Mapping[str, float]],
) -> Callable[[Reading], Iterable[Sample]]:
    """Take a number of each backend, 0 if it is not named."""

    def taken(reading: Reading) -> Iterable[Sample]:
        found = take(reading)
        names = dict.fromkeys((*reading.backends, *found))
        return [(name, float(found.get(name, 0))) for name in names]

    return taken


def _known(
    take: Callable[[Reading], Mapping[str, float]],
) -> Callable[[Reading], Iterable[Sample]]:
    """Take a number of the backends that have one."""
    return lambda reading: list(take(reading).items())


GAUGES: Final = (
    Gauge(
        "domicile.overdue",
        "s",
        "How long the deletion that is overdue longest has been so. 0: nothing is overdue.",
        _one(lambda x: x.overdue),
    ),
    Gauge(
        "domicile.overdue.records",
        "{record}",
        "Records of expiry days that should be gone, up to 10,000.",
        _one(lambda x: x.watched.overdue_records),
    ),
    Gauge(
        "domicile.overdue.expiry_days",
        "{expiry_day}",
        "Expiry days of which anything is left that should be gone.",
        _one(lambda x: x.watched.overdue_days),
    ),
    Gauge(
        "domicile.overdue.copies",
        "{copy}",
        "Copies at processors whose deadline has passed without a confirmation, up to 10,000.",
        _one(lambda x: x.watched.overdue_copies),
    ),
    Gauge(
        "domicile.erasures.open",
        "{erasure}",
        "Erasures that are not complete, up to 10,000.",
        _one(lambda x: x.watched.open_erasures),
    ),
    Gauge(
        "domicile.erasures.deferred",
        "{erasure}",
        "Erasures that wait for legal holds, up to 10,000.",
        _one(lambda x: x.watched.deferred_erasures),
    ),
    Gauge(
        "domicile.erasure.oldest",
        "s",
        "Since the oldest request of an erasure that is not complete and that no hold defers.",
        _one(lambda x: x.oldest_erasure),
    ),
    Gauge(
        "domicile.replicas.missing",
        "{replica}",
        "Replicas still to be made, up to 10,000 objects in all.",
        _each(lambda x: x.watched.missing),
    ),
    Gauge(
        "domicile.purge.backlog",
        "{replica}",
        "Replicas that must go, up to 10,000 in all.",
        _each(lambda x: x.watched.purging),
    ),
    Gauge(
        "domicile.unrepaired",
        "{fault}",
        "Faults that the last scrub could not repair.",
        _each(lambda x: x.watched.unrepaired),
    ),
    Gauge(
        "domicile.orphans",
        "{key}",
        "Keys that no row of the catalog knows, and that keep receipts from being signed.",
        _each(lambda x: x.watched.orphans),
    ),
    Gauge(
        "domicile.backend.closed",
        "",
        "1 if nothing new goes to the backend, because of its posture.",
        _each(lambda x: dict.fromkeys(x.closed, 1.0)),
    ),
    Gauge(
        "domicile.backend.unhealthy",
        "",
        "1 if a call of this process to the backend had no answer in the last seconds.",
        _each(lambda x: dict.fromkeys(x.unhealthy, 1.0)),
    ),
    Gauge(
        "domicile.region.blocked",
        "",
        "1 if too few backends take anything new.",
        _one(lambda x: x.blocked),
    ),
    Gauge(
        "domicile.posture.age",
        "s",
        "Since the posture of the backend was read.",
        _known(lambda x: x.posture_ages),
    ),
    Gauge(
        "domicile.attestation.age",
        "s",
        "Since the day of the document that vouches for what cannot be read of the posture.",
        _known(lambda x: x.attestation_ages),
    ),
    Gauge(
        "domicile.clock.apart",
        "s",
        "Between the clock of this machine and that of the database.",
        _one(lambda x: x.clock_apart),
    ),
    Gauge(
        "domicile.partitions.ahead",
        "d",
        "Days from today to the last one that has a partition.",
        _one(lambda x: x.days_ahead),
    ),
    Gauge(
        "domicile.partitions.short",
        "",
        "1 if that is too few for the retentions of the topology.",
        _one(lambda x: x.horizon_short),
    ),
    Gauge(
        "domicile.holds",
        "{hold}",
        "Legal holds in force, up to 10,000.",
        _one(lambda x: x.watched.holds),
    ),
    Gauge(
        "domicile.holds.unconfirmed",
        "{hold}",
        "Legal holds that a second person should have confirmed by now.",
        _one(lambda x: x.watched.overdue_confirmations),
    ),
    Gauge(
        "domicile.holds.unreviewed",
        "{hold}",
        "Legal holds whose day of review has passed.",
        _one(lambda x: x.watched.overdue_reviews),
    ),
    Gauge(
        "domicile.grants",
        "{grant}",
        "Grants under which people may open records now.",
        _one(lambda x: x.watched.grants),
    ),
    Gauge(
        "domicile.log.checkpoint.age",
        "s",
        "Since the newest checkpoint of the log was signed that is on its backends.",
        lambda x: [] if x.checkpoint_age is None else [(None, x.checkpoint_age)],
    ),
    Gauge(
        "domicile.log.waits",
        "s",
        "How long the oldest line of the log has waited for a checkpoint. 0: none waits.",
        _one(lambda x: x.log_waits),
    ),
)
"""All of them. ``domicile.region.up`` is 1 for a region that has a reading, 0 for one without."""
