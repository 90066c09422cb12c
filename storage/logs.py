"""Logs: events with codes, ids and counts; never content, metadata, subjects, names or keys."""

import logging
import sys
from collections.abc import Iterator
from traceback import walk_tb
from typing import NotRequired, TextIO, TypedDict

import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor

from storage.errors import DomicileError
from storage.text import visible


def make_logger(stream: TextIO | None = None, *, least: int = logging.INFO) -> FilteringBoundLogger:
    """Return a logger to ``stream`` (stderr): text on a terminal, JSON elsewhere.

    What is below the level ``least`` is left out.

    Tracebacks have file, line and function. They omit local variables and the messages of other
    libraries, because both may contain content.
    """
    out = stream or sys.stderr
    shape: list[Processor]
    if out.isatty():
        shape = [_harmless, structlog.dev.ConsoleRenderer(exception_formatter=_write_text)]
    else:
        shape = [
            structlog.processors.ExceptionRenderer(_entries),
            structlog.processors.JSONRenderer(sort_keys=True),
        ]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
    )
    return logger


def _harmless(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Escape what could control a terminal: a peer chose some of the texts."""
    return {name: visible(x) if isinstance(x, str) else x for name, x in event.items()}


def _write_text(out: TextIO, info: ExcInfo) -> None:
    """Write an exception as text."""
    for entry in _entries(info):
        parts = [visible(str(entry[name])) for name in ("type", "code", "message") if name in entry]
        out.write("\n".join(["", " - ".join(parts), *(f"  {frame}" for frame in entry["frames"])]))


class _Entry(TypedDict):
    type: str
    message: NotRequired[str]
    code: NotRequired[str | int]
    frames: list[str]


def _entries(exc_info: ExcInfo) -> list[_Entry]:
    """Return an exception and its causes."""
    return [_entry(error) for error in _chain(exc_info[1])]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden


def _entry(error: BaseException) -> _Entry:
    kind, frames = type(error), walk_tb(error.__traceback__)
    entry: _Entry = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "frames": [f"{f.f_code.co_filename}:{line} {f.f_code.co_name}" for f, line in frames],
    }
    if isinstance(error, DomicileError):
        entry["message"] = error.message
    code = getattr(error, "sqlstate", None) or getattr(error, "errno", None)
    if code is not None:
        entry["code"] = code
    return entry
