"""Decide about records whose reading ends at a moment that their writer names."""

from datetime import date, datetime, timedelta

from regions.model import Topology
from regions.words import begun_with_article
from storage.errors import InvalidRequest
from storage.model import RecordId, utc
from storage.policy.retention import midnight

_DAY = timedelta(days=1)


def days_until(
    topology: Topology, until: datetime, written: datetime, origin: date | None = None
) -> int:
    """Return the fewest days for which a record must be kept to be readable until a moment.

    ``origin``: the date of data from before Domicile, from which its days count.
    """
    begins = utc(written) if origin is None else midnight(origin)
    needed = midnight(_last_day(until)) + topology.bounds.purge - begins
    days = max(1, -(-needed // _DAY))
    while not topology.bounds.allow(days):
        days += 1
    return days


def check_until(
    topology: Topology, record_id: RecordId, until: datetime | None, now: datetime
) -> None:
    """Raise InvalidRequest if reading of a record that is written now cannot end at that moment."""
    if until is None:
        return
    rule, what = (
        topology.classes.get(record_id.data_class),
        begun_with_article(record_id.data_class),
    )
    if rule is not None and rule.floor_days is not None:
        raise InvalidRequest(
            f"{what} can be read until its day: others rely on it.",
            advice="Give no readable_until.",
        )
    if utc(until) <= utc(now):
        raise InvalidRequest("readable_until is over.", advice="Give a moment in the future.")
    if record_id.day is None or record_id.day < _last_day(until):
        raise InvalidRequest(
            "The id was minted for a record that ends on another day than readable_until.",
            advice="Give new_id the same readable_until, or leave out the id.",
        )


def _last_day(until: datetime) -> date:
    """Return the day at whose beginning a record may expire that is readable until a moment."""
    moment = utc(until)
    return moment.date() if moment == midnight(moment.date()) else moment.date() + _DAY
