"""Fixtures that several modules of this folder share."""

from tests.support.line import line

__all__ = ["line"]
