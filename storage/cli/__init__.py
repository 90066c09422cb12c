"""The command ``domicile``. Its entry point is ``main``."""

from storage.cli.app import app


def main() -> None:
    """Run the command line of this process, and exit with one of ``storage.cli.exit_codes``."""
    app(prog_name="domicile")
