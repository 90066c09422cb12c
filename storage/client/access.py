"""``store.admin.access``: who saw what."""

from datetime import datetime

from storage.catalog import log, roster
from storage.client.homes import Homes
from storage.errors import InvalidRequest
from storage.model import AccessReport, utc
from storage.policy import Summary
from storage.region import OpenRegion

_PAGE = 1000


class Access:
    """Reports on who opened content in the regions that this process serves. Thread-safe."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.access`` instead."""
        self._homes = homes

    def report(self, region: str, *, since: datetime, until: datetime) -> AccessReport:
        """Return who opened what in a region from ``since`` up to ``until`` (exclusive).

        It rests on the lines of the region's log, as far as their text is not forgotten. Raises
        WrongRegion, and NaiveDatetime.
        """
        begin, end = utc(since), utc(until)
        if end <= begin:
            raise InvalidRequest("The span ends before it begins.", advice="Give a later end.")
        return _report(self._homes.served(region).region, begin, end)


def _report(region: OpenRegion, begin: datetime, end: datetime) -> AccessReport:
    found, after = Summary(), None
    while True:
        with region.catalog.begin() as connection:
            lines = log.page(connection, kind=None, since=begin, after=after, limit=_PAGE)
        found.add(line for line in lines if line.at < end)
        if len(lines) < _PAGE or lines[-1].at >= end:
            break
        after = lines[-1].id
    with region.catalog.begin() as connection:
        staff = roster.staff_in_force(connection, region.clock.now().date())
    return AccessReport(
        region.name,
        begin,
        end,
        found.looked(),
        dict(found.refused.most_common()),
        found.requested,
        len(found.approved),
        found.revoked,
        found.mean_to_revoke,
        staff,
        region.region.staff_max,
        found.forgotten,
        found.unreadable,
        tuple(found.unreadable_lines),
    )
