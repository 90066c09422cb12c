"""What a command does only at a terminal: ask, and show the body of a record."""

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from storage.cli import files
from storage.cli.output import print_json, print_note
from storage.cli.progress import transfer
from storage.client.files import OpenFile
from storage.errors import BodyTooLarge, InvalidRequest
from storage.text import format_size, visible

_LARGEST_IN_JSON = 16 * 1024 * 1024  # bytes


def can_ask() -> bool:
    """Return whether a person can answer a question."""
    return sys.stdin.isatty()


def confirm(question: str, advice: str = "Give --yes, or --dry-run first.") -> None:
    """Ask for a yes. Raise typer.Abort on a no, InvalidRequest without a terminal."""
    if not can_ask():
        raise InvalidRequest(
            "This needs a confirmation, and there is no terminal to ask on.",
            advice=advice,
        )
    typer.confirm(visible(question), abort=True, err=True)


def deliver(file: OpenFile, output: Path | None, *, force: bool, as_json: bool) -> None:
    """Write an opened record to ``output``, into a JSON document, or to stdout.

    Raise BodyTooLarge if the body is too large for JSON, InvalidRequest if it cannot be written.
    """
    body = None
    if output is not None:
        with transfer("Reading", file.size) as progress:
            files.write_new(output, files.metered(file.chunks(), progress), force=force)
    elif as_json:
        if file.size > _LARGEST_IN_JSON:
            raise BodyTooLarge("The body is too large for JSON.", advice="Give --output FILE.")
        body = base64.b64encode(b"".join(file.chunks())).decode()
    else:
        _to_stdout(file.chunks())
    if as_json:
        print_json({"record": file.info, "metadata": file.metadata, "body": body})
    elif output is not None:
        print_note(f"Written: {format_size(file.size)}.")


def _to_stdout(chunks: Iterator[bytes]) -> None:
    """Write plain text alone to a terminal: other bytes could control it."""
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
            "The body is not plain text, so it is not shown on a terminal.",
            advice="Give --output FILE, or pipe it.",
        )
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
