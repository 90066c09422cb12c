"""The ports: what Domicile needs from the outside world. Depend on the smallest that suffices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from storage.model import Posture, StaffPermit


class Clock(Protocol):
    """The time of the region's database. The clock of a process may be wrong."""

    @property
    def error(self) -> timedelta:
        """The largest difference between ``now`` and the database's clock, in either direction."""
        ...

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def ask(self) -> datetime:
        """Return what the database's clock shows during the call, in UTC."""
        ...

    def skew(self) -> timedelta:
        """Return the difference between the clock of this machine and that of the database."""
        ...


class ItemKind(StrEnum):
    """What a backend can store under a key."""

    OBJECT = "object"  # readable under its key
    VERSION = "version"  # readable by its version only
    MARKER = "marker"  # a delete marker
    UPLOAD = "upload"  # an unfinished multipart upload
    TEMPORARY = "temporary"  # an unfinished file


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item that a backend lists. ``handle`` is the id of a version or upload of ``key``."""

    key: str
    kind: ItemKind
    size: int
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """What keeps an item from deletion: an object lock of the backend.

    ``until``: the end of the longest retention period (None: there is none). ``held``: whether
    there is a legal hold, which has no end.
    """

    until: datetime | None
    held: bool


class Upload(Protocol):
    """An upload of unknown size. Nothing is readable before ``finish``.

    Leaving the context without ``finish`` aborts the upload. If the abort fails it raises;
    ``Backend.purge`` of the same key then removes what is left.
    """

    def write(self, data: bytes) -> None:
        """Send the next bytes. The upload may buffer up to 16 MiB."""
        ...

    def finish(self) -> None:
        """Make the object readable, durably. Raises BackendError; BackendTimeout if unknown."""
        ...

    def abort(self) -> None:
        """Remove what was sent."""
        ...

    def __enter__(self) -> Self:
        """Return the upload."""
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
    """Reads objects."""

    @property
    def name(self) -> str:
        """The backend's name in the topology."""
        ...

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Return bytes ``start`` to ``stop`` (exclusive; None: the end), in one request.

        ``version`` is the handle of a version (None: the current one). A range past the end returns
        the bytes that exist, possibly none; the caller checks the length. ``timeout``: seconds for
        the whole call, of a backend that is a server (None: its own limit). Raises KeyAbsent if
        there is no object, BackendError for other failures.
        """
        ...


class Backend(Reader, Protocol):
    """Stores bytes under keys, in one location.

    Keys are ASCII with ``/`` as separator, and are written once: a second ``put`` of the same key
    may replace the object or add a version. Methods are safe to call from many threads. Errors are
    BackendError. No method repeats a write by itself.
    """

    @property
    def listable(self) -> frozenset[ItemKind]:
        """The kinds of item that it can list. A receipt never says of other kinds: seen absent."""
        ...

    @property
    def longest_request(self) -> timedelta:
        """How long after its deadline an abandoned write may still take effect."""
        ...

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        """Store an object durably, in one attempt of at most ``timeout`` seconds.

        ``urgent`` writes may use the room that is reserved for deletion. Raises BackendTimeout if
        the outcome is unknown; BackendFull, BackendForbidden, BackendMisplaced or
        BackendUnavailable if the write is known to have failed.
        """
        ...

    def upload(self, key: str, *, timeout: float) -> Upload:
        """Begin to store an object of unknown size. ``timeout`` (seconds) is for each request."""
        ...

    def purge(self, key: str) -> None:
        """Remove every version, marker, upload and temporary file of exactly this key.

        An absent key is not an error. Raises PurgeIncomplete if the backend refused to remove a
        part, BackendError if it did not respond. A normal return does not prove that the key is
        absent: call ``list_key``.
        """
        ...

    def preserve(self, key: str) -> None:
        """Lock this object against deletion until ``release``, if the backend has object locks.

        The lock is a legal hold, never a retention period, which could not be undone. Without
        object locks the call does nothing. Raises BackendError; KeyAbsent if a backend with locks
        has no such object.
        """
        ...

    def release(self, key: str) -> None:
        """Undo ``preserve`` for every version of exactly this key, if it exists."""
        ...

    def find_lock(self, key: str) -> ObjectLock | None:
        """Return what keeps items of exactly this key from deletion, whoever locked them.

        None: there is no lock, or the backend does not say. It looks at a few items. Raises
        BackendError.
        """
        ...

    def list_key(self, key: str) -> list[StoredItem]:
        """Return every item under exactly this key, of the kinds in ``listable``."""
        ...

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        """Yield every item under a prefix, keys ascending as bytes, in constant memory.

        ``after`` skips keys up to this one, without reading them.
        """
        ...

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        """Leave an item of every kind that this backend can have under a new key.

        A control for listings: ``list_key`` must show the returned kinds until ``purge``.
        ``timeout``: seconds for the whole call, after which it sends nothing. The
        caller has announced the key in the catalog. A backend with little room takes it, as it
        takes an urgent write. Raises what ``put`` raises.
        """
        ...

    def probe(self, key: str) -> None:
        """Check the location, and use each right that storing and deleting need, on ``key``.

        The caller has announced the key in the catalog. It purges the key if this raises
        BackendMisplaced, BackendForbidden, BackendFull or BackendUnavailable.
        """
        ...

    def identity(self, *, timeout: float) -> UUID | None:
        """Return the identity that its storage (directory or bucket) was given. None: none yet.

        It lies in the storage, apart from all keys: no listing shows it, and no purge takes it.
        ``timeout``: seconds for the whole call. Raises BackendMisplaced if the storage is that of
        another backend, BackendError if it does not answer.
        """
        ...

    def expect(self, identity: UUID) -> None:
        """From now on raise BackendReplaced for other storage, in every call that can tell.

        A directory can: each call opens it, and reads its marker there. A server cannot.
        """
        ...

    def identify(self, identity: UUID, *, timeout: float) -> None:
        """Give the storage its identity. Raises what ``put`` raises; safe to repeat."""
        ...

    def posture(self, *, timeout: float) -> Posture:
        """Read what the backend does with its objects, and who may reach them, apart from us.

        ``timeout``: seconds for the whole call. Raises BackendError if the server does not answer;
        a question that it refuses is ``unreadable``.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A processor's confirmation that a copy is gone, with the SHA-256 of what it signed."""

    deleted_at: datetime
    digest: bytes


class Connector(Protocol):
    """Connects to a processor: a sub-processor that receives copies, and deletes them on request.

    The id of a copy is opaque, and a copy is delivered once. Methods are safe to call from many
    threads, take a bounded time, and repeat nothing by themselves. Errors are ProcessorError; none
    shows what was sent or received.
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
        """Deliver a copy, in one attempt of at most ``timeout`` seconds.

        The caller has announced it in the catalog. Raises ProcessorTimeout if the outcome is
        unknown. The copy may have arrived after any error.
        """
        ...

    def request_deletion(self, copy: UUID) -> None:
        """Request the deletion of a copy. Succeeds for a repeated request and an absent copy."""
        ...

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        """Return the confirmation that exactly this copy is deleted; None if it is not yet.

        Raises AcknowledgementInvalid if the confirmation is signed with another key, or is about
        another copy or processor.
        """
        ...


class Witness(Protocol):
    """Watches that a log only grows, and cosigns its checkpoints.

    It gets the name of the log, sizes and hashes, and nothing else. Methods are safe to call from
    many threads, take a bounded time, and repeat nothing by themselves.
    """

    @property
    def name(self) -> str:
        """The witness's name in the topology."""
        ...

    @property
    def required(self) -> bool:
        """Whether staff sees no plaintext before it has cosigned."""
        ...

    def cosign(self, old_size: int, proof: Sequence[bytes], checkpoint: str) -> str:
        """Return the witness's cosignature of a signed checkpoint, as the line below the note.

        ``proof`` is the consistency path from ``old_size``, which is the size that the witness
        cosigned last, or 0. The cosignature is verified. Raises WitnessBehind with the size from
        which the witness wants the proof, WitnessAhead if it has cosigned a later checkpoint,
        CosignatureInvalid if it lies, another WitnessError if it does not cosign.
        """
        ...


class RootKeys(Protocol):
    """Wraps day keys. Root keys are the only secrets outside the catalog and the backends."""

    @property
    def current(self) -> int:
        """The version that wraps new keys."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a 32-byte key for ``context`` under the current version, which the result names."""
        ...

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        """Unwrap a key. Raises KeyUnavailable if the version is absent or the tag is wrong."""
        ...


class KeyService(RootKeys, Protocol):
    """Holds the root keys of a region, and unwraps for a person the key of one record alone.

    ``unwrap`` is for what a service does itself: write, and open for the purposes of the tenant's
    own service. It raises PurposeRefused for a hold key, which leaves the key service never, and so
    does ``wrap``: a hold key that somebody knows protects nothing.

    Safe to call from many threads. Every call takes a bounded time, and raises Unavailable if the
    key service does not answer; then nothing was opened.
    """

    def approvers(self) -> Mapping[str, bytes]:
        """Return the pinned public keys (Ed25519, 32 bytes each) of approvers, by actor."""
        ...

    def create(self, context: bytes) -> bytes:
        """Make a key, and return it wrapped for ``context``. It leaves in no other form."""
        ...

    def unwrap_record(self, sealed: bytes, permit: StaffPermit) -> bytes:
        """Unwrap the key of the record that the permit names, once.

        ``sealed`` is the key object that wraps it, as its backend returns it: the key in it stays
        inside. Which object that is and the wrapped record key are read from the catalog. Raises
        PurposeRefused with a reason code for each thing that is wrong, KeyUnavailable if ``sealed``
        is not that object, or was not wrapped by a root key.
        """
        ...

    def rewrap(
        self,
        sealed: bytes,
        context: bytes,
        wrapped: Sequence[bytes],
        target: bytes,
        target_context: bytes,
    ) -> list[bytes]:
        """Return record keys that one key wraps, wrapped by another. No plain key leaves.

        ``sealed`` is the first key and ``target`` the second. Raises KeyUnavailable if a root key
        wrapped either of them for no such context, or if the first key did not wrap a record key.
        """
        ...
