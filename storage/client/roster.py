"""``store.admin.roster``: the people and machines that may have to do with content."""

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.catalog import roster
from storage.client.homes import Homes
from storage.client.lines import deciding
from storage.client.people import check_roster
from storage.client.validate import check_limit, check_text
from storage.model import RosterEntry, RosterSpec
from storage.model.codes import as_code
from storage.policy import may_enter
from storage.region import OpenRegion


class Roster:
    """The rosters of the regions that this process serves. Thread-safe.

    Who makes an entry is known by the login with which the process connects to the catalog.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.roster`` instead."""
        self._homes = homes

    def enter(self, region: str, spec: RosterSpec) -> RosterEntry:
        """Make an entry in the roster of a region, and return it.

        Older entries of the same actor stay and count no more. The login of the process must be
        that of a person in force with the role ``roster_keeper``, or of the owner of the catalog,
        and not that of the actor. Raises GrantRefused, and WrongRegion.
        """
        check_roster(spec)
        return _enter(self._homes.served(region).region, spec)

    def list(self, region: str, *, after: str = "", limit: int = 100) -> Sequence[RosterEntry]:
        """Return the newest entry of each actor of a region, by ascending id of the actors.

        At most ``limit`` (1 to 1000). To page, pass the last actor as ``after``. Raises
        WrongRegion.
        """
        check_limit(limit)
        if after:
            check_text("actor", after)
        with self._homes.served(region).region.catalog.begin() as connection:
            return roster.page(connection, after, limit)


def _enter(region: OpenRegion, spec: RosterSpec) -> RosterEntry:
    def work(connection: Connection) -> RosterEntry:
        roster.own(connection)
        now = region.clock.now()
        others = roster.others_from(connection, spec.actor, now.date())
        staff_max = region.region.staff_max
        may_enter(spec, others=others, staff_max=staff_max, today=now.date()).demand()
        return roster.enter(connection, spec, now, staff_max)

    return deciding(region, "enter", {"actor": as_code(spec.actor)}, work)
