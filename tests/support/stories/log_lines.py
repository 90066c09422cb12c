"""Lines of the region's log: what people did leaves each of them once, and no other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.model import LineKind
from tests.support.stories.calls import EU
from tests.support.stories.cluster import Cluster

_OF_PEOPLE = (
    *(LineKind.OPENING, LineKind.REFUSAL, LineKind.ROSTER),
    *(LineKind.GRANT_REQUESTED, LineKind.GRANT_APPROVED, LineKind.GRANT_REVOKED),
)
_EARLIER = timedelta(hours=1)  # than another line that was read already
_ANY = {LineKind.OPENING, LineKind.REFUSAL}
c = t.log_line.c


@dataclass(frozen=True)
class Line:
    """A line that nobody has claimed yet."""

    kind: str
    facts: dict[str, Any]

    def says(self, kind: LineKind, facts: dict[str, object]) -> bool:
        """Return whether the line says this."""
        return self.kind == kind and all(self.facts.get(k) == v for k, v in facts.items())


class LogLines:
    """The lines about some people. Each operation claims those that it must have left."""

    def __init__(self, cluster: Cluster, people: Iterable[str]) -> None:
        self._cluster, self._people = cluster, frozenset(people)
        self._lines: list[Line] = []
        self._known: set[UUID] = set()
        self._since: datetime | None = None
        self.openings: dict[int, bytes] = {}  # by number in the log, what it commits to

    def claim(self, kind: LineKind, **facts: object) -> None:
        """Require a line, once. Of an opening: in the published log."""
        assert self.drop(kind, **facts), f"the log has no line {kind}: {facts}, but {self._lines}"

    def drop(self, kind: LineKind, **facts: object) -> bool:
        """Claim a line that may be there; return whether it is."""
        self._read()
        found = next((line for line in self._lines if line.says(kind, facts)), None)
        if found is not None:
            self._lines = [line for line in self._lines if line is not found]
        return found is not None

    def published(self, record: str, grant: str | None) -> None:
        """Require that the last opening of a record is in the log with a number."""
        with self._cluster.looking(EU) as connection:
            rows = connection.execute(
                select(c.text, c.number, c.commitment)
                .where(c.kind == LineKind.OPENING, c.text.contains(record))
                .order_by(c.at, c.id)
            ).all()
        own = [row for row in rows if json.loads(row.text).get("grant") == grant]
        number = own[-1].number
        assert number is not None, f"{record} was opened before its line was in the log"
        self.openings[number] = own[-1].commitment

    def nothing_else(self) -> None:
        """Require that every line was claimed."""
        self._read()
        assert not self._lines, f"lines without a cause: {self._lines}"

    def are_kept(self) -> None:
        """Require that no opening left the log, whatever became of what its line says."""
        with self._cluster.looking(EU) as connection:
            rows = connection.execute(select(c.number, c.commitment).where(c.number.is_not(None)))
            there = {row.number: row.commitment for row in rows}
        for number, commitment in self.openings.items():
            assert there.get(number) == commitment, f"line {number} is not what it was"

    def forget(self) -> None:
        """Take all that is there as claimed: the catalog is another one."""
        self._read()
        self._lines = []

    def _read(self) -> None:
        now = self._cluster.clock.now()
        query = select(c.id, c.kind, c.text).where(c.kind.in_(_OF_PEOPLE), c.text.is_not(None))
        if self._since is not None:
            query = query.where(c.at >= self._since - _EARLIER)
        with self._cluster.looking(EU) as connection:
            rows = connection.execute(query.order_by(c.at, c.id)).all()
        for row in rows:
            facts = json.loads(row.text)
            named = {facts.get("actor"), facts.get("by"), facts.get("requester")}
            if row.id not in self._known and named & self._people:
                self._lines.append(Line(row.kind, facts))
            self._known.add(row.id)
        self._since = now
