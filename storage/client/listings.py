"""What is known of a tenant's records without opening them, which ``Tenant`` inherits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.catalog import pseudonym_keys, records, tenants
from storage.catalog.records import Narrow
from storage.client.listed import Opening
from storage.client.screening import check_flagged
from storage.client.validate import (
    Id,
    as_id,
    check_class,
    check_limit,
    check_most,
    check_name,
    check_span,
)
from storage.client.writes import Writes
from storage.errors import Erased, Expired, NotFound
from storage.model import Count, DataClass, Page, RecordInfo
from storage.packs.openings import look, term_of_row
from storage.packs.reader import info
from storage.policy import ended_before
from storage.region import OpenRegion


class Listings(Writes):
    """The listings of one tenant's records. See ``Tenant``."""

    def list(  # noqa: PLR0913 - each narrows it
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        newest_first: bool = False,
        after: Id | None = None,
        limit: int = 100,
    ) -> Page:
        """Return a page of the readable records, oldest first, without opening them.

        ``data_class``, ``subject`` and ``group`` narrow the list; ``flagged=True`` lists those that
        have a flag, ``flagged=False`` those that have none. ``minted_from`` and ``minted_to``
        (exclusive) limit when the ids were minted, and have a time zone. At most ``limit`` (1 to
        1000).

        While ``has_more`` of the page is true, pass its ``cursor`` as ``after`` for the next one.
        Raises KeyUnavailable if another process uses a newer pseudonym key than this one has.
        """
        check_limit(limit)
        wanted = Wanted(data_class, subject, group, flagged, minted_from, minted_to)
        return self._page(wanted, after, limit, newest=newest_first)

    def count(
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        most: int = 10_000,
    ) -> Count:
        """Count the readable records that ``list`` would show, but stop after ``most``.

        ``most``: 1 to 1,000,000. Records that it passes over, as of another class, take time too.
        """
        check_most(most)
        wanted = Wanted(data_class, subject, group, flagged, minted_from, minted_to)
        region = self._homes.find(self.id)[0].region
        now = region.clock.now()
        with region.catalog.begin() as connection:
            own = tenants.retention_of(connection, self.id)
            narrow = wanted.narrow(region, connection, self.id, own, now)
            found = records.count(connection, self.id, narrow, now=now, most=most + 1)
        return Count(min(found, most), stopped=found > most)

    def head(self, id: Id) -> RecordInfo:
        """Return what is known of a record without opening it.

        Raises NotFound, Erased or Expired, as ``BoundTenant.get`` does.
        """
        record_id = as_id(id)
        region = self._homes.find(self.id)[0].region
        return region.catalog.look(lambda connection: look(region, connection, self.id, record_id))

    def exists(self, id: Id) -> bool:
        """Return whether a record is there and has neither been erased nor expired."""
        try:
            self.head(id)
        except (NotFound, Erased, Expired):
            return False
        return True

    def _page(
        self,
        wanted: "Wanted",
        after: Id | None,
        limit: int,
        *,
        newest: bool,
        opening: Opening | None = None,
    ) -> Page:
        last = None if after is None else as_id(after)
        region = self._homes.find(self.id)[0].region
        now = region.clock.now()
        with region.catalog.begin() as connection:
            own = tenants.retention_of(connection, self.id)
            narrow = wanted.narrow(region, connection, self.id, own, now)
            rows = records.page(
                connection, self.id, narrow, after=last, now=now, limit=limit + 1, newest=newest
            )
            shown = rows[:limit]
            permitted = opening.permits(connection, shown, own, now) if opening is not None else []
        terms = (term_of_row(region, row, own) for row in shown)
        infos = tuple(map(info, shown, terms))
        if opening is not None:
            infos = tuple(map(opening.show, permitted, infos))
        return Page(infos, has_more=len(rows) > limit)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of a tenant are listed. None: all."""

    data_class: DataClass | None
    subject: str | None
    group: str | None
    flagged: bool | None
    minted_from: datetime | None
    minted_to: datetime | None

    def __post_init__(self) -> None:
        """Raise InvalidRequest if they are not what they have to be."""
        check_name("subject", self.subject)
        check_name("group", self.group)
        if self.data_class is not None:
            check_class(self.data_class)
        check_flagged(self.flagged)
        check_span(self.minted_from, self.minted_to)

    def narrow(
        self,
        region: OpenRegion,
        connection: Connection,
        tenant: str,
        own: Mapping[DataClass, int],
        now: datetime,
    ) -> Narrow:
        """Return what that is in the catalog. ``own``: the tenant's retention."""
        names, subject, group = region.pseudonyms, self.subject, self.group
        if subject is not None or group is not None:
            pseudonym_keys.check_complete(connection, region.name, names.versions)
        return Narrow(
            self.data_class,
            names.all(tenant, "subject", subject) if subject is not None else (),
            names.all(tenant, "group", group) if group is not None else (),
            self.flagged,
            (self.minted_from, self.minted_to),
            ended=ended_before(region.topology, own, now),
        )
