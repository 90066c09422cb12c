"""``demo``: the main job from end to end, with its proof."""

from io import StringIO
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson
from storage.cli.output import print_json


def demo(
    file: Annotated[
        Path | None,
        Option("--input", metavar="FILE", help="Your conversations: JSONL, OpenAI chat format."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the main job from end to end, in two regions on this machine, with its proof.

    It runs in a temporary directory on a simulated clock, and takes less than a minute. Ends with 1
    if the proof fails.
    """
    # Imported here: no other command needs it, and it takes a while.
    from storage.demo.conversations import read_conversations  # noqa: PLC0415
    from storage.demo.narrator import make_console  # noqa: PLC0415
    from storage.demo.run import run  # noqa: PLC0415

    conversations = read_conversations(file)
    result = run(conversations, Console(file=StringIO()) if as_json else make_console())
    if as_json:
        print_json(result.as_json())
    if not result.succeeded:
        raise typer.Exit(Exit.BUG)
