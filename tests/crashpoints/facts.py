"""What a trial knows of its records, erasures and holds: what a call returned or showed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from uuid import UUID

from storage.model import RecordId, Scope


@dataclass
class Fact:
    """A record that a process tried to store, and what is known of it.

    ``told``: None until a call returns or shows the outcome. ``sample``: of its ciphertext.
    ``written``: where a write was tried.
    """

    id: RecordId
    body: bytes = field(repr=False)
    subject: str | None
    group: str | None
    parents: tuple["Fact", ...] = ()
    told: bool | None = None
    sample: bytes = field(default=b"", repr=False)
    written: list[tuple[str, str]] = field(default_factory=list, repr=False)
    ended: datetime | None = None  # by a retention that was shortened

    def family(self) -> Iterator["Fact"]:
        """Yield the record and everything that it derives from."""
        yield self
        for parent in self.parents:
            yield from parent.family()

    @property
    def expires(self) -> datetime | None:
        """Return the end of its readability."""
        by_id = None if self.id.day is None else datetime.combine(self.id.day, time(), UTC)
        return min((end for end in (by_id, self.ended) if end is not None), default=None)


@dataclass
class Request:
    """A requested erasure. ``ids``: None until a call returns or shows them."""

    scope: Scope
    asked: datetime
    ids: tuple[UUID, ...] | None = None
    refused: bool = False  # it certainly has no effect
    scheduled: bool = False  # workers request it until it has
    cutoff: datetime | None = None

    def covers(self, fact: Fact) -> bool:
        """Return whether the erasure covers the record."""
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
    """A hold on a subject. ``id``: None until a call returns or shows it.

    ``kept``: what it must keep, because it was not being destroyed when the hold took effect.
    """

    subject: str
    id: UUID | None = None
    kept: list[Fact] = field(default_factory=list)

    def covers(self, fact: Fact) -> bool:
        """Return whether the hold covers the record."""
        return any(one.subject == self.subject for one in fact.family())
