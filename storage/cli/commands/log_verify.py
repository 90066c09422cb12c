"""``log verify``: a region's log, or the proof of one line of it, verified offline."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.cli import files
from storage.cli.log_folder import LogFolder
from storage.cli.options import AsJson
from storage.cli.output import (
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_text,
    warning,
)
from storage.errors import InvalidRequest, LogInvalid
from storage.text import plural
from storage.tlog.checkpoints import Checkpoint, Opened, Trust, open_checkpoint
from storage.tlog.commitments import Opening
from storage.tlog.notes import MOST_NOTE
from storage.tlog.proofs import MOST_PROOF, Proof, verify_proof
from storage.tlog.tiles import Tile, first_served, width_of
from storage.tlog.verification import CHECKPOINT, open_log, verify_leftover, verify_log
from storage.tlog.verifiers import Verifier


def verify(
    path: Annotated[
        str,
        Argument(
            metavar="PATH",
            help="The directory of an exported log, or a file with the proof of a line.",
            show_default=False,
        ),
    ],
    key: Annotated[
        list[str],
        Option(metavar="VKEY", help="The verifier key of the log: domicile log key prints it."),
    ],
    old: Annotated[
        Path | None,
        Option("--from", metavar="FILE", help="A checkpoint of before, which it must continue."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        Option(metavar="VKEY", help="The verifier key of a witness that must have cosigned."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify an exported log, or the proof of one line, offline; show what it states.

    It needs the files and the verifier keys only. Give --key twice for a log that changes its key,
    --witness for each witness that you rely on. Says what it could not check. Ends with 8 if
    anything is not as the log has signed it, or the log was changed since the old checkpoint.
    """
    witnesses = tuple(map(Verifier.parse, witness or ()))
    trust = Trust(tuple(map(Verifier.parse, key)), witnesses, len(witnesses))
    if files.is_directory(path):
        _refuse_several(Path(path))
        _verify_folder(LogFolder(Path(path)), trust, _opened(old, trust), as_json=as_json)
        return
    if old is not None:
        raise InvalidRequest(
            "--from is for the directory of a log.",
            advice="A proof of one line does not show what became of the others.",
        )
    _verify_line(files.content(path, most=MOST_PROOF), trust, as_json=as_json)


def _refuse_several(folder: Path) -> None:
    """Refuse a directory with the logs of several regions, as ``log export`` makes it."""
    if (folder / CHECKPOINT).exists():
        return
    regions = sorted(found.parent.name for found in folder.glob(f"*/{CHECKPOINT}"))
    if regions:
        raise InvalidRequest(
            f"The directory has a log for each region: {', '.join(regions)}.",
            advice="Verify one after the other, each with its own key: give DIR/REGION.",
        )


def _opened(old: Path | None, trust: Trust) -> Checkpoint | None:
    """Return the checkpoint of before. Its witnesses do not matter: the log signed it."""
    if old is None:
        return None
    try:
        return open_checkpoint(files.content(str(old), most=MOST_NOTE), Trust(trust.log)).checkpoint
    except InvalidRequest as error:
        raise InvalidRequest(
            f"The checkpoint of before (--from): {error.message}",
            advice="Give the file of a checkpoint that you kept, or no --from.",
        ) from error
    except LogInvalid as error:
        raise LogInvalid(
            f"The checkpoint of before: {error.message}", advice=error.advice
        ) from error


def _verify_folder(
    folder: LogFolder, trust: Trust, old: Checkpoint | None, *, as_json: bool
) -> None:
    first = first_served(folder.paths(), open_log(folder.read, trust).checkpoint.size)
    opened = verify_log(folder.read, trust, old=old, minimum=first)
    for tile in _leftovers(folder.unread(), opened.checkpoint.size, first):
        verify_leftover(folder.read, tile, opened.checkpoint.size)
    unchecked = _unchecked(opened, old, first, len(folder.unread()))
    stated = _stated(opened) | {"first": first, "continues": old and old.size}
    if as_json:
        print_json(stated | {"unchecked": unchecked})
        return
    print_text(good("The log is what its key signed."), _grown(old))
    print_blank()
    size = opened.checkpoint.size
    here = f"{first} to {size - 1}" if first < size else "none"
    _show(opened, [("lines here", here)])
    _show_unchecked(unchecked)


def _leftovers(paths: Iterable[str], size: int, first: int) -> Iterator[Tile]:
    """Yield the partial tiles and bundles that were replaced, of which the present one is here."""
    for path in sorted(paths):
        with suppress(ValueError):
            tile = Tile.parse(path)
            if tile.width < width_of(tile.level, tile.index, size) and tile.end > first:
                yield tile


def _verify_line(data: bytes, trust: Trust, *, as_json: bool) -> None:
    proof = Proof.parse(data)
    if not proof.extra:
        raise LogInvalid(
            "The proof has neither the text of its line nor the salt.",
            advice="Ask for one that has them. A line whose text was forgotten has none any more.",
        )
    text = Opening.parse(proof.extra)
    opened = verify_proof(proof, text.entry, trust)
    unchecked = _unwitnessed(opened)
    if as_json:
        line = {"line": proof.index, "text": text.text}
        print_json(_stated(opened) | line | {"unchecked": unchecked})
        return
    print_text(good("The line is in the log."))
    print_blank()
    _show(opened, [("line", str(proof.index)), ("text", text.text)])
    _show_unchecked(unchecked)


def _unchecked(opened: Opened, old: Checkpoint | None, first: int, unread: int) -> dict[str, str]:
    """Return what nobody knows after the verification, by a code that stays."""
    found = _unwitnessed(opened)
    if old is None:
        found["past"] = (
            "That it has all that it had. Keep its checkpoint, and give it with --from next time."
        )
    if first:
        found["first"] = (
            f"Lines 0 to {first - 1}: they are not here. They were pruned, or withheld."
        )
    if unread:
        found["files"] = f"{plural(unread, 'file')} here, which this checkpoint does not cover."
    return found


def _unwitnessed(opened: Opened) -> dict[str, str]:
    if opened.cosigned:
        return {}
    return {
        "witnesses": "That others see the same log, and since when. Give the key of a witness "
        "that you rely on with --witness."
    }


def _stated(opened: Opened) -> dict[str, object]:
    tree = opened.checkpoint
    return {
        "valid": True,
        "log": tree.origin,
        "size": tree.size,
        "root": base64.b64encode(tree.root).decode(),
        "cosigned": [{"witness": who.name, "at": at} for who, at in _times(opened)],
    }


def _show(opened: Opened, more: Sequence[tuple[str, str]]) -> None:
    tree = opened.checkpoint
    print_facts(
        [
            *more,
            ("log", tree.origin),
            ("size", str(tree.size)),
            ("root", base64.b64encode(tree.root).decode()),
            *((f"cosigned by {who.name}", format_time(at)) for who, at in _times(opened)),
        ]
    )


def _show_unchecked(unchecked: Mapping[str, str]) -> None:
    if not unchecked:
        return
    print_blank()
    print_text(warning("Not checked:"))
    for sentence in unchecked.values():
        print_text(sentence, indent=2)


def _grown(old: Checkpoint | None) -> str:
    return f"It begins with the {old.size} lines that it had." if old else ""


def _times(opened: Opened) -> list[tuple[Verifier, datetime]]:
    """Return when each witness cosigned, by its own clock; the last day of all for later times."""
    last = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
    return [
        (who, datetime.fromtimestamp(min(at, last), UTC)) for who, at in opened.cosigned.items()
    ]
