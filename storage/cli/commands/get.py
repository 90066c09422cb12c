"""``get``, ``list`` and ``explain``: what is stored, and why there."""

import base64
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

from typer import Option

from storage.cli import files
from storage.cli.options import AsJson, Given, Group, Limit, RecordText, Subject, TenantId, opened
from storage.cli.output import bad, document, facts, good, minute, moment, note, say, table
from storage.cli.progress import transfer
from storage.cli.reason_texts import reason
from storage.errors import BodyTooLarge, InvalidRequest
from storage.model import DataClass, Purpose, RecordInfo
from storage.text import format_size

_SHOWN = 16 * 1024 * 1024  # bytes of a body that JSON may hold


def get(
    tenant: TenantId,
    record_id: RecordText,
    *,
    purpose: Annotated[Purpose, Option(help="Why it is opened.")],
    output: Annotated[Path | None, Option("--output", "-o", help="Where to write it.")] = None,
    force: Annotated[bool, Option(help="Replace the file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a record: its bytes go to stdout, or whole into a file that only you can read.

    With --json its metadata comes too, and without --output its body in base64.
    """
    if output is not None:
        files.check_new(output, force=force)
    body: str | None = None
    with opened() as store, store.tenant(tenant).open(record_id, purpose=purpose) as file:
        if output is not None:
            with transfer("Reading", file.size) as seen:
                files.write_new(output, _counted(file.chunks(), seen), force=force)
        elif not as_json:
            to_stdout(file.chunks())
        else:
            too_much_for_json(file.size)
            body = base64.b64encode(b"".join(file.chunks())).decode()
    if as_json:
        document({"record": file.info, "metadata": file.metadata, "body": body})
    elif output is not None:
        note(f"Written: {format_size(file.size)}.")


def list_records(
    tenant: TenantId,
    *,
    data_class: Annotated[DataClass | None, Option("--class", help="Only of this class.")] = None,
    subject: Subject = None,
    group: Group = None,
    after: Annotated[str | None, Option(metavar="ID", help="Go on after this record.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """What a tenant has stored and may read, oldest first."""
    given = Given()
    subject, group = given.text(subject), given.text(group)
    with opened() as store:
        found = store.tenant(tenant).list(
            data_class=data_class, subject=subject, group=group, after=after, limit=limit
        )
    following = str(found[-1].id) if len(found) == limit else None
    if as_json:
        document({"records": found, "next": following})
        return
    table(("record", "size", "written (UTC)", "gone by (UTC)"), [_row(info) for info in found])
    if following:
        note(f"There may be more: --after {following}")


def explain(tenant: TenantId, record_id: RecordText, as_json: AsJson = False) -> None:
    """Why a record is here and not there: what the policy says of every backend."""
    with opened() as store:
        found = store.tenant(tenant).explain(record_id)
    if as_json:
        document(found)
        return
    held = {replica.backend: replica.state.value for replica in found.replicas}
    say(str(found.id), style="bold")
    facts(
        [
            ("readable until", moment(found.readable_until, never="it is erased")),
            ("bytes gone by", moment(found.deadline, never="it is erased")),
        ],
        indent=2,
    )
    say()
    table(
        ("backend", "region", "allowed", "replica", "reason"),
        [
            (
                v.backend,
                v.region,
                good("yes") if v.allowed else bad("no"),
                held.get(v.backend, "-"),
                reason(v.reason),
            )
            for v in found.verdicts
        ],
    )


def _row(info: RecordInfo) -> tuple[str, str, str, str]:
    whole = format_size(info.size) + (" (incomplete)" if info.incomplete else "")
    return str(info.id), whole, minute(info.written), minute(info.deadline, never="erased")


def too_much_for_json(size: int) -> None:
    """Raises BodyTooLarge if a body of so many bytes is."""
    if size > _SHOWN:
        raise BodyTooLarge("It is too much for JSON.", advice="Give --output FILE.")


def to_stdout(chunks: Iterator[bytes]) -> None:
    """On a terminal only text: other bytes may be commands to the terminal."""
    if not sys.stdout.isatty():
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    try:
        text = b"".join(chunks).decode()
    except UnicodeDecodeError:
        text = "\0"
    if not all(char.isprintable() or char in "\n\t" for char in text):
        raise InvalidRequest(
            "It holds what is no plain text.", advice="Give --output FILE, or a pipe."
        )
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _counted(pieces: Iterable[bytes], seen: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        seen(len(piece))
        yield piece
