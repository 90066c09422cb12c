"""The listed metadata of a page: what a class declares as listed, opened with the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from storage.catalog.records import Row
from storage.client.lines import check_login, facts_of
from storage.client.regions import ServedRegion
from storage.client.validate import check_purpose
from storage.errors import InvalidRequest
from storage.model import Actor, DataClass, Purpose, RecordInfo
from storage.packs.openings import decider
from storage.packs.reader import Permitted, metadata_of, open_with, too_long
from storage.policy import Access, AccessReason

_ONE_BY_ONE = frozenset({Purpose.FINE_TUNE, Purpose.LEGAL, Purpose.SUBJECT_REQUEST})


@dataclass(frozen=True, slots=True)
class Opening:
    """For whom the listed metadata of a tenant's records is opened, and for what."""

    served: ServedRegion
    tenant: str
    actor: Actor
    purpose: Purpose

    def check(self) -> None:
        """Raise InvalidRequest or PurposeRefused if no page can be opened so."""
        check_purpose(self.purpose)
        if self.actor.staff or self.purpose in _ONE_BY_ONE:
            raise InvalidRequest(
                "A page is not opened for a person, nor for a purpose whose reads are noted.",
                advice="List without a purpose, and get each record.",
            )
        facts = facts_of(self.actor, self.tenant, self.purpose.value)
        check_login(self.served.region, self.actor, facts)
        if self.purpose is Purpose.ABUSE_SCREENING:
            Access(AccessReason.SCREENING_ONLY).demand()

    def permits(
        self,
        connection: Connection,
        rows: Sequence[Row],
        own: Mapping[DataClass, int],
        now: datetime,
    ) -> list[Permitted]:
        """Permit to open the rows, which can be read ``now``. Raises PurposeRefused."""
        region = self.served.region
        decide = decider(region, connection, self.tenant, self.actor, self.purpose, now=now)
        return [decide(row, own) for row in rows]

    def show(self, permitted: Permitted, info: RecordInfo) -> RecordInfo:
        """Return the row with its listed metadata. Raises Corrupt, KeyUnavailable, Unavailable."""
        rule = self.served.region.topology.classes[info.data_class]
        if not rule.listed or permitted.row.sealed_metadata is None:
            return info
        opened = open_with(self.served.keys, permitted, ())
        if opened is None:
            raise too_long()
        known = metadata_of(opened)
        return replace(info, listed={key: known[key] for key in rule.listed if key in known})
