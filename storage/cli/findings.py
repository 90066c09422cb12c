"""The findings of ``domicile doctor``: one for each check."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from storage.catalog.engine import connection_failure
from storage.errors import DomicileError

State = Literal["ok", "warn", "fail"]

_CIRCULAR = re.compile(r"(?:;? ?[Ss]ee| and): domicile doctor\.?")  # it is what printed this


@dataclass(frozen=True, slots=True)
class Finding:
    """``fail``: Domicile refuses to work. ``warn``: it works, but an operator should act."""

    check: str
    what: str
    state: State
    says: str
    advice: str = ""


def tried(check: str, what: str, work: Callable[[], str]) -> Finding:
    """Return what ``work`` reports, or why it failed."""
    try:
        return Finding(check, what, "ok", work())
    except DomicileError as error:
        return failed(check, what, error)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        says = f"Failed with {type(error).__name__}, which Domicile does not expect."
        return Finding(
            check, what, "fail", says, "Report it: https://github.com/domicile-dev/domicile/issues"
        )


def failed(check: str, what: str, error: DomicileError) -> Finding:
    """Return a failure, with the message of the database driver if there was no connection."""
    why, advice = connection_failure(error), _CIRCULAR.sub("", error.advice).strip()
    return Finding(check, what, "fail", error.message + (f" ({why})" if why else ""), advice)
