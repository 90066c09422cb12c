"""Sum up who saw what, from the lines of a log."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from storage.model import LineKind, LogLine, Looked

_KEY = ("actor", "actor_kind", "employer", "location", "tenant", "purpose", "grant", "case")


@dataclass
class _Sum:
    openings: int = 0
    records: set[str] = field(default_factory=set)
    logins: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None


@dataclass
class Summary:
    """What lines say so far. Its size grows with the grants and the records opened under them."""

    refused: Counter[str] = field(default_factory=Counter)
    requested: int = 0
    approved: set[str] = field(default_factory=set)
    revoked: int = 0
    forgotten: int = 0
    unreadable: int = 0
    _took: list[timedelta] = field(default_factory=list)
    _sums: dict[tuple[Any, ...], _Sum] = field(default_factory=dict)

    def add(self, lines: Iterable[LogLine]) -> None:
        """Add lines, oldest first."""
        for line in lines:
            if line.text is None:
                self.forgotten += 1
                continue
            try:
                self._add(line, json.loads(line.text))
            except (KeyError, TypeError, ValueError):  # any login may append a line by raw SQL
                self.unreadable += 1

    def _add(self, line: LogLine, said: Mapping[str, Any]) -> None:
        match line.kind:
            case LineKind.OPENING:
                self._opening(line, said)
            case LineKind.REFUSAL:
                self.refused.update(said["reasons"] or [said["error"]])
            case LineKind.GRANT_REQUESTED:
                self.requested += 1
            case LineKind.GRANT_APPROVED:
                self.approved.add(said["grant"])
            case LineKind.GRANT_REVOKED:
                self._revoked(line.at, said)
            case _:
                return

    def looked(self) -> tuple[Looked, ...]:
        """Return what was opened, by actor, tenant, purpose and grant."""
        found = []
        for key, one in self._sums.items():
            assert one.first is not None
            assert one.last is not None
            said = dict(zip((*_KEY, "approved_by"), key, strict=True))
            found.append(
                Looked(
                    **said,
                    openings=one.openings,
                    records=len(one.records),
                    first=one.first,
                    last=one.last,
                    logins=tuple(sorted(one.logins)),
                )
            )
        return tuple(sorted(found, key=lambda one: (one.first, one.actor, one.tenant)))

    @property
    def mean_to_revoke(self) -> timedelta | None:
        """The mean time from the last approval of a grant to its revocation."""
        return sum(self._took, timedelta()) / len(self._took) if self._took else None

    def _opening(self, line: LogLine, said: Mapping[str, Any]) -> None:
        record = str(said["record"])
        who = (*(_text(said.get(name)) for name in _KEY), tuple(said.get("approved_by") or ()))
        one = self._sums.setdefault(who, _Sum())
        one.openings += 1
        one.records.add(record)
        one.logins |= {line.login} if line.login is not None else set()
        one.first, one.last = one.first or line.at, line.at

    def _revoked(self, at: datetime, said: Mapping[str, Any]) -> None:
        self.revoked += 1
        if said.get("approved_at"):
            self._took.append(at - datetime.fromisoformat(said["approved_at"]))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
