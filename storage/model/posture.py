"""The posture of a backend: what it does with its objects apart from us, and who may reach them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from regions.fields import PostureCheck
from storage.model.placement import PlacementReason


class PostureFinding(StrEnum):
    """The result of one check."""

    OK = "ok"
    BAD = "bad"
    UNREADABLE = "unreadable"  # the server refuses, or does not know, the question
    ATTESTED = "attested"  # unreadable, and a document says that it is off


Posture = Mapping[PostureCheck, PostureFinding]
"""The findings of a backend. Empty: it can do none of this."""


@dataclass(frozen=True, slots=True)
class PostureState:
    """What is known of a backend's posture.

    ``read``: when it was last read (None: never). ``findings``: those that are not ``ok``.
    ``closed``: why nothing new goes there; deletions and reads go on. ``ledger``: an operator has
    accepted it for sealed ledger entries all the same. ``attested_from``: from which day on a
    document attests what is unreadable, if that is a later day.
    """

    backend: str
    read: datetime | None = None
    findings: Posture = field(default_factory=dict)
    closed: PlacementReason | None = None
    ledger: bool = False
    attested_from: date | None = None

    def note(self) -> dict[str, object] | None:
        """Return what the evidence of an absence keeps of it. None: it was never read."""
        if self.read is None:
            return None
        findings = {check.value: found.value for check, found in self.findings.items()}
        return {"read": self.read.isoformat(), "findings": findings}
