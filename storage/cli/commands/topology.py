"""``topology new``: a directory for one's own topology."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from storage.cli.options import AsJson
from storage.cli.output import print_json, print_note, print_text


def new(
    directory: Annotated[Path, Argument(metavar="DIR", help="The directory to make.")],
    as_json: AsJson = False,
) -> None:
    """Make a directory with a topology, its revisions, and a test of both.

    The topology is that of the example, to be changed. Set DOMICILE_TOPOLOGY to the directory, and
    keep it in your own repository. `alembic` works in it.
    """
    from storage.migrating.scaffold import new_topology  # noqa: PLC0415 - Alembic is slow to import

    made = new_topology(directory)
    if as_json:
        print_json({"directory": str(directory), "files": list(map(str, made))})
        return
    for file in made:
        print_text("made", str(file))
    print_note(f"Next: export DOMICILE_TOPOLOGY={directory.absolute()}")
