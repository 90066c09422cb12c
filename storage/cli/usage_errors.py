"""What is wrong with a command line, in words that do not repeat it.

Typer's own messages quote what was given. In the wrong place that may be a name, or content.
"""

from pydantic import ValidationError
from typer import TyperException
from typer.core import TyperGroup

from storage.errors import InvalidRequest

# These say what a value should be, and nothing of what it is.
_QUOTED = {"int_parsing", "float_parsing", "greater_than_equal", "less_than_equal"}


def shows_help(error: TyperException) -> bool:
    """Whether there were no arguments at all: then the help has been shown instead."""
    return type(error).__name__ == "NoArgsIsHelpError"


def misuse(error: TyperException) -> InvalidRequest:
    """Our error for one of Typer's."""
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    command = context.command_path if context is not None else "domicile"
    see = f"See: {command} --help"
    if param is not None and type(error).__name__ == "MissingParameter":
        return InvalidRequest(f"Missing: {param.get_error_hint()}.", advice=see)
    if param is not None:
        message = f"That is no value for {param.get_error_hint()}."
        return InvalidRequest(message, advice=f"{_wanted(error, param)}{see}")
    option = getattr(error, "option_name", None)
    if option is not None:
        unknown = type(error).__name__ == "NoSuchOption"
        wrong = f"There is no option {option}." if unknown else f"Look at the value of {option}."
        return InvalidRequest(wrong, advice=see)
    if context is not None and isinstance(context.command, TyperGroup):
        names = ", ".join(context.command.list_commands(context))
        return InvalidRequest("There is no such command.", advice=f"The commands are: {names}.")
    return InvalidRequest("There is too much on the command line.", advice=see)


def _wanted(error: TyperException, param: object) -> str:
    choices = getattr(getattr(param, "type_descriptor", None), "choices", None)
    if choices:
        return f"It is one of: {', '.join(getattr(c, 'value', str(c)) for c in choices)}. "
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return ""
    first = cause.errors(include_input=False, include_url=False)[0]
    return f"{first['msg'].replace('Input', 'It')}. " if first["type"] in _QUOTED else ""
