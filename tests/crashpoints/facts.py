"""What a trial knows of its records, erasures and holds: what somebody was told, or has seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from uuid import UUID

from storage.model import RecordId, Scope


@dataclass
class Fact:
    """A record that somebody asked to be stored, and what is known of that.

    ``told``: None until somebody has been told, or has seen. ``sample``: of its ciphertext.
    ``written``: where it was tried to be written.
    """

    id: RecordId
    body: bytes = field(repr=False)
    subject: str | None
    group: str | None
    parents: tuple["Fact", ...] = ()
    told: bool | None = None
    sample: bytes = field(default=b"", repr=False)
    written: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def family(self) -> Iterator["Fact"]:
        """It and all that it derives from."""
        yield self
        for parent in self.parents:
            yield from parent.family()

    @property
    def expires(self) -> datetime | None:
        """When it cannot be read any more."""
        return None if self.id.day is None else datetime.combine(self.id.day, time(), UTC)


@dataclass
class Request:
    """An erasure that somebody asked for. ``ids``: None until that is told or seen to be so."""

    scope: Scope
    asked: datetime
    ids: tuple[UUID, ...] | None = None
    refused: bool = False  # it was seen that nothing has come of it
    cutoff: datetime | None = None

    def covers(self, fact: Fact) -> bool:
        """Whether the record is of its scope, and old enough."""
        if fact.id.minted > (self.cutoff or datetime.max.replace(tzinfo=UTC)):
            return False
        wanted = self.scope.value
        return any(
            {
                "record": str(one.id) == wanted,
                "subject": one.subject == wanted,
                "group": one.group == wanted,
            }.get(self.scope.kind, True)
            for one in fact.family()
        )


@dataclass
class Holding:
    """A hold on all of somebody. ``id``: None until that is told or seen to be so.

    ``kept``: what it must keep, because nothing had begun to go when it was known to be in force.
    """

    subject: str
    id: UUID | None = None
    kept: list[Fact] = field(default_factory=list)

    def covers(self, fact: Fact) -> bool:
        """Whether it is about whom the record is about."""
        return any(one.subject == self.subject for one in fact.family())
