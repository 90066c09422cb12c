"""Flags: what a classifier says of a record."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.errors import DomicileError, InvalidRequest
from storage.model.ids import RecordId

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")


@dataclass(frozen=True, slots=True)
class NewFlag:
    """A finding of a classifier.

    ``label``: 1 to 64 letters, digits, dots, underscores, hyphens and slashes, such as ``fraud``.
    ``score``: from 0 to 1.
    """

    label: str = field(repr=False)
    score: float = field(repr=False)

    def __post_init__(self) -> None:
        """Raise InvalidRequest for another label or score."""
        _check_word("label of a flag", self.label)
        score: object = self.score
        if type(score) not in (int, float) or not 0 <= self.score <= 1:
            raise InvalidRequest("The score of a flag must be a number from 0 to 1.")


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding of a classifier of one version about a record. It ends with the record."""

    about: RecordId
    label: str = field(repr=False)
    score: float = field(repr=False)
    classifier: str
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier. ``name`` and ``version`` have the form of the label of a flag.

    ``classify`` gets body and metadata of a record and returns what it finds, at most 16 flags. It
    must keep nothing of what it gets.
    """

    name: str
    version: str
    classify: Callable[[bytes, Mapping[str, object]], Sequence[NewFlag]]

    def __post_init__(self) -> None:
        """Raise InvalidRequest for another name or version, or what cannot be called."""
        _check_word("name of a classifier", self.name)
        _check_word("version of a classifier", self.version)
        if not callable(self.classify):
            raise InvalidRequest("classify must be a function of a body and metadata.")


@dataclass(frozen=True, slots=True)
class Screened:
    """A record that a classifier has seen, and what this version of it says of it."""

    id: RecordId
    flags: tuple[Flag, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScreenFailure:
    """The error of one record that a classifier has not seen."""

    id: RecordId
    error: DomicileError


def _check_word(what: str, word: object) -> None:
    if not isinstance(word, str) or _WORD.fullmatch(word) is None:
        raise InvalidRequest(
            f"The {what} must have 1 to 64 letters, digits, dots, underscores, hyphens and slashes."
        )
