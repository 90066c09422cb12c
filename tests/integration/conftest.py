"""Fixtures that several modules of this folder share."""

from tests.support.catalogs.databases import alone
from tests.support.cli_harness import line

__all__ = ["alone", "line"]
