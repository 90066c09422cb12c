"""Fixtures that several modules of this folder share."""

from tests.support.catalogs import alone
from tests.support.line import line

__all__ = ["alone", "line"]
