"""What ``domicile doctor`` finds: one line per thing that it looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psycopg

from storage.errors import DomicileError

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``fail``: Domicile will refuse to work. ``warn``: somebody should look at it."""

    check: str
    what: str
    state: State
    says: str
    advice: str = ""


def tried(check: str, what: str, work: Callable[[], str]) -> Finding:
    """What ``work`` says, or why it failed."""
    try:
        return Finding(check, what, "ok", work())
    except DomicileError as error:
        return failed(check, what, error)
    except Exception as error:  # noqa: BLE001 - a doctor who dies helps nobody
        says = f"It fails with {type(error).__name__}, which Domicile does not expect."
        return Finding(check, what, "fail", says, "Please report it.")


def failed(check: str, what: str, error: DomicileError) -> Finding:
    """A failure, with what the database driver says if it is about that."""
    return Finding(check, what, "fail", f"{error.message}{_driver(error)}", error.advice)


def _driver(error: BaseException | None) -> str:
    """Why there is no connection. libpq tells host, user and database, and never a password."""
    while error is not None:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            lines = str(error).strip().splitlines()
            return f" ({lines[0].strip()})" if lines else ""
        error = error.__cause__
    return ""
