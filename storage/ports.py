"""What the rest of Domicile asks of the outside world. Ask for the smallest port that will do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID


class Clock(Protocol):
    """Time, as the region's database sees it. A process's own clock may be wrong."""

    @property
    def error(self) -> timedelta:
        """How far ``now`` may be from the database's clock, either way."""
        ...

    def now(self) -> datetime:
        """The time in UTC."""
        ...

    def skew(self) -> timedelta:
        """How far the machine's own clock is from it, either way: one of the two may be wrong."""
        ...


class ItemKind(StrEnum):
    """What can be left of a key on a backend."""

    OBJECT = "object"  # readable under its key
    VERSION = "version"  # readable by its version only
    MARKER = "marker"  # a delete marker
    UPLOAD = "upload"  # an unfinished multipart upload
    TEMPORARY = "temporary"  # an unfinished file


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One thing that a backend holds. ``handle`` names a version or an upload of ``key``."""

    key: str
    kind: ItemKind
    size: int
    handle: str | None = None


class Upload(Protocol):
    """A body on its way to a backend. Nothing is readable before ``finish``.

    Leaving the context without ``finish`` aborts. An abort that fails raises: what is left then is
    for ``Backend.purge`` of the same key.
    """

    def write(self, data: bytes) -> None:
        """Send the next bytes. They may be buffered, up to 16 MiB."""
        ...

    def finish(self) -> None:
        """Make the whole readable, durably. Raises BackendError; BackendTimeout if unknown."""
        ...

    def abort(self) -> None:
        """Take back what was sent."""
        ...

    def __enter__(self) -> Self:
        """The upload itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Abort, unless finished."""
        ...


class Reader(Protocol):
    """A place to read objects from."""

    @property
    def name(self) -> str:
        """The backend's name in the topology."""
        ...

    def get(
        self, key: str, start: int = 0, stop: int | None = None, *, version: str | None = None
    ) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive; None: the end) of an object, in one request.

        Raises KeyAbsent if there is none, BackendError otherwise. A range past the end gives what
        there is, which may be nothing; a reader checks what it got.
        """
        ...


class Backend(Reader, Protocol):
    """One place that stores bytes under keys.

    Keys are ASCII, ``/`` separates, and a key is written once: a second ``put`` of the same key may
    replace it or add a version, and nobody relies on which. Methods are safe to call from many
    threads. Errors are BackendError; no method retries a write by itself.
    """

    @property
    def listable(self) -> frozenset[ItemKind]:
        """The kinds of trace that it can list. Of the others nothing can be *seen* absent."""
        ...

    @property
    def longest_request(self) -> timedelta:
        """How long after its deadline an abandoned write may still take effect."""
        ...

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        """Store an object durably, in one attempt of at most ``timeout`` seconds.

        ``urgent``: deletion needs it; it may use the room that is kept for that.
        Raises BackendTimeout if the answer is unknown; BackendFull, BackendForbidden,
        BackendMisplaced or BackendUnavailable if it is known to have failed.
        """
        ...

    def upload(self, key: str, *, timeout: float) -> Upload:
        """Begin to store an object whose size is not known. ``timeout`` is for each request."""
        ...

    def purge(self, key: str) -> None:
        """Remove every version, marker, upload and temporary file of exactly this key.

        What is absent already is not an error. Raises PurgeIncomplete if the backend refused any
        part, BackendError if it did not answer. A normal return is no proof: ask ``traces``.
        """
        ...

    def preserve(self, key: str) -> None:
        """Have the place itself refuse to delete this object until ``release``, if it can.

        Where it has object locks that is a legal hold, never a retention: that could not be taken
        back. Elsewhere nothing happens. Raises KeyAbsent if there is no such object, where that is
        noticed, and BackendError.
        """
        ...

    def release(self, key: str) -> None:
        """Undo ``preserve``, for every version of exactly this key. What is absent is no error."""
        ...

    def list_key(self, key: str) -> list[StoredItem]:
        """Everything that is left of exactly this key, of the kinds that the backend sees."""
        ...

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        """Everything under a prefix, keys ascending as bytes, any number, in constant memory.

        ``after``: only keys that come after this one, without reading those before it.
        """
        ...

    def probe(self, key: str) -> None:
        """Check the place, and each right that storing and deleting need by using it on ``key``.

        The caller has announced the key in the catalog, and purges it when this raises
        BackendMisplaced, BackendForbidden, BackendFull or BackendUnavailable half way.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A processor's word that a copy is gone: since when, and the SHA-256 of what it signed."""

    deleted_at: datetime
    digest: bytes


class Connector(Protocol):
    """The way to a processor: a sub-processor that is given copies, and deletes them when asked.

    A copy has an id that says nothing, and is delivered once. Methods are safe to call from many
    threads, take a bounded time, and repeat nothing by themselves. Errors are ProcessorError; none
    shows what was sent or answered.
    """

    @property
    def name(self) -> str:
        """The processor's name in the topology."""
        ...

    @property
    def longest_request(self) -> timedelta:
        """How long after its deadline an abandoned delivery may still be carried out."""
        ...

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        """Hand over a copy, in one attempt of at most ``timeout`` seconds.

        The caller has announced it in the catalog. Raises ProcessorTimeout if the answer is
        unknown. After any other error, too, the copy may be there.
        """
        ...

    def request_deletion(self, copy: UUID) -> None:
        """Ask that the copy be deleted. To ask again, or for one that never came, is no error."""
        ...

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        """The processor's word that it has deleted exactly this copy; None if it has not yet.

        Raises AcknowledgementInvalid if the answer is signed with another key, or speaks of another
        copy or processor.
        """
        ...


class RootKeys(Protocol):
    """Wraps day keys. The only secrets that live outside catalog and backends."""

    @property
    def current(self) -> int:
        """The version that wraps new keys."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Seal a 32-byte key for ``context`` under the current version, which the result names."""
        ...

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        """Open it again. Raises KeyUnavailable if the version is absent or the seal is broken."""
        ...

    def pseudonym_keys(self) -> dict[int, bytes]:
        """The keys that turn names into pseudonyms, by version; the highest is for new ones."""
        ...
