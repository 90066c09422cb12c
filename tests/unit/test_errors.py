"""The tree of errors: each says what is wrong and what to do."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import errors
from storage.errors import DomicileError


def tree(kind: type[DomicileError]) -> Iterator[type[DomicileError]]:
    """A class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


KINDS = sorted(
    (k for k in tree(DomicileError) if k.__module__.startswith(errors.__name__)), key=str
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_in_the_picture_and_gives_advice(kind: type[DomicileError]) -> None:
    """The tree at the top of the module is whole, and nobody is left without a next step."""
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.usual_advice
    assert kind.__doc__
    assert getattr(errors, kind.__name__) is kind


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_explained_to_a_user_of_the_wheel(kind: type[DomicileError]) -> None:
    """It points to its section of the site, and no advice names a file of the repository."""
    error = kind.__new__(kind)

    assert error.url == f"{errors.DOCUMENTATION}errors/#{kind.__name__.lower()}"
    assert "docs/" not in kind.usual_advice.replace(errors.DOCUMENTATION, "")


def test_what_is_raised_without_advice_has_the_usual_one() -> None:
    """Also in its text, for whoever prints an exception."""
    error = errors.InvalidRequest("It is wrong.")

    assert error.advice == errors.InvalidRequest.usual_advice
    assert str(error) == f"It is wrong. {error.advice}"
    assert errors.NotFound(advice="Look there.").advice == "Look there."


def test_the_documentation_site_is_that_of_the_distribution() -> None:
    """The address in the errors is the one in the metadata."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert project["urls"]["Documentation"] == errors.DOCUMENTATION


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_a_status_that_tells_clients_whether_to_try_again(
    kind: type[DomicileError],
) -> None:
    """They repeat a 503. What is refused, or gone, is the caller's affair."""
    assert (kind.http_status == 503) == kind.retryable
    ours = not issubclass(kind, errors.InvalidRequest | errors.Refused)
    gone = issubclass(kind, errors.NotFound | errors.Erased | errors.Expired)
    assert (400 <= kind.http_status < 500) == (not ours or gone)
