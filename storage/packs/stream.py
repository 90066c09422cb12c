"""Bodies that are packs of their own: streamed to every backend in constant memory."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from storage.catalog import reaping
from storage.crypto.record import associated, fingerprint
from storage.crypto.stream import Sealer
from storage.errors import DomicileError, InvalidRequest, StreamFailed, Unavailable
from storage.objects.keyring import KeyRing
from storage.objects.transfer import Sent
from storage.packs.flush import Pack, SentPack, abandon, announce, commit
from storage.packs.placing import misplaced
from storage.packs.sealed import SealedRecord
from storage.region import OpenRegion

_PIECE = 1024 * 1024


def write_large(
    region: OpenRegion, keys: KeyRing, record: SealedRecord, chunks: Iterable[bytes]
) -> None:
    """Stream one record to its backends and answer its caller.

    If ``chunks`` raises, nothing is stored and the answer is StreamFailed.
    """
    body = _Body(record, chunks)
    record.unread = body.drain
    announced = announce(region, keys, [[record]], lasts=region.limits.stall)
    if not announced:
        return
    (pack,) = announced
    try:
        sent = _send(region, pack, body)
        if record.lane.day is None:
            _make_file_key(keys, record)
    except BaseException as error:
        abandon(pack, error if isinstance(error, DomicileError) else StreamFailed())
        if isinstance(error, DomicileError):
            return
        raise
    record.size, record.length = body.size, body.length
    record.fingerprint = fingerprint(record.record_key, record.whole())
    commit(region, keys, [SentPack(pack, sent, body.sealed.digest())])
    if record.lane.day is None:
        _release_unused_key(region, record)


def _make_file_key(keys: KeyRing, record: SealedRecord) -> None:
    """Make the key last, so that a failed upload rarely leaves one behind."""
    lane = record.lane
    record.key_id, record.wrapped_key = keys.wrap_for_file(
        record.record_key, record.terms, lane.keys_on, lane.required
    )


def _release_unused_key(region: OpenRegion, record: SealedRecord) -> None:
    """Mark the key for purge if the file is known not to be stored. Otherwise the reaper does."""
    failed = record.answer.exception()
    if isinstance(failed, DomicileError) and failed.outcome == "not_stored":
        with suppress(Unavailable), region.catalog.begin() as connection:
            reaping.mark_unused_key(connection, record.key_id, region.clock.now())


def _send(region: OpenRegion, pack: Pack, body: "_Body") -> Sent:
    required = pack.batch[0].lane.required
    with pack.write.upload() as upload:
        for sealed in body:
            _check_placement(region, pack)
            pack.write.renew()
            upload.write(sealed)
            upload.require(required)
        pack.write.renew(force=True)  # the file key and the commit come after this
        sent = pack.write.finish(upload)
    sent.require(required)
    return sent


def _check_placement(region: OpenRegion, pack: Pack) -> None:
    """Raise if a day has begun on which the body may not go on to its backends."""
    (record,) = pack.batch
    refusal = misplaced(region, record, region.clock.now().date())
    if refusal is not None:
        raise refusal


class _Body:
    """The chunks of a stream, sealed, with the size and digest of the whole."""

    def __init__(self, record: SealedRecord, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)  # one iterator: ``drain`` continues where the upload ended
        self._sealer = Sealer(record.record_key, associated(record.id, record.tenant))
        self.plain = hashlib.sha256()
        self.sealed = hashlib.sha256()
        self.size = 0
        self.length = 0

    def drain(self) -> bytes:
        """Read the rest and return the SHA-256 of the whole body. Raises StreamFailed."""
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
        """Yield the chunks. An error of the caller's iterable becomes StreamFailed."""
        while True:
            try:
                chunk = next(self._chunks, None)
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
    """Read a binary file or an iterable of bytes, on demand.

    Raises InvalidRequest at once for other types, and later for a chunk that is not bytes.
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
                "The stream returned a chunk that is not bytes.",
                advice="Open files in binary mode.",
            )
        yield chunk
