"""Bodies that are packs of their own: streamed to every backend in constant memory."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from storage.catalog import objects
from storage.crypto.record import associated, fingerprint, wrap_key
from storage.crypto.stream import Sealer
from storage.errors import Abandoned, DomicileError, InvalidRequest, StreamFailed, Unavailable
from storage.objects.keyring import KeyRing
from storage.objects.transfer import MultiUpload, Sent
from storage.packs.flush import Announced, announce, commit, give_up
from storage.packs.sealed import SealedRecord
from storage.region import OpenRegion

_PIECE = 1024 * 1024


def write_large(
    region: OpenRegion, keys: KeyRing, item: SealedRecord, chunks: Iterable[bytes]
) -> None:
    """Stream one record to its backends and resolve its item.

    If ``chunks`` raises, nothing is kept and the item fails with StreamFailed.
    """
    body = _Body(item, chunks)
    item.unread = body.drain
    pack = announce(region, keys, [item], patience=region.limits.stall)
    if pack is None:
        return
    fan = MultiUpload(region, pack.attempts, until=pack.new.deadline)
    try:
        sent = _send(region, pack, fan, body)
        if item.where.day is None:
            _make_file_key(keys, item)
    except BaseException as error:
        fan.abort()
        give_up(region, pack, error if isinstance(error, DomicileError) else StreamFailed())
        if isinstance(error, DomicileError):
            return
        raise
    item.size, item.length = body.size, body.length
    item.fingerprint = fingerprint(item.record_key, item.whole())
    commit(region, keys, pack, sent, body.sealed.digest())
    if item.where.day is None:
        _drop_unused_key(region, item)


def _make_file_key(keys: KeyRing, item: SealedRecord) -> None:
    """Last of all, so that hardly ever a key is left of a file that did not come to be."""
    where = item.where
    item.key_id, wrapping = keys.file_key(item.known.spec, where.keys_on, where.required)
    item.wrapped_key = wrap_key(wrapping, item.record_key)


def _drop_unused_key(region: OpenRegion, item: SealedRecord) -> None:
    """If the file is known not to be stored. What cannot be dropped now, the reaper finds."""
    failed = item.future.exception()
    if isinstance(failed, DomicileError) and failed.outcome == "not_stored":
        with suppress(Unavailable), region.catalog.begin() as connection:
            objects.mark_unused_keys(connection, region.clock.now(), [item.key_id])


def _send(region: OpenRegion, pack: Announced, fan: MultiUpload, body: "_Body") -> Sent:
    """Renews the pack's deadline as it goes, and stops when it has been given up meanwhile."""
    patience = region.limits.stall
    renew_at = pack.new.announced + timedelta(seconds=patience / 3)
    for sealed in body:
        now = region.clock.now()
        if now >= renew_at:
            fan.until = _renew(region, pack, region.deadline(now, patience))
            renew_at = now + timedelta(seconds=patience / 3)
        fan.write(sealed)
        fan.demand(pack.items[0].where.required)
    fan.until = _renew(region, pack, region.deadline(region.clock.now(), patience))
    sent = fan.finish()
    fan.demand(pack.items[0].where.required)
    return sent


def _renew(region: OpenRegion, pack: Announced, deadline: datetime) -> datetime:
    lands = max(region.lands_by(a.backend, deadline) for a in pack.attempts)
    with region.catalog.begin() as connection:
        kept = objects.renew(connection, pack.new.id, deadline, lands)
    if not kept:
        raise Abandoned(advice="Try again.")
    return deadline


class _Body:
    """The chunks of a stream, sealed, with what has to be known of the whole."""

    def __init__(self, item: SealedRecord, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)  # one iterator: `drain` goes on where the upload has ended
        self._sealer = Sealer(item.record_key, associated(item.id, item.tenant))
        self.plain = hashlib.sha256()
        self.sealed = hashlib.sha256()
        self.size = 0
        self.length = 0

    def drain(self) -> bytes:
        """Read what is left; the SHA-256 of the whole. Raises StreamFailed."""
        for chunk in self._given():
            self.plain.update(chunk)
        return self.plain.digest()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._given():
            for start in range(0, len(chunk), _PIECE):
                piece = chunk[start : start + _PIECE]
                self.plain.update(piece)
                self.size += len(piece)
                yield from self._out(self._sealer.update(piece))
        yield from self._out(self._sealer.finish())

    def _given(self) -> Iterator[bytes]:
        """The chunks; what goes wrong in making them is the caller's, and named so."""
        chunks = iter(self._chunks)
        while True:
            try:
                chunk = next(chunks, None)
            except Exception as error:
                raise StreamFailed(advice="Nothing is stored; try again.") from error
            if chunk is None:
                return
            yield chunk

    def _out(self, sealed: bytes) -> Iterator[bytes]:
        if sealed:
            self.sealed.update(sealed)
            self.length += len(sealed)
            yield sealed


def read_chunks(stream: object, size: int = _PIECE) -> Iterator[bytes]:
    """What a binary file or an iterable of bytes holds, as it is asked for.

    Raises InvalidRequest at once for other things, and on the way for chunks that are not bytes.
    """
    read = getattr(stream, "read", None)
    if callable(read):
        return _checked(iter(lambda: read(size), b""))
    if isinstance(stream, bytes | str) or not isinstance(stream, Iterable):
        raise InvalidRequest("Give a binary file, or an iterable of bytes.")
    return _checked(stream)


def _checked(chunks: Iterable[object]) -> Iterator[bytes]:
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise InvalidRequest(
                "The stream gives something else than bytes.", advice="Open files in binary mode."
            )
        yield chunk
