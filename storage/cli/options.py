"""Options and arguments that several commands share."""

import re
import sys
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Annotated

from typer import Argument, Option

from regions.fields import DIGEST
from storage.errors import InvalidRequest, WrongRegion
from storage.model import Scope
from storage.text import did_you_mean

STDIN = "-"


def one_of(values: Iterable[str]) -> str:
    """Return the values of an enum as a sentence, for a help text."""
    return f"One of: {', '.join(values)}."


AsJson = Annotated[bool, Option("--json", help="Print one JSON document.")]
TenantId = Annotated[str, Argument(metavar="TENANT", help="The tenant's id.", show_default=False)]
RecordText = Annotated[str, Argument(metavar="ID", help="The record's id.", show_default=False)]
Subject = Annotated[
    str | None, Option(metavar="NAME", help="The end user it is about. - reads stdin.")
]
Group = Annotated[
    str | None, Option(metavar="NAME", help="The conversation it belongs to. - reads stdin.")
]
Limit = Annotated[int, Option(metavar="N", min=1, max=1000, help="List at most N, up to 1000.")]
Pause = Annotated[
    float,
    Option(
        metavar="SECONDS",
        min=0.1,
        max=86_400,
        help="Seconds between a worker's rounds.",
    ),
]
OneRegion = Annotated[
    str | None, Option("--region", metavar="REGION", help="Only this region. Default: all.")
]


class StdinOption:
    """Options whose value ``-`` means: read it from stdin, to keep it out of the shell's history.

    Only one of them can read stdin.
    """

    def __init__(self) -> None:
        """Nothing has been read yet."""
        self._taken = False

    def read(self, value: str | None) -> str | None:
        """Return the value, or for ``-`` the first line of stdin. Raise InvalidRequest."""
        if value != STDIN:
            return value
        self.take()
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise InvalidRequest("stdin is empty.", advice="Pipe the value into the command.")
        return line

    def take(self) -> None:
        """Reserve stdin. Raise InvalidRequest if another option has it."""
        if self._taken:
            raise InvalidRequest(
                "Only one value can be read from stdin.", advice="Give - only once."
            )
        self._taken = True


def check_region(region: str, served: Collection[str]) -> None:
    """Raise WrongRegion unless this process serves the region."""
    if region not in served:
        advice = f"{did_you_mean(region, served)} It serves: {', '.join(served)}.".strip()
        raise WrongRegion("This process does not serve that region.", home=region, advice=advice)


def parse_date(text: str) -> date:
    """Return a date. Raise InvalidRequest."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("Invalid date.", advice="Give it as 2027-01-15.") from None


def check_digest(document: str) -> None:
    """Raise InvalidRequest unless it is a SHA-256 in hexadecimal digits."""
    if re.match(DIGEST, document) is None:
        raise InvalidRequest(
            "The document is not a SHA-256.", advice="Run sha256sum on it, and give the 64 digits."
        )


MintedFrom = Annotated[
    str | None,
    Option("--from", metavar="TIME", help="Only ids minted at or after TIME (UTC)."),
]
MintedTo = Annotated[
    str | None, Option("--to", metavar="TIME", help="Only ids minted before TIME (UTC).")
]


def parse_time(text: str | None) -> datetime | None:
    """Return a time, in UTC if it names no zone. Raise InvalidRequest."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("Invalid time.", advice="Give it as 2026-03-01T12:00.") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def parse_day_or_time(text: str | None) -> datetime | date | None:
    """Return a date if the text is one, or else a time as ``parse_time``. Raise InvalidRequest."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return parse_time(text)


def parse_scope(
    stdin: StdinOption,
    subject: str | None,
    group: str | None,
    record: str | None,
    *,
    everything: bool,
    account: str | None = None,
    region_wide: bool = False,
) -> Scope:
    """Return the scope that exactly one of the options names. Raise InvalidRequest."""
    subject, group = stdin.read(subject), stdin.read(group)
    scopes = [
        *([Scope.subject(subject)] if subject is not None else []),
        *([Scope.group(group)] if group is not None else []),
        *([Scope.record(record)] if record is not None else []),
        *([Scope.tenant()] if everything else []),
        *([Scope.account(account)] if account is not None else []),
        *([Scope.region()] if region_wide else []),
    ]
    if len(scopes) != 1:
        raise InvalidRequest(
            "Exactly one scope is needed.",
            advice="Give one of --subject, --group, --record and --all. See --help.",
        )
    return scopes[0]
