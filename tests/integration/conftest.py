"""Fixtures for the integration tests."""

import pytest

from tests.support.backends.lies import summary_of
from tests.support.catalogs.databases import alone
from tests.support.cli_harness import line, set_up
from tests.support.leaks import seen
from tests.support.training import training

__all__ = ["alone", "line", "seen", "set_up", "training"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many lies were told and met."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    met = [
        value
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "lies"
    ]
    if met:
        terminalreporter.write_line(summary_of([int(str(number)) for number in met]))
