"""``store.admin.log``: the transparency logs of the regions."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import log
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import as_uuid, check_limit
from storage.crypto.log import verifier
from storage.errors import InvalidRequest, NotFound
from storage.model import LineKind, LogLine, utc
from storage.transparency.exporting import write_files
from storage.transparency.files import files_of, published
from storage.transparency.proving import prove_line

_Known = tuple[ServedRegion, LogLine]


class Log:
    """The transparency logs of the regions that this process serves. Thread-safe.

    A log has a line for each event that a region has to answer for. Others can verify that it only
    grows, with the verifier key and any tool for C2SP logs.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.log`` instead."""
        self._homes = homes

    def lines(
        self,
        region: str,
        *,
        kind: LineKind | str | None = None,
        since: datetime | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[LogLine]:
        """Return lines of a region's log, oldest first, those included that wait for a checkpoint.

        ``kind`` and ``since`` narrow the list. At most ``limit`` (1 to 1000). To page, pass the
        last id as ``after``. Raises WrongRegion, and NaiveDatetime.
        """
        check_limit(limit)
        last = None if after is None else as_uuid(after, "a line of the log")
        with self._homes.served(region).region.catalog.begin() as connection:
            return log.page(
                connection,
                kind=None if kind is None else _kind(kind),
                since=None if since is None else utc(since),
                after=last,
                limit=limit,
            )

    def prove(self, line: UUID | str) -> bytes:
        """Return a proof that the log has a line (c2sp.org/tlog-proof), to be verified offline.

        The line's text and salt are its extra data: who gets the proof can read the line. Raises
        NotFound, Unavailable if no checkpoint holds the line yet, and InvalidRequest if the log no
        longer serves it.
        """
        wanted = as_uuid(line, "a line of the log")

        def ask(served: ServedRegion, connection: Connection) -> _Known | None:
            found = log.find(connection, wanted)
            return (served, found) if found is not None else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound(
                "No such line in the logs of the regions of this process.",
                advice="Check the id. See: domicile log show",
            )
        served, found = known
        return prove_line(served.region, found).encode()

    def export(self, region: str, directory: Path) -> int:
        """Copy a region's log into a directory, in the layout of c2sp.org/tlog-tiles.

        Only files that are not there yet are written; the result is their number. The directory can
        be served as it is. It has commitments and no texts. Raises WrongRegion, NotFound if nothing
        was published yet, and InvalidRequest if a file cannot be written.
        """
        opened = self._homes.served(region).region
        now = published(opened)
        if now is None:
            raise NotFound(
                f"The log of {region} has no checkpoint yet.",
                advice="A worker signs one in its next round. Then try again.",
            )
        try:
            return write_files(directory, files_of(opened, now))
        except OSError as error:
            raise InvalidRequest(f"A file cannot be written: {error.strerror}.") from error

    def keys(self, region: str) -> Sequence[str]:
        """Return the verifier keys of a region's log: the one that signs now, then former ones."""
        opened = self._homes.served(region).region
        return [str(verifier(region, key)) for key in opened.log_keys]


def _kind(kind: str) -> LineKind:
    try:
        return LineKind(kind)
    except ValueError as error:
        raise InvalidRequest(
            "There are no lines of that kind.", advice=f"Use one of: {', '.join(LineKind)}."
        ) from error
