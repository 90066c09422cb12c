"""Errors as a person at the command line needs them: they name commands and options of ours.

The errors of the library advise a Python program. A message or an advice that names something
of the Python API is replaced by the text for that class of errors here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from storage import errors
from storage.model import GrantSpec, HoldSpec, NewRecord, RosterSpec, TenantSpec

_FIELDS = "|".join(
    field.name
    for kind in (GrantSpec, HoldSpec, NewRecord, RosterSpec, TenantSpec)
    for field in fields(kind)
    if "_" in field.name
)

_PYTHON = re.compile(
    rf"""
    \w\(                                            # a call
    | \bstorage\.\w                                 # a module
    | \b[A-Z]\w*\.[A-Za-z_]\w*                      # an attribute of a class
    | \b(?:put|get|new|open|hand)_[a-z]+            # methods
    | \b(?:record_id|{_FIELDS})\b                     # parameters and fields
    | \b(?:RecordId|RecordIds|NewRecord|HoldSpec|TenantSpec|DataClass|Scope|Purpose|Dpa)\b
    | \b(?:ActorKind|GrantSpec|RosterSpec)\b
    """,
    re.VERBOSE,
)

_MESSAGES: Mapping[type[errors.DomicileError], str] = {
    errors.BodyTooLarge: "The content is too large for this data class: at most 16 MiB.",
    errors.MalformedId: "Invalid record id.",
    errors.UnknownClass: "Unknown data class.",
}

_ADVICE: Mapping[type[errors.DomicileError], str] = {
    errors.DomicileError: "See: domicile doctor",
    errors.InvalidRequest: "Correct the command. See its --help.",
    errors.MalformedId: "domicile put and domicile list print record ids.",
    errors.UnknownClass: "classes.toml in the topology names the data classes.",
    errors.BodyTooLarge: "Store it as a file: domicile put --class fine_tuning_file",
    errors.NaiveDatetime: "Add a time zone, for example 2026-03-01T12:00+00:00.",
    errors.Refused: "See: domicile explain, and domicile policy explain",
    errors.NotFound: "Check the id and the tenant. See: domicile list",
    errors.Unavailable: "Try again later. See: domicile doctor",
    errors.Busy: "Try again later, or with fewer writes at once.",
    errors.GrantRefused: "See: domicile grant show, and domicile roster list",
    errors.HandOverRefused: "See: domicile processor list",
    errors.OutcomeUnknown: "Run the same command again with the same --id and content.",
    errors.ReceiptInvalid: "Ask the issuer for the receipt again: domicile erasure show --receipt",
}


@dataclass(frozen=True, slots=True)
class CommandLineError:
    """An error as the command line shows it; ``page`` documents it."""

    message: str
    advice: str
    page: str


def for_command_line(error: errors.DomicileError) -> CommandLineError:
    """Return the message and the advice of an error without names of the Python API."""
    kind = type(error)
    message, advice = error.message, error.advice
    if names_python(message):
        message = _MESSAGES.get(kind, "The request is invalid.")
    if names_python(advice):
        advice = next(_ADVICE[above] for above in kind.__mro__ if above in _ADVICE)
    return CommandLineError(message, advice, error.url)


def names_python(text: str) -> bool:
    """Return whether a text names something of the Python API."""
    return _PYTHON.search(text) is not None
