"""The sequencer: one batch of lines after the other gets its place in the log.

1. Fix: the lines of the batch get their numbers, and its objects are announced.
2. Tiles, bundles and sealed texts are sent to the backends.
3. Sign: the root of the tree is noted with its signature, one for each size, ever.
4. Publish: the note is sent. No byte of it leaves the process before it is noted.

A process may die anywhere. The next one continues where the catalog says, with the same lines in
the same order, so it signs the same.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import checkpoints, log, stages
from storage.catalog.checkpoints import Range, SignedRoot
from storage.catalog.kinds import ObjectKind
from storage.crypto.log import origin, seal_openings, verifier
from storage.errors import Abandoned, LogInvalid, NoOpenBackend
from storage.model import LineKind, LogLine
from storage.objects.places import shared
from storage.objects.transfer import Sent, healthy_backends
from storage.objects.write import Contents, Done, Write, announce, announce_all, commit_all
from storage.policy import Stage
from storage.region import OpenRegion
from storage.tlog.checkpoints import Checkpoint, sign_checkpoint
from storage.tlog.commitments import SALT, Opening
from storage.tlog.notes import parse_note
from storage.tlog.tree import Edge, append, find_edge
from storage.transparency.packing import pack
from storage.transparency.reading import several

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SALT = bytes(SALT)
"""For a line that was forgotten before it was sealed: what is sealed does not open its entry."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint that was published just now, and the lines that it holds first."""

    root: SignedRoot
    lines: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class _Batch:
    """A fixed batch that follows a checkpoint, and the announced objects for it."""

    before: SignedRoot | None
    lines: Sequence[LogLine]
    tiles: Write
    texts: Write


@dataclass(frozen=True, slots=True)
class _Signed:
    """A checkpoint that is noted, and the announced object for it."""

    root: SignedRoot
    lines: Sequence[LogLine]
    write: Write


class Sequencer:
    """Seals the lines of one region in batches. For one thread at a time."""

    def __init__(self, region: OpenRegion) -> None:
        """Read nothing before it is needed."""
        self._region = region
        self._edge = Edge()

    @cached_property
    def _holder(self) -> UUID:
        """The name of this sequencer in the lease."""
        return UUID(bytes=self._region.entropy(16))

    def seal(self) -> Sealed | None:
        """Seal and publish a batch. None: no line waits that this process may seal now.

        Another process may be sealing, or have been quicker, or a restored catalog may have to
        catch up first. Raises NoOpenBackend or TooFewReplicas if too few backends take it: nothing
        is lost, and the next call continues.
        """
        region = self._region
        send_to = _targets(region)
        begun = region.catalog.run(lambda connection: self._begin(connection, send_to))
        if begun is None:
            return None
        try:
            signed = begun if isinstance(begun, _Signed) else self._sign(begun, send_to)
            self._publish(signed)
        except BaseException as error:
            with region.catalog.begin() as connection:
                checkpoints.end_lease(connection, self._holder)
            if isinstance(error, Abandoned):
                return None
            raise
        return Sealed(signed.root, frozenset(line.id for line in signed.lines))

    def _begin(self, connection: Connection, send_to: Sequence[str]) -> _Batch | _Signed | None:
        """Take the lease, fix the next batch and announce its objects."""
        region, now = self._region, self._region.clock.now()
        # as long as one PUT: whoever waits for a dead process waits that long
        until = region.deadline(now)
        if not checkpoints.take_lease(connection, self._holder, now, until):
            return None
        before = checkpoints.newest(connection, region.log_trust)
        size = before.size if before is not None else 0
        shown = checkpoints.published(connection, region.log_trust)
        if before is not None and (shown is None or shown.size < size):
            if stages.latest(connection) is Stage.RETIRING:  # then the log was purged
                checkpoints.end_lease(connection, self._holder)
                return None
            return _Signed(before, (), self._announce_note(connection, before, send_to))
        self._note_key(connection, before, now)
        if log.following(connection) < size:
            raise _lacking(region.name, size)
        log.number(connection, log.BATCH, size)
        lines = log.numbered(connection, size, log.BATCH)
        if not lines:
            checkpoints.end_lease(connection, self._holder)
            return None
        _check_follow(region.name, lines, size)
        kinds, end = (ObjectKind.LOG_TILES, ObjectKind.LOG_LINES), size + len(lines)
        tiles, texts = announce_all(
            region,
            connection,
            [(Contents(kind, number=end), shared(region)) for kind in kinds],
            send_to=send_to,
        )
        return _Batch(before, lines, tiles, texts)

    def _note_key(self, connection: Connection, before: SignedRoot | None, now: datetime) -> None:
        """Let the log say who signs from here on, if that is another key than before."""
        own = verifier(self._region.name, self._region.log_keys[0])
        if before is not None and _signer_of(before.note) == own.key_id:
            return
        if not log.any_waiting(connection):
            return
        event = UUID(bytes=hashlib.sha256(own.public).digest()[:16])
        line = log.line_of(event, LineKind.KEY_ROTATION, _EPOCH)
        facts: log.Facts = {"section": "signing", "verifier_key": str(own)}
        entropy = self._region.entropy
        log.append(connection, LineKind.KEY_ROTATION, facts, now, entropy, line=line)

    def _sign(self, batch: _Batch, send_to: Sequence[str]) -> _Signed:
        """Store tiles and texts of a batch; note the signed root."""
        region, lines = self._region, batch.lines
        edge, files = append(self._edge_of(batch.before), [line.commitment for line in lines])
        tiles, ranges = pack(files)
        openings = [Opening(line.salt or _NO_SALT, line.text or "{}") for line in lines]
        texts = seal_openings(openings, batch.texts.id, region.roots, region.entropy)
        tree = Checkpoint(origin(region.name), edge.size, edge.root)
        note = sign_checkpoint(tree, region.log_keys[0]).decode()
        root = SignedRoot(edge.size, edge.root, note)
        places_of = [Range(r.tile, batch.tiles.id, r.start, r.length) for r in ranges]
        with _abandoning(batch.tiles, batch.texts):
            sent = self._send([(batch.tiles, tiles), (batch.texts, texts)])
            with region.catalog.begin() as connection:
                self._store(connection, sent)
                if not checkpoints.add(connection, region.log_trust, root, region.clock.now()):
                    raise Abandoned("Another process has sealed this batch of the log.")
                if not checkpoints.add_tiles(connection, places_of):
                    raise Abandoned("Somebody else says where the tiles of this batch are.")
                write = self._announce_note(connection, root, send_to)
        self._edge = edge
        return _Signed(root, lines, write)

    def _publish(self, signed: _Signed) -> None:
        """Store the note. Until it is stored, a checkpoint does not count."""
        with _abandoning(signed.write):
            sent = self._send([(signed.write, signed.root.note.encode())])
            with self._region.catalog.begin() as connection:
                self._store(connection, sent)
                checkpoints.end_lease(connection, self._holder)

    def _store(self, connection: Connection, sent: Sequence[Done]) -> None:
        """Set objects to ``stored``. Raises Abandoned if a worker has given one of them up."""
        if len(commit_all(self._region, connection, sent)) < len(sent):
            raise Abandoned("Continuing the log took too long.")

    def _send(self, given: Sequence[tuple[Write, bytes]]) -> list[Done]:
        """Send objects at once. Raises TooFewReplicas if one of them is not safe."""
        ends = [write.start(data, urgent=True) for write, data in given]
        sent: list[Sent] = [end() for end in ends]
        for each in sent:
            each.require(self._region.region.required)
        return [
            Done(write, each, len(data), hashlib.sha256(data).digest())
            for (write, data), each in zip(given, sent, strict=True)
        ]

    def _announce_note(
        self, connection: Connection, root: SignedRoot, send_to: Sequence[str]
    ) -> Write:
        return announce(
            self._region,
            connection,
            Contents(ObjectKind.CHECKPOINT, number=root.size),
            shared(self._region),
            send_to=send_to,
        )

    def _edge_of(self, before: SignedRoot | None) -> Edge:
        """Return the right edge of the log: as this process left it, or from the backends."""
        if before is None:
            return Edge()
        if (self._edge.size, self._edge.root) == (before.size, before.root):
            return self._edge
        return find_edge(several(self._region), before.size, before.root)


def _targets(region: OpenRegion) -> Sequence[str]:
    """Return the backends to write to now. Call it outside of a transaction.

    Not those that an operator accepts for ledger entries: deletion does not depend on the log.
    """
    lawful, required = shared(region), region.region.required
    if len(lawful) < required:
        standings = region.standings().items()
        unlawful = {name: found.value for name, found in standings if name not in lawful}
        raise NoOpenBackend(region.name, unlawful, "The log was not continued.")
    return healthy_backends(region, lawful, required)


@contextmanager
def _abandoning(*writes: Write) -> Iterator[None]:
    """Mark what may have been sent for purge, if the block fails."""
    try:
        yield
    except BaseException:
        for write in writes:
            write.abandon()
        raise


def _check_follow(region: str, lines: Sequence[LogLine], size: int) -> None:
    """Refuse to sign what would not continue a log of that size. Raises LogInvalid."""
    if [line.number for line in lines] != list(range(size, size + len(lines))):
        raise _lacking(region, size)


def _lacking(region: str, size: int) -> LogInvalid:
    return LogInvalid(
        f"The log of {region} is not continued: its newest checkpoint has {size} lines, and "
        "the catalog lacks the next one.",
        advice="Restore the newest key file, with every former signing key: a checkpoint "
        "counts if one of them signed it. Keep the catalog, the backends and their backups "
        "as they are.",
    )


def _signer_of(note: str) -> bytes:
    """Return the id of the key that signed a checkpoint of ours."""
    return parse_note(note.encode()).signatures[0].key_id
