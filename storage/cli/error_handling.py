"""Whatever goes wrong in a command becomes a message and an exit code, never a traceback."""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from typer import Abort, TyperException
from typer.core import TyperGroup

from storage.cli.exit_codes import Exit, code_of
from storage.cli.output import document, note
from storage.cli.usage_errors import misuse, shows_help
from storage.errors import DomicileError, Refused, SettingsError
from storage.logs import make_logger

_FORBIDDEN = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
}
_REPORT = "Please report it, with the traceback from the log: it shows no content."


class Guarded(TyperGroup):
    """A group of commands that ends the process with a code of ``storage.cli.exit_codes``."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # noqa: ANN401 - as above it
    ) -> NoReturn:
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
        return _ended(work, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort
        return _failed(_ours(error), as_json=as_json)


def _ended(work: Callable[[], object], *, as_json: bool) -> int:
    try:
        code = work()  # typer gives the code of an Exit, or what the command returned
        sys.stdout.flush()
    except Abort:
        note("Nothing was done.")
        return Exit.DECLINED
    except (SystemExit, BrokenPipeError):  # typer makes the one of the other
        _close_stdout()
        return Exit.NO_READER
    except TyperException as error:
        return Exit.INVALID if shows_help(error) else _failed(misuse(error), as_json=as_json)
    except DomicileError as error:
        return _failed(error, as_json=as_json)
    return code if isinstance(code, int) else Exit.DONE


def _ours(error: Exception) -> DomicileError:
    """What the operating system forbids is no bug; all else is, and goes to the log."""
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return SettingsError(
            f"The operating system does not allow it: {error.strerror}.",
            advice="Look at DOMICILE_HOME: who may write there, and how much room is left?",
        )
    make_logger().error("unexpected_error", exc_info=error)
    return _Unexpected()


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
        document({"error": _told(error)})
    else:
        note(f"Error: {error.message}", style="bold red")
        note(error.advice)
    return Exit.BUG if isinstance(error, _Unexpected) else code_of(type(error))


def _told(error: DomicileError) -> dict[str, object]:
    """An error as JSON."""
    return {
        "code": error.code,
        "message": error.message,
        "advice": error.advice,
        "reasons": list(error.reasons) if isinstance(error, Refused) else [],
        "retryable": error.retryable,
        "outcome": error.outcome,
    }
