"""The lines of the region's log: appended with what they are about, numbered, forgotten.

A line is inserted in the transaction of its event, so there is neither without the other. Its place
in the log, and the checkpoint that holds it, come later: see ``storage.transparency``.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Integer,
    Row,
    Select,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.row_ids import new_id
from storage.model import Entropy, LineKind, LogLine, utc
from storage.tlog.commitments import SALT, commit

c = t.log_line.c

BATCH = 1000
"""How many lines a batch has at most."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""From when, and before when, a line is: see the constraint ``log_line_moment``."""

Facts = Mapping[str, str | int | list[str] | None]
"""What a line says: opaque ids, digests, dates and codes. No content, no name and no free text."""


def append(
    connection: Connection,
    kind: LineKind,
    facts: Facts,
    now: datetime,
    entropy: Entropy,
    *,
    line: UUID | None = None,
) -> UUID:
    """Add a line in the transaction of what it is about; return its id.

    ``line``: its id, if the same event may be noted again: then nothing changes. See ``line_of``.
    If a line has it that says something else, which any login may have added, it gets another.
    """
    number = line or new_id(now, entropy(10))
    while not _add(connection, _new(number, kind, facts, now, entropy(SALT))):
        number = new_id(now, hashlib.sha256(number.bytes).digest()[:10])
    return number


def _new(line: UUID, kind: LineKind, facts: Facts, at: datetime, salt: bytes) -> LogLine:
    text = text_of(line, kind, facts, at)
    return LogLine(line, kind, at, text, salt, commit(salt, text), None)


def _add(connection: Connection, line: LogLine) -> bool:
    """Add a line, unless there is one with its id; tell whether there is one that says the same."""
    new = insert(t.log_line).values(
        id=line.id,
        kind=line.kind,
        at=line.at,
        text=line.text,
        salt=line.salt,
        commitment=line.commitment,
    )
    if connection.scalar(new.on_conflict_do_nothing().returning(c.id)) is not None:
        return True
    query = select(c.text, c.salt, c.commitment).where(c.id == line.id)
    text, salt, commitment = connection.execute(query).one()
    return text == line.text and bytes(commitment) == commit(salt or b"", text)


def note_keys(
    connection: Connection, section: str, versions: Iterable[int], now: datetime, entropy: Entropy
) -> None:
    """Add a line for each version of a key that is new."""
    for version in versions:
        facts: Facts = {"section": section, "version": version}
        append(connection, LineKind.KEY_ROTATION, facts, now, entropy)


def note_root_key(connection: Connection, version: int) -> None:
    """Add a line about a version of the root key, as a key service, which adds no other line."""
    connection.execute(select(func.note_root_key(literal(version, Integer))))


def line_of(event: UUID, kind: LineKind, at: datetime) -> UUID:
    """Return the id of the line about an event that is replayed after a restore."""
    digest = hashlib.sha256(b"domicile log line of an event\0" + kind.encode() + event.bytes)
    return new_id(at, digest.digest()[:10])


def text_of(line: UUID, kind: LineKind, facts: Facts, at: datetime) -> str:
    """Return the text of a line: canonical JSON, with sorted keys and without spaces.

    Raises ValueError if a fact has a name that says what every line says.
    """
    common = {"line": str(line), "kind": kind.value, "at": utc(at).isoformat()}
    if common.keys() & facts.keys():
        raise ValueError("a line has one id, one kind and one time")
    stated = {**facts, **common}
    return json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def find(connection: Connection, line: UUID) -> LogLine | None:
    """Return one line."""
    row = connection.execute(select(t.log_line).where(c.id == line)).one_or_none()
    return None if row is None else _line(row)


def page(
    connection: Connection,
    *,
    kind: LineKind | None,
    since: datetime | None,
    after: UUID | None,
    limit: int,
) -> list[LogLine]:
    """Return lines, oldest first: of one kind, from a moment on, after another line."""
    query = select(t.log_line).order_by(c.at, c.id).limit(limit)
    if kind is not None:
        query = query.where(c.kind == kind)
    if since is not None:
        query = query.where(c.at >= since)
    if after is not None:
        query = query.where(tuple_(c.at, c.id) > select(c.at, c.id).where(c.id == after))
    return [_line(row) for row in connection.execute(query)]


def number(connection: Connection, most: int, signed: int) -> None:
    """Fix the next batch: give lines that have none their numbers.

    None gets one while an earlier batch is in no checkpoint (``signed``: the size of the newest),
    or the catalog is being recovered.
    """
    size = literal(signed, BigInteger)
    connection.execute(select(func.number_log_lines(literal(most, Integer), size)))


def numbered(connection: Connection, start: int, limit: int | None = None) -> list[LogLine]:
    """Return the lines from a number on, in their order, at most ``limit``."""
    query = select(t.log_line).where(c.number >= start).order_by(c.number).limit(limit)
    return [_line(row) for row in connection.execute(query)]


def all_numbered(connection: Connection, start: int, stop: int) -> Iterator[LogLine]:
    """Yield the lines from a number to before another one, a batch at a time."""
    while start < stop:
        lines = numbered(connection, start, min(BATCH, stop - start))
        yield from lines
        start = (lines[-1].number or 0) + 1 if lines else stop


def entries(connection: Connection, start: int) -> dict[int, bytes]:
    """Return the commitments of the lines from a number on, by their numbers."""
    rows = connection.execute(select(c.number, c.commitment).where(c.number >= start))
    return {row[0]: bytes(row[1]) for row in rows}


def following(connection: Connection) -> int:
    """Return the number that the next line would get: one more than the last one."""
    last, minimum = select(func.max(c.number) + 1), select(t.log_state.c.minimum)
    both = func.greatest(last.scalar_subquery(), minimum.scalar_subquery())
    return connection.scalar(select(both)) or 0


def waiting() -> Select[UUID]:
    """SQL: lines that have no number yet."""
    return select(c.id).where(c.number.is_(None))


def fills_batch(connection: Connection) -> bool:
    """Return whether so many lines wait that a batch would be full."""
    return bool(connection.scalar(select(waiting().offset(BATCH - 1).limit(1).exists())))


def any_waiting(connection: Connection) -> bool:
    """Return whether there are lines that have no number yet."""
    return bool(connection.scalar(select(waiting().limit(1).exists())))


def release(connection: Connection, numbers: Collection[int]) -> None:
    """Let lines of a restored catalog wait for a number again."""
    places = literal(list(numbers), ARRAY(BigInteger))
    connection.execute(select(func.release_log_numbers(places)))


def restore(connection: Connection, line: LogLine) -> None:
    """Put back a line that a restored catalog lacks, or has with another text, with its number.

    It gets another id if that is the one of another line: its text may be forged.
    """
    given = line.id, line.kind, line.at, line.text, line.salt, line.commitment, line.number
    connection.execute(select(func.restore_log_line(*given)))


def to_forget(before: datetime, published: int) -> Select[UUID]:
    """SQL: lines from before a moment whose text is still there.

    ``published``: the size of the newest checkpoint on the backends. Other texts are in no object.
    """
    return select(c.id).where(c.text.is_not(None), c.at < before, c.number < published)


def forget(connection: Connection, before: datetime, limit: int, published: int) -> int:
    """Forget salt and text of a batch of such lines; return the count."""
    size = literal(published, BigInteger)
    return connection.scalar(select(func.forget_log_lines(before, limit, size))) or 0


def first_known(connection: Connection) -> int | None:
    """Return the number of the first line whose text is still there."""
    found: int | None = connection.scalar(select(func.min(c.number)).where(c.text.is_not(None)))
    return found


def _line(row: Row[*tuple[object, ...]]) -> LogLine:
    salt = row.salt
    return LogLine(
        row.id,
        LineKind(row.kind),
        row.at,
        row.text,
        None if salt is None else bytes(salt),
        bytes(row.commitment),
        row.number,
        row.login or None,
    )
