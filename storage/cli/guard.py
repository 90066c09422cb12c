"""Whatever goes wrong in a command becomes a message and an exit code, never a traceback.

No message repeats what was given on the command line: it may be a name, or content.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from typer import Abort, TyperException
from typer.core import TyperGroup

from storage.cli.exits import Exit, code_of
from storage.cli.output import document, note
from storage.errors import DomicileError, InvalidRequest, Refused
from storage.logs import make_logger

_REPORT = "Please report it, with the traceback from the log: it shows no content."


class Guarded(TyperGroup):
    """A group of commands that ends the process with a code of ``storage.cli.exits``."""

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None,
        complete_var: str | None = None, standalone_mode: bool = True,
        windows_expand_args: bool = True, **extra: Any,  # noqa: ANN401 - as above it
    ) -> NoReturn:  # fmt: skip
        """Run one command and exit."""
        given = list(sys.argv[1:] if args is None else args)

        def work() -> object:
            return super(Guarded, self).main(
                given, prog_name, complete_var, standalone_mode=False, **extra
            )

        sys.exit(_guarded(work, as_json=_wants_json(given)))


def _wants_json(args: Sequence[str]) -> bool:
    """Known before the command line is understood, because that may fail."""
    return "--json" in (args[: args.index("--")] if "--" in args else args)


def _guarded(work: Callable[[], object], *, as_json: bool) -> int:
    try:
        code = work()  # typer gives the code of an Exit, or what the command returned
        sys.stdout.flush()
    except (Abort, SystemExit, BrokenPipeError) as error:
        return _ended(error)
    except DomicileError as error:
        return _failed(error, as_json=as_json)
    except TyperException as error:
        # to make that error is to show the help
        shown = type(error).__name__ == "NoArgsIsHelpError"
        return Exit.INVALID if shown else _failed(_misused(error), as_json=as_json)
    except Exception:  # noqa: BLE001 - the last resort
        make_logger().exception("unexpected_error")
        return _failed(_Unexpected(), as_json=as_json)
    return code if isinstance(code, int) else Exit.DONE


def _ended(error: BaseException) -> int:
    if isinstance(error, Abort):
        note("Nothing was done.")
        return Exit.DECLINED
    _close_stdout()  # typer makes a SystemExit of the broken pipe
    return Exit.NO_READER


def _close_stdout() -> None:
    """Else Python complains at its end that it cannot write what is left."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - not a path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class _Unexpected(DomicileError):
    """Domicile has a bug: something happened that it does not expect."""

    outcome = "unknown"

    def __init__(self) -> None:
        super().__init__(advice=_REPORT)

    @property
    def code(self) -> str:
        """Its name in JSON."""
        return "UnexpectedError"


def _failed(error: DomicileError, *, as_json: bool) -> int:
    if as_json:
        document({"error": told(error)})
    else:
        note(f"Error: {error.message}", style="bold red")
        if error.advice:
            note(error.advice)
    return Exit.BUG if isinstance(error, _Unexpected) else code_of(type(error))


def told(error: DomicileError) -> dict[str, object]:
    """An error as JSON."""
    return {
        "code": error.code,
        "message": error.message,
        "advice": error.advice,
        "reasons": list(error.reasons) if isinstance(error, Refused) else [],
        "retryable": error.retryable,
        "outcome": error.outcome,
    }


def _misused(error: TyperException) -> InvalidRequest:
    """What is wrong with the command line. Typer's own messages quote it."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "domicile"
    advice = f"See: {command} --help"
    kind, param = type(error).__name__, getattr(error, "param", None)
    if kind == "MissingParameter" and param is not None:
        return InvalidRequest(f"Missing: {param.get_error_hint()}.", advice=advice)
    if kind == "NoSuchOption":
        return InvalidRequest(f"There is no option {error.option_name}.", advice=advice)  # type: ignore[attr-defined]
    if param is not None:
        choices = getattr(param.type, "choices", ())
        given = f"It is one of: {', '.join(str(c) for c in choices)}. " if choices else ""
        return InvalidRequest(
            f"That is no value for {param.get_error_hint()}.", advice=f"{given}{advice}"
        )
    if context is not None and isinstance(context.command, TyperGroup):
        names = ", ".join(context.command.list_commands(context))
        return InvalidRequest("There is no such command.", advice=f"The commands are: {names}.")
    return InvalidRequest("There is too much, or too little, on the command line.", advice=advice)
