"""``domicile demo``: the main job from end to end, and the proof of it."""

from pathlib import Path

import typer

from storage.cli.demonstration.conversations import read_conversations
from storage.cli.demonstration.narrate import make_console
from storage.cli.demonstration.play import play
from storage.cli.exits import Exit


def demo(input: Path | None = None) -> None:
    """Show it in a temporary folder, on a simulated clock. Raises typer.Exit if the proof fails.

    ``input``: conversations of the user's own. Raises InvalidRequest if they cannot be read.
    """
    if not play(read_conversations(input), make_console()):
        raise typer.Exit(Exit.BUG)
