"""``policy diff``: what a change of the topology permits or forbids that was not before."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson
from storage.cli.output import Cell, bad, good, print_blank, print_json, print_note, print_text
from storage.cli.progress import busy
from storage.cli.sub_processor_lists import today
from storage.cli.topologies import load_directory
from storage.errors import InvalidRequest
from storage.policy.proof import Change, Direction, compare
from storage.text import plural


class FailOn(StrEnum):
    """What ends the command with a code of its own."""

    BROADER = "broader"


_Old = Annotated[Path, Argument(metavar="OLD", help="The directory of the topology as it was.")]
_New = Annotated[Path, Argument(metavar="NEW", help="That of the topology as it would be.")]
_FailOn = Annotated[
    FailOn | None, Option("--fail-on", help="End with 12 if something is permitted that was not.")
]


def diff(*, old: _Old, new: _New, fail_on: _FailOn = None, as_json: AsJson = False) -> None:
    """Say in words what a change of the topology permits or forbids that was not before.

    Both topologies are asked the same questions, from today on: what is compared is what they
    decide, not their text.
    """
    before, after = load_directory(old), load_directory(new)
    if not before.regions.keys() & after.regions.keys():
        raise InvalidRequest(
            f"The topologies have no region in common: {', '.join(before.regions)} and "
            f"{', '.join(after.regions)}.",
            advice="Compare two states of one topology.",
        )
    on = today()
    with busy("Comparing the topologies"):
        changes = compare(before, after, on)
    broader = any(one.direction is Direction.BROADER for one in changes)
    if as_json:
        print_json({"on": on, "broader": broader, "changes": changes})
    else:
        _show(changes)
        if not changes:
            same = before.digest == after.digest
            print_note(
                "The topologies are the same."
                if same
                else "The files differ, and nothing is permitted or forbidden that was not before."
            )
    if broader and fail_on is FailOn.BROADER:
        raise typer.Exit(Exit.BROADER)


def _show(changes: Sequence[Change]) -> None:
    heads: dict[Direction, Cell] = {
        Direction.BROADER: bad("Broader"),
        Direction.NARROWER: good("Narrower"),
        Direction.CHANGED: "Neither",
    }
    shown = False
    for direction, head in heads.items():
        some = [one for one in changes if one.direction is direction]
        if not some:
            continue
        if shown:
            print_blank()
        shown = True
        print_text(head)
        for one in some:
            print_text(f"{one.topic}: {one.says}", indent=2)
    broader = sum(one.direction is Direction.BROADER for one in changes)
    if changes:
        print_note(f"{plural(len(changes), 'change')}, of which {broader} permit more.")
