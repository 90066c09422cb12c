"""Errors in a command line, in words that do not repeat it.

Typer's own messages quote what was typed. In the wrong position that may be a name, or content.
"""

from collections.abc import Sequence

from pydantic import ValidationError
from typer import TyperException
from typer.core import TyperGroup

from storage.errors import InvalidRequest
from storage.text import did_you_mean

# Messages of these types name the allowed values alone.
_SAFE = {"int_parsing", "float_parsing", "greater_than_equal", "less_than_equal"}


class UsageError(InvalidRequest):
    """The command line is invalid."""

    @property
    def code(self) -> str:
        """The name in JSON: a usage error is an invalid request."""
        return InvalidRequest.__name__


def shows_help(error: TyperException) -> bool:
    """Return whether there were no arguments, so that the help has been shown."""
    return type(error).__name__ == "NoArgsIsHelpError"


def unknown_command(given: str, group: TyperGroup, path: str) -> UsageError:
    """Return the error for a command that the group does not have."""
    names = list(group.commands)
    known = f"Known commands: {', '.join(names)}. See: {path} --help"
    return UsageError("Unknown command.", advice=_joined(did_you_mean(given, names), known))


def usage_error(error: TyperException) -> UsageError:
    """Return our error for one of Typer's."""
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    see = f"See: {context.command_path if context is not None else 'domicile'} --help"
    if param is not None and type(error).__name__ == "MissingParameter":
        return UsageError(f"Missing: {param.get_error_hint()}.", advice=see)
    if param is not None:
        message = f"Invalid value for {param.get_error_hint()}."
        return UsageError(message, advice=_joined(_allowed(error, param), see))
    option = getattr(error, "option_name", None)
    if option is None:
        return UsageError("Too many arguments.", advice=see)
    if type(error).__name__ != "NoSuchOption":
        return UsageError(f"Wrong use of {option}.", advice=see)
    close: Sequence[str] = getattr(error, "possibilities", None) or ()
    hint = f"Did you mean {' or '.join(close)}?" if close else ""
    return UsageError(f"Unknown option {option}.", advice=_joined(hint, see))


def _allowed(error: TyperException, param: object) -> str:
    """Return which values the option takes, and which of them is meant."""
    cause = error.__cause__
    first = cause.errors(include_url=False)[0] if isinstance(cause, ValidationError) else None
    choices = getattr(getattr(param, "type_descriptor", None), "choices", None)
    if choices:
        values = [str(getattr(choice, "value", choice)) for choice in choices]
        given = str(first["input"]) if first else ""
        return _joined(did_you_mean(given, values), f"Choose one of: {', '.join(values)}.")
    if first is None or first["type"] not in _SAFE:
        return ""
    return f"{first['msg'].replace('Input', 'It')}."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
