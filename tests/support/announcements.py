"""A topology to which a new processor is added, with its announcement."""

import shutil
from datetime import date
from pathlib import Path

from tests.support.topology_files import COMPANIES, SHIPPED

NEW = "neublick"


def announce(
    directory: Path, since: date, announced: date | None = None, *, more: str = "", days: int = 30
) -> Path:
    """Return the shipped topology with a processor more in the EU, announced with a notice.

    ``more``: lines of its entry.
    """
    made = shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    terms = f"announced = {announced}\nnotice_days = {days}\n" if announced is not None else ""
    entry = f"""
[[sub_processors]]
name = "{NEW}"
title = "Neublick <Prüfung> & Co. (invented)"
service = "moderation"
jurisdictions = ["EU"]
agreement = "Data processing agreement NB-1"
locations = ["Germany"]
products = ["API"]
{terms}since = {since}
{more}
[sub_processors.connector]
kind = "manual"
lead_hours = 24
max_days = 14
"""
    file = made / COMPANIES
    file.write_text(file.read_text() + entry)
    return made
