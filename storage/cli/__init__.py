"""The command ``domicile``. Its entry point is ``main``."""

from storage.cli.commands import app


def main() -> None:
    """Run the command line of this process, and exit with one of ``storage.cli.exits``."""
    app(prog_name="domicile")
