"""``python -m storage.cli`` is ``domicile``."""

from storage.cli import main

main()
