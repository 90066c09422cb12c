"""Logs: events with codes, ids and counts; never content, metadata, subjects, names or keys."""

import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor


def make_logger(stream: TextIO | None = None) -> FilteringBoundLogger:
    """A logger on ``stream`` (stderr): lines for people on a terminal, JSON elsewhere.

    Tracebacks carry no local variables: those may hold content.
    """
    out = stream or sys.stderr
    shape: list[Processor]
    if out.isatty():
        shape = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    else:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shape = [
            structlog.processors.ExceptionRenderer(frames),
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
