"""What commands share: their options, and opening the store that the settings name."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

from typer import Argument, Option

from storage.bootstrap import Dependencies, open_store
from storage.cli.progress import busy
from storage.client.store import Store
from storage.errors import InvalidRequest
from storage.logs import make_logger

AsJson = Annotated[bool, Option("--json", help="Print one JSON document.")]
TenantId = Annotated[str, Argument(metavar="TENANT", help="The tenant's id.")]
RecordText = Annotated[str, Argument(metavar="ID", help="The record's id.")]
Subject = Annotated[
    str | None, Option(help="The end user whom it is about; - reads it from stdin.")
]
Group = Annotated[str | None, Option(help="The conversation it belongs to; - reads it from stdin.")]
Limit = Annotated[int, Option(min=1, max=1000, help="The most to list.")]
OneRegion = Annotated[str | None, Option(help="Only this region.", metavar="NAME")]


@contextmanager
def opened(*, probing: bool = False) -> Iterator[Store]:
    """The store of the regions that this process serves. Its log goes to stderr.

    ``probing``: only if it has every right on every backend. Who looks, erases or purges must be
    able to do so just then when a right is missing on one of them.
    """
    log = make_logger()
    with ExitStack() as stack:
        with busy("Opening..."):
            store = stack.enter_context(
                open_store(dependencies=Dependencies(probing=probing), log=log)
            )
        yield store


class Given:
    """Values that an option gives, or stdin instead of it: arguments stay in a shell's history."""

    def __init__(self) -> None:
        """One line of stdin may be taken."""
        self._taken = False

    def text(self, value: str | None) -> str | None:
        """The value, or for ``-`` the first line of stdin. Raises InvalidRequest."""
        if value != "-":
            return value
        self.take()
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise InvalidRequest("Nothing came on stdin.")
        return line

    def take(self) -> None:
        """Claim stdin. Raises InvalidRequest if it is taken."""
        if self._taken:
            raise InvalidRequest("Only one of them can be read from stdin.")
        self._taken = True
