"""The backend: the port in terms of S3 requests."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import timedelta
from heapq import merge
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID

from storage.backends import marker
from storage.backends.keys import checked, is_empty
from storage.backends.probing import CONTROL, exercise, purged
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.failures import ABSENT, refusal
from storage.backends.s3.listing import objects, uploads, versions
from storage.backends.s3.object_locks import read_lock, set_legal_hold
from storage.backends.s3.posture import read_posture
from storage.backends.s3.ranged import read
from storage.backends.s3.upload import S3Upload, abort, begin, put
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.model import Posture
from storage.ports import ItemKind, ObjectLock, StoredItem

Attested = Literal["versions", "uploads"]

_LISTED: dict[Attested, set[ItemKind]] = {
    "versions": {ItemKind.VERSION, ItemKind.MARKER},
    "uploads": {ItemKind.UPLOAD},
}
_MOST_DELETES = 1000
_LARGEST = 64 * 1024 * 1024  # bytes of an object that is read as a whole, or skipped to a range


class S3Backend:
    """A bucket as a backend.

    ``attested_off`` names features that the server cannot list: they are not listed, and not in
    ``listable``. If the server refuses a listing that is not attested off, the error is raised.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        attested_off: AbstractSet[Attested] = frozenset(),
        longest_request: timedelta = timedelta(minutes=16),
    ) -> None:
        self.name = bucket.backend
        self.longest_request = longest_request
        listed = [_LISTED[what] for what in _LISTED.keys() - attested_off]
        self.listable = frozenset({ItemKind.OBJECT}.union(*listed))
        self._bucket = bucket

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        put(self._bucket, checked(key), data, timeout=timeout)

    def upload(self, key: str, *, timeout: float) -> S3Upload:
        return S3Upload(self._bucket, checked(key), timeout)

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        key = checked(key)
        if is_empty(start, stop):
            return b""
        most = _LARGEST if stop is None else stop - start
        return self._bucket.ask(
            lambda s3: read(s3, self._bucket.name, key, start, stop, version=version, most=most),
            timeout=timeout,
            longest=most + _LARGEST,
        )

    def preserve(self, key: str) -> None:
        if self._bucket.has_locks():
            self._bucket.ask(lambda s3: set_legal_hold(s3, self._bucket.name, checked(key), "ON"))

    def release(self, key: str) -> None:
        if not self._bucket.has_locks():
            return
        for item in [item for item in self._stored(checked(key)) if item.key == key]:
            if item.kind is ItemKind.MARKER:
                continue
            with suppress(KeyAbsent):
                self._bucket.ask(
                    lambda s3, of=item.handle: set_legal_hold(  # type: ignore[misc]
                        s3, self._bucket.name, key, "OFF", of
                    )
                )

    def find_lock(self, key: str) -> ObjectLock | None:
        if not self._bucket.has_locks():
            return None
        found = [item for item in self._stored(checked(key)) if item.key == key]
        return read_lock(self._bucket, found)

    def purge(self, key: str) -> None:
        refused: list[BackendError] = []
        # Uploads first: one that is being completed is found among the versions afterwards.
        for item in [item for item in self._uploads(checked(key)) if item.key == key]:
            try:
                abort(self._bucket, key, item.handle or "")
            except BackendForbidden as error:
                refused.append(error)
        refused += self._delete([item for item in self._stored(key) if item.key == key])
        if refused:
            worst = next((e for e in refused if isinstance(e, BackendForbidden)), refused[0])
            message = f"{len(refused)} items of a key could not be removed"
            raise PurgeIncomplete(self.name, message) from worst

    def list_key(self, key: str) -> list[StoredItem]:
        found = [*self._uploads(checked(key)), *self._stored(key)]
        return [item for item in found if item.key == key]

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        found = merge(
            self._uploads(prefix, after), self._stored(prefix, after), key=attrgetter("key")
        )
        # some servers include ``after``
        return (item for item in found if item.key > after and item.key != marker.NAME)

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        kinds, left = {ItemKind.OBJECT}, self._bucket.countdown(timeout)
        version = put(self._bucket, checked(key), CONTROL, timeout=left())
        if version not in (None, "null") and ItemKind.VERSION in self.listable:
            kinds |= {ItemKind.VERSION, ItemKind.MARKER}
            self._bucket.write(
                lambda s3, _: s3.delete_object(Bucket=self._bucket.name, Key=key), timeout=left()
            )
            put(self._bucket, key, CONTROL, timeout=left())
        if ItemKind.UPLOAD in self.listable:
            kinds.add(ItemKind.UPLOAD)
            begin(self._bucket, key, timeout=left())
        return frozenset(kinds)

    def probe(self, key: str) -> None:
        self._bucket.check_place()
        exercise(self, key, timeout=self._bucket.timeout)
        if self._bucket.has_locks():
            self.put(key, b"A canary of Domicile.", timeout=self._bucket.timeout)
            self.preserve(key)
            self.release(key)
            purged(self, key)
        if ItemKind.UPLOAD not in self.listable:
            return
        begin(self._bucket, key, timeout=self._bucket.timeout)
        if not self.list_key(key):
            raise BackendUnavailable(
                self.name,
                "it does not list an unfinished upload.",
                advice="If it keeps none, attest that: attested_off.",
            )
        purged(self, key)

    def identity(self, *, timeout: float) -> UUID | None:
        name, most = self._bucket.name, marker.LONGEST
        try:
            found = self._bucket.ask(
                lambda s3: read(s3, name, marker.NAME, 0, None, most=most),
                timeout=self._bucket.in_place(timeout),
            )
        except KeyAbsent:
            return None
        return marker.read(self.name, found)

    def expect(self, identity: UUID) -> None:
        """Do nothing: no response says which bucket of that name it is about."""

    def identify(self, identity: UUID, *, timeout: float) -> None:
        put(self._bucket, marker.NAME, marker.text(self.name, identity), timeout=timeout)

    def posture(self, *, timeout: float) -> Posture:
        return read_posture(
            self._bucket,
            sees_versions=ItemKind.VERSION in self.listable,
            crosses_network=not self._bucket.is_local,
            timeout=timeout,
        )

    def close(self) -> None:
        self._bucket.close()

    def _stored(self, prefix: str, after: str = "") -> Iterator[StoredItem]:
        listed = versions if ItemKind.VERSION in self.listable else objects
        return listed(self._bucket, prefix, after)

    def _uploads(self, prefix: str, after: str = "") -> Iterator[StoredItem]:
        seen = ItemKind.UPLOAD in self.listable
        return uploads(self._bucket, prefix, after) if seen else iter(())

    def _delete(self, found: list[StoredItem]) -> list[BackendError]:
        """Delete by version; return what was refused, which a response of status 200 contains."""
        refused: list[BackendError] = []
        for first in range(0, len(found), _MOST_DELETES):
            chunk: Any = [
                {"Key": t.key, "VersionId": t.handle} if t.handle else {"Key": t.key}
                for t in found[first : first + _MOST_DELETES]
            ]
            answer = self._bucket.ask(
                lambda s3, chunk=chunk: s3.delete_objects(  # type: ignore[misc]
                    Bucket=self._bucket.name, Delete={"Objects": chunk, "Quiet": True}
                )
            )
            codes = [str(error.get("Code")) for error in answer.get("Errors", ())]
            refused += [refusal(self.name, code) for code in codes if code not in ABSENT]
        return refused
