"""A record that is open for reading, range by range."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from storage.client.validate import check_range
from storage.model import Purpose, Record, RecordInfo
from storage.packs.reader import Reader

CHUNK = 1024 * 1024


class OpenFile:
    """A record opened for ranges. Every read asks again whether it is still allowed.

    Reads raise NotFound, Erased, Expired, PurposeRefused, Unavailable, KeyUnavailable or Corrupt.
    """

    def __init__(self, reader: Reader, tenant: str, purpose: Purpose, found: Record) -> None:
        """Made by ``Tenant.open``."""
        self._reader, self._tenant, self._purpose = reader, tenant, purpose
        self.info: RecordInfo = found.info
        self.metadata: Mapping[str, object] = found.metadata

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.info.size

    def read_range(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive), or up to the end. Raises InvalidRequest too."""
        check_range(start, stop)
        return self._reader.read_range(self._tenant, self.info.id, self._purpose, start, stop)

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The whole, in pieces of ``size`` bytes, each read when it is asked for."""
        for start, stop in self.ranges(size):
            yield self.read_range(start, stop)

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """The ranges of which ``chunks`` consists. Raises InvalidRequest."""
        check_range(1, size)
        return ((start, start + size) for start in range(0, self.size, size))

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""
