"""The tree of errors: each says what is wrong and what to do."""

from collections.abc import Iterator

import pytest

from storage import errors
from storage.errors import DomicileError


def tree(kind: type[DomicileError]) -> Iterator[type[DomicileError]]:
    """A class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


KINDS = sorted((k for k in tree(DomicileError) if k.__module__ == errors.__name__), key=str)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_in_the_picture_and_gives_advice(kind: type[DomicileError]) -> None:
    """The tree at the top of the module is whole, and nobody is left without a next step."""
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.usual_advice
    assert kind.__doc__
    assert getattr(errors, kind.__name__) is kind


def test_what_is_raised_without_advice_has_the_usual_one() -> None:
    """Also in its text, for whoever prints an exception."""
    error = errors.InvalidRequest("It is wrong.")

    assert error.advice == errors.InvalidRequest.usual_advice
    assert str(error) == f"It is wrong. {error.advice}"
    assert errors.NotFound(advice="Look there.").advice == "Look there."
