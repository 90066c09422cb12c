"""Logs: events with codes, ids and counts; never content, metadata, subjects, names or keys."""

import sys
from collections.abc import Iterator
from traceback import walk_tb
from typing import NotRequired, TextIO, TypedDict

import structlog
from structlog.typing import ExcInfo, FilteringBoundLogger, Processor

from storage.errors import DomicileError


def make_logger(stream: TextIO | None = None) -> FilteringBoundLogger:
    """A logger on ``stream`` (stderr): lines for people on a terminal, JSON elsewhere.

    Tracebacks say where, and carry neither local variables nor what others than Domicile say of an
    error: either may hold content.
    """
    out = stream or sys.stderr
    shape: list[Processor]
    if out.isatty():
        shape = [structlog.dev.ConsoleRenderer(exception_formatter=_write)]
    else:
        shape = [
            structlog.processors.ExceptionRenderer(_told),
            structlog.processors.JSONRenderer(sort_keys=True),
        ]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
    return logger


def _write(out: TextIO, info: ExcInfo) -> None:
    """An exception for people."""
    for told in _told(info):
        words = [str(told[name]) for name in ("type", "code", "message") if name in told]
        out.write("\n".join(["", " - ".join(words), *(f"  {frame}" for frame in told["frames"])]))


class _Told(TypedDict):
    type: str
    message: NotRequired[str]
    code: NotRequired[str | int]
    frames: list[str]


def _told(exc_info: ExcInfo) -> list[_Told]:
    """An exception and what caused it."""
    return [_one(error) for error in _chain(exc_info[1])]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden


def _one(error: BaseException) -> _Told:
    kind, frames = type(error), walk_tb(error.__traceback__)
    told: _Told = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "frames": [f"{f.f_code.co_filename}:{line} {f.f_code.co_name}" for f, line in frames],
    }
    if isinstance(error, DomicileError):
        told["message"] = error.message
    code = getattr(error, "sqlstate", None) or getattr(error, "errno", None)
    if code is not None:
        told["code"] = code
    return told
