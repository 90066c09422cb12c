"""Every failure of a command becomes a message and an exit code, never a traceback."""

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import typer
from typer import Abort, TyperException
from typer.core import TyperGroup

from storage.cli.advice import for_command_line
from storage.cli.exit_codes import Exit, code_for
from storage.cli.output import print_json, print_note
from storage.cli.reason_texts import reason_text
from storage.cli.usage_errors import UsageError, shows_help, unknown_command, usage_error
from storage.errors import DomicileError, PurposeRefused, Refused, SettingsError
from storage.logs import make_logger

_FORBIDDEN = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
}
_REPORT = "Please report it, with the traceback from the log. It shows no content."


class Group(TyperGroup):
    """A group of commands that suggests one for a typo."""

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - Typer exports no type for it
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name. Raise UsageError if there is none."""
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or name in self.commands):
            raise unknown_command(name, self, ctx.command_path)
        return super().resolve_command(ctx, args)


class MainGroup(Group):
    """All commands; it ends the process with a code of ``storage.cli.exit_codes``."""

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
        # A shell that asks for completions gets its answer, and the process ends here.
        self._main_shell_completion(extra, prog_name or "domicile", complete_var)

        def work() -> object:
            return super(MainGroup, self).main(
                given, prog_name, complete_var, standalone_mode=False, **extra
            )

        sys.exit(_guarded(work, as_json=_wants_json(given)))


def _wants_json(args: Sequence[str]) -> bool:
    """Return whether --json is given, before the command line is parsed: that may fail."""
    return "--json" in (args[: args.index("--")] if "--" in args else args)


def _guarded(work: Callable[[], object], *, as_json: bool) -> int:
    try:
        return _ended(work, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort
        return _report(as_ours(error), as_json=as_json)


def _ended(work: Callable[[], object], *, as_json: bool) -> int:
    try:
        code = work()  # the code of an Exit, or what the command returned
        sys.stdout.flush()
    except Abort:
        print_note("Nothing was done.")
        return Exit.DECLINED
    except SystemExit as ended:
        # Typer exits with 0 when it has installed completion, with 1 on a broken pipe.
        return Exit.DONE if not ended.code else _lost_reader()
    except BrokenPipeError:
        return _lost_reader()
    except TyperException as error:
        return Exit.INVALID if shows_help(error) else _report(usage_error(error), as_json=as_json)
    except DomicileError as error:
        return _report(error, as_json=as_json)
    return code if isinstance(code, int) else Exit.DONE


def as_ours(error: Exception) -> DomicileError:
    """Return ours, one of the settings for what the operating system forbids, else a bug."""
    if isinstance(error, DomicileError):
        return error
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return SettingsError(
            f"The operating system refused: {error.strerror}.",
            advice="Check DOMICILE_HOME: its permissions, and the free disk space.",
        )
    make_logger().error("unexpected_error", exc_info=error)
    return _Unexpected()


def _lost_reader() -> Exit:
    """Close stdout, so that Python does not complain at exit that it cannot write the rest."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - not a path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return Exit.NO_READER


class _Unexpected(DomicileError):
    """Domicile has a bug: something unexpected happened."""

    outcome = "unknown"

    def __init__(self) -> None:
        super().__init__(advice=_REPORT)

    @property
    def code(self) -> str:
        """The name in JSON."""
        return "UnexpectedError"


def failed_regions(failed: Mapping[str, Exception]) -> dict[str, object]:
    """Return the regions that failed for a JSON document, each with its error."""
    errors = [{"region": name} | _as_json(as_ours(error)) for name, error in failed.items()]
    return {"failed": errors}


def end_with_failed(failed: Mapping[str, Exception], *, as_json: bool) -> None:
    """Print the error of each region that failed, and end with the exit code of the first one."""
    errors = {name: as_ours(error) for name, error in failed.items()}
    if not as_json:
        for name, error in errors.items():
            shown = for_command_line(error)
            print_note(f"Failed: {name}: {shown.message}", style="bold red")
            _print_reasons(error)
            print_note(shown.advice)
    for first in errors.values():
        raise typer.Exit(_code_of(first))


def _as_json(error: DomicileError) -> dict[str, object]:
    shown = for_command_line(error)
    return {
        "code": error.code,
        "message": shown.message,
        "advice": shown.advice,
        "page": shown.page,
        "reasons": list(error.reasons) if isinstance(error, Refused) else [],
        "retryable": error.retryable,
        "outcome": error.outcome,
    }


def _code_of(error: DomicileError) -> Exit:
    return Exit.BUG if isinstance(error, _Unexpected) else code_for(error)


def _print_reasons(error: DomicileError) -> None:
    """Print the reasons of a refusal whose message does not say them."""
    if isinstance(error, PurposeRefused):
        for reason in error.reasons:
            print_note(f"- {reason_text(reason)}")


def _report(error: DomicileError, *, as_json: bool) -> int:
    """Print an error; return the exit code."""
    shown = for_command_line(error)
    if as_json:
        print_json({"error": _as_json(error)})
    else:
        print_note(f"Error: {shown.message}", style="bold red")
        _print_reasons(error)
        print_note(shown.advice)
        if not isinstance(error, UsageError):
            print_note(shown.page, style="dim")
    return _code_of(error)
