"""The page on operations lists what a worker does."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import structlog

from storage.objects.keyring import KeyRing
from storage.region import OpenRegion
from storage.workers.loop import duties

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()


def test_the_page_lists_every_duty_in_order() -> None:
    """By the name that a dry run prints. No duty needs a region before it runs."""
    region, keys = cast("OpenRegion", SimpleNamespace(name="-")), cast("KeyRing", None)
    names = [duty.name for duty in duties(region, keys, structlog.get_logger())]
    workers = PAGE.split("\n## Workers")[1].split("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", workers, re.MULTILINE) == names
