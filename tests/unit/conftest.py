"""Fixtures that several modules of this folder share."""

from tests.support.backends.directory import backend, clock, root

__all__ = ["backend", "clock", "root"]
