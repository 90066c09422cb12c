"""The command line while backends refuse: what a person must correct is not to be tried again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from storage.errors import LedgerUnwritten
from tests.support.cli_harness import READ, CommandLine


@contextmanager
def swapped(one: Path, other: Path) -> Iterator[None]:
    """Exchange two directories, as a wrong entry of fstab does."""
    away = one.with_name("away")

    def swap() -> None:
        one.rename(away)
        other.rename(one)
        away.rename(other)

    swap()
    try:
        yield
    finally:
        swap()


def test_swapped_backends_are_of_the_configuration(line: CommandLine) -> None:
    """Any command that uses the catalog names the causes, and does not advise to try again."""
    put = line.put("mine")
    backends = line.home / "backends"
    with swapped(backends / "eu-a", backends / "eu-b"):
        code, error = line.error("get", "acme-eu", put, *READ)

    assert code == Exit.CONFIGURATION
    assert "eu-a: BackendMisplaced, eu-b: BackendMisplaced" in error["message"]
    assert "domicile doctor" in error["advice"]
    assert "again" not in error["advice"]
    assert error["retryable"] is False


def test_backends_that_are_away_are_to_be_tried_again(line: CommandLine) -> None:
    """The causes are named too."""
    backends = line.home / "backends"
    backends.rename(line.home / "away")
    code, error = line.error("list", "acme-eu")
    (line.home / "away").rename(backends)

    assert code == Exit.UNAVAILABLE
    assert "BackendUnavailable" in error["message"]
    assert error["retryable"] is True


@pytest.mark.parametrize(
    ("codes", "retryable"),
    [
        (("BackendForbidden", "BackendMisplaced"), False),
        (("BackendForbidden", "BackendTimeout"), True),
    ],
)
def test_an_erasure_that_every_backend_refuses(codes: tuple[str, str], *, retryable: bool) -> None:
    """One cause that passes is enough to try again."""
    error = LedgerUnwritten(dict(zip(("eu-a", "eu-b"), codes, strict=True)))

    assert error.retryable is retryable
    assert ("Try again" in error.advice) is retryable
