"""Sum up who saw what, from the lines of a log."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

from storage.model import LineKind, LogLine, Looked, UnreadableLine
from storage.policy.lines import OfGrant, Opened, RefusedFor, Said, Who, read_line

_NAMED: Final = 100  # unreadable lines that a report names: anybody may add any number
_TICK: Final = timedelta(microseconds=1)


@dataclass
class _Sum:
    first: datetime
    last: datetime
    openings: int = 0
    records: set[str] = field(default_factory=set)
    logins: set[str] = field(default_factory=set)


@dataclass
class Summary:
    """What lines say so far. Its size grows with the grants and the records opened under them."""

    refused: Counter[str] = field(default_factory=Counter)
    requested: int = 0
    approved: set[str] = field(default_factory=set)
    revoked: int = 0
    forgotten: int = 0
    unreadable: int = 0
    unreadable_lines: list[UnreadableLine] = field(default_factory=list)
    _took: int = 0  # ticks: so many years as lines may say are no timedelta
    _timed: int = 0
    _sums: dict[Who, _Sum] = field(default_factory=dict)

    def add(self, lines: Iterable[LogLine]) -> None:
        """Add lines, oldest first."""
        for line in lines:
            if line.text is None:
                self.forgotten += 1
                continue
            said = read_line(line.kind, line.text)
            if said is None:
                self._unreadable(line)
            else:
                self._add(line, said)

    def _unreadable(self, line: LogLine) -> None:
        self.unreadable += 1
        if len(self.unreadable_lines) < _NAMED:
            self.unreadable_lines.append(UnreadableLine(line.id, line.number, line.login))

    def _add(self, line: LogLine, said: Said) -> None:
        match said.counts:
            case Opened():
                self._opening(line, said.counts)
            case RefusedFor(reasons):
                for reason in reasons:
                    self.refused[reason] += 1
            case OfGrant():
                self._of_grant(line, said.counts)
            case None:
                return

    def looked(self) -> tuple[Looked, ...]:
        """Return what was opened, by actor, tenant, purpose and grant."""
        found = [
            Looked(
                **asdict(who),
                openings=one.openings,
                records=len(one.records),
                first=one.first,
                last=one.last,
                logins=tuple(sorted(one.logins)),
            )
            for who, one in self._sums.items()
        ]
        return tuple(sorted(found, key=lambda one: (one.first, one.actor, one.tenant)))

    @property
    def mean_to_revoke(self) -> timedelta | None:
        """The mean time from the last approval of a grant to its revocation."""
        return self._took // self._timed * _TICK if self._timed else None

    def _opening(self, line: LogLine, said: Opened) -> None:
        one = self._sums.setdefault(said.who, _Sum(line.at, line.at))
        one.openings += 1
        one.records.add(said.record)
        one.logins |= {line.login} if line.login is not None else set()
        one.last = line.at

    def _of_grant(self, line: LogLine, said: OfGrant) -> None:
        match line.kind:
            case LineKind.GRANT_REQUESTED:
                self.requested += 1
            case LineKind.GRANT_APPROVED:
                self.approved.add(said.grant)
            case _:
                self._revoked(line.at, said.approved_at)

    def _revoked(self, at: datetime, approved: datetime | None) -> None:
        self.revoked += 1
        if approved is not None:  # the clocks of two processes may differ: never less than nothing
            self._took += max(at - approved, timedelta()) // _TICK
            self._timed += 1
