"""Fixtures for the integration tests."""

from tests.support.catalogs.databases import alone
from tests.support.cli_harness import line
from tests.support.leaks import seen

__all__ = ["alone", "line", "seen"]
