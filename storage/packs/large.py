"""Bodies that are packs of their own: streamed to every backend in constant memory."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from storage.catalog import objects
from storage.crypto.record import associated, fingerprint, wrap_key
from storage.crypto.stream import Sealer
from storage.errors import Abandoned, DomicileError, InvalidRequest, StreamFailed, TooFewReplicas
from storage.packs.flush import Announced, announce, commit, give_up
from storage.packs.item import Item
from storage.packs.keyring import KeyRing
from storage.region import OpenRegion
from storage.packs.transfer import Fan

_PIECE = 1024 * 1024


def write_large(region: OpenRegion, keys: KeyRing, item: Item, chunks: Iterable[bytes]) -> None:
    """Stream one record to its backends and resolve its item.

    If ``chunks`` raises, nothing is kept and the item fails with StreamFailed.
    """
    body = _Body(item, chunks)
    item.unread = body.drain
    pack = announce(region, keys, [item], patience=region.limits.stall)
    if pack is None:
        return
    fan = Fan(region, pack.attempts)
    try:
        _send(region, pack, fan, body)
        sent = fan.finish()
        if len(sent.stored) < item.where.required:
            raise TooFewReplicas(sent.causes)
        if item.where.day is None:
            _make_file_key(keys, item)
    except BaseException as error:
        fan.abort()
        give_up(region, pack, error if isinstance(error, DomicileError) else _failed(error))
        if not isinstance(error, Exception):
            raise
        return
    item.size, item.length = body.size, body.length
    item.fingerprint = fingerprint(item.record_key, item.whole())
    commit(region, keys, pack, sent, body.sealed.digest())
    if item.where.day is None and item.future.exception() is not None:
        with region.catalog.begin() as connection:
            objects.doom_unused_keys(connection, region.clock.now(), [item.key_id])


def _make_file_key(keys: KeyRing, item: Item) -> None:
    """Last of all, so that hardly ever a key is left of a file that did not come to be."""
    where = item.where
    item.key_id, wrapping = keys.file_key(item.known.spec, where.keys_on, where.required)
    item.wrapped_key = wrap_key(wrapping, item.record_key)


def _send(region: OpenRegion, pack: Announced, fan: Fan, body: "_Body") -> None:
    """Renews the pack's deadline as it goes, and stops when it has been given up meanwhile."""
    required = pack.items[0].where.required
    renew_at = pack.new.announced + (pack.new.deadline - pack.new.announced) / 3
    for sealed in body:
        now = region.clock.now()
        if now >= renew_at:
            deadline = region.deadline(now, region.limits.stall)
            _renew(region, pack, deadline)
            renew_at = now + (deadline - now) / 3
        fan.write(sealed)
        if fan.alive < required:
            raise TooFewReplicas({str(number): code for number, code in fan.failed.items()})
    _renew(region, pack, region.deadline(region.clock.now(), region.limits.stall))


def _renew(region: OpenRegion, pack: Announced, deadline: datetime) -> None:
    lands = max(region.lands_by(a.backend, deadline) for a in pack.attempts)
    with region.catalog.begin() as connection:
        kept = objects.renew(connection, pack.new.id, deadline, lands)
    if not kept:
        raise Abandoned(advice="Try again.")


class _Body:
    """The chunks of a stream, sealed, with what has to be known of the whole."""

    def __init__(self, item: Item, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._sealer = Sealer(item.record_key, associated(item.id, item.tenant))
        self.plain = hashlib.sha256()
        self.sealed = hashlib.sha256()
        self.size = 0
        self.length = 0

    def drain(self) -> bytes:
        """Read what is left; the SHA-256 of the whole. Raises StreamFailed."""
        try:
            for chunk in self._chunks:
                self.plain.update(chunk)
        except Exception as error:
            raise _failed(error) from error
        return self.plain.digest()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), _PIECE):
                piece = chunk[start : start + _PIECE]
                self.plain.update(piece)
                self.size += len(piece)
                yield from self._out(self._sealer.update(piece))
        yield from self._out(self._sealer.finish())

    def _out(self, sealed: bytes) -> Iterator[bytes]:
        if sealed:
            self.sealed.update(sealed)
            self.length += len(sealed)
            yield sealed


def _failed(error: BaseException) -> DomicileError:
    failed = StreamFailed("The stream ended with an error. Nothing is stored.")
    failed.__cause__ = error
    return failed


def read_chunks(stream: object, size: int = _PIECE) -> Iterator[bytes]:
    """What a binary file, or any iterable of bytes, holds. Raises InvalidRequest for anything else."""
    read = getattr(stream, "read", None)
    if read is None:
        if isinstance(stream, bytes | str) or not isinstance(stream, Iterable):
            raise InvalidRequest("Give a binary file, or an iterable of bytes.")
        yield from stream
        return
    while True:
        chunk = read(size)
        if not isinstance(chunk, bytes):
            raise InvalidRequest("The file gives text.", advice="Open it in binary mode.")
        if not chunk:
            return
        yield chunk
