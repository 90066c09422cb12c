"""``store.admin.roster`` for asyncio."""

from collections.abc import Sequence

from storage.client.aio.threads import Threads
from storage.client.roster import Roster
from storage.model import RosterEntry, RosterSpec


class AsyncRoster:
    """``Roster`` for asyncio: the same methods, arguments and errors."""

    def __init__(self, roster: Roster, threads: Threads) -> None:
        """Use ``AsyncStore.admin.roster`` instead."""
        self._roster = roster
        self._threads = threads

    async def enter(self, region: str, spec: RosterSpec) -> RosterEntry:
        """See ``Roster.enter``."""
        return await self._threads.call(self._roster.enter, region, spec)

    async def list(
        self, region: str, *, after: str = "", limit: int = 100
    ) -> Sequence[RosterEntry]:
        """See ``Roster.list``."""
        return await self._threads.call(self._roster.list, region, after=after, limit=limit)
