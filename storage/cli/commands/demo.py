"""``domicile demo``: the main job from end to end, and the proof of it."""

from io import StringIO
from pathlib import Path

import typer
from rich.console import Console

from storage.cli.exit_codes import Exit
from storage.cli.output import document
from storage.demo.conversations import read_conversations
from storage.demo.narrator import make_console
from storage.demo.run import Played, play


def demo(input: Path | None = None, *, as_json: bool = False) -> None:
    """Show it in a temporary folder, on a simulated clock. Raises typer.Exit if the proof fails.

    ``input``: conversations of the user's own. Raises InvalidRequest if they cannot be read.
    """
    conversations = read_conversations(input)
    played = play(conversations, Console(file=StringIO()) if as_json else make_console())
    if as_json:
        document(_told(played))
    if not played.well:
        raise typer.Exit(Exit.BUG)


def _told(played: Played) -> dict[str, object]:
    proof = played.proof
    sought = frozenset[bytes]().union(*(traces.values for traces in proof.traces))
    return {
        "proved": played.well,
        "findings": played.findings,
        "traces": len(sought),
        "searches": [
            {
                "when": made.when,
                "traces_found": len(sought & frozenset().union(*made.found.values())),
                "plain_found": proof.plain_found(made),
                "items": made.items.total(),
                "bytes": made.size,
            }
            for made in (*proof.searches, proof.disk)
        ],
    }
