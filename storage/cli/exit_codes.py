"""Exit codes: one for each thing that a script may want to do next."""

from collections.abc import Mapping
from enum import IntEnum

from storage import errors


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    BUG = 1
    INVALID = 2
    REFUSED = 3
    NOT_THERE = 4
    UNAVAILABLE = 5
    UNKNOWN = 6
    CONFIGURATION = 7
    DAMAGED = 8
    DECLINED = 9
    UNREPAIRED = 10
    INTERRUPTED = 130  # as a shell says of SIGINT
    NO_READER = 141  # as a shell says of SIGPIPE


MEANING: Mapping[Exit, str] = {
    Exit.DONE: "done",
    Exit.BUG: "a bug of Domicile: please report it",
    Exit.INVALID: "the command line, or what it asks for, is invalid",
    Exit.REFUSED: "the policy refuses it",
    Exit.NOT_THERE: "not found, erased or expired",
    Exit.UNAVAILABLE: "a part of the system does not answer: try again",
    Exit.UNKNOWN: "nobody knows yet whether it was stored: put the same again",
    Exit.CONFIGURATION: "settings, topology or rights are wrong: see domicile doctor",
    Exit.DAMAGED: "a receipt is not genuine, or no replica gives back what was written",
    Exit.DECLINED: "not confirmed: nothing was destroyed",
    Exit.UNREPAIRED: "a scrub found what it cannot repair",
    Exit.INTERRUPTED: "interrupted",
    Exit.NO_READER: "who read the output has gone",
}

_CODES: Mapping[type[errors.DomicileError], Exit] = {
    errors.InvalidRequest: Exit.INVALID,
    errors.Refused: Exit.REFUSED,
    errors.NotFound: Exit.NOT_THERE,
    errors.Erased: Exit.NOT_THERE,
    errors.Expired: Exit.NOT_THERE,
    errors.Unavailable: Exit.UNAVAILABLE,
    errors.KeyUnavailable: Exit.UNAVAILABLE,
    # These a person has to repair first; trying again is of no use.
    errors.BackendForbidden: Exit.CONFIGURATION,
    errors.BackendMisplaced: Exit.CONFIGURATION,
    errors.ProcessorForbidden: Exit.CONFIGURATION,
    errors.ProcessorMisplaced: Exit.CONFIGURATION,
    errors.KeyAbsent: Exit.DAMAGED,
    errors.OutcomeUnknown: Exit.UNKNOWN,
    errors.ConfigurationError: Exit.CONFIGURATION,
    errors.Corrupt: Exit.DAMAGED,
    errors.ReceiptInvalid: Exit.DAMAGED,
}


def code_of(kind: type[errors.DomicileError]) -> Exit:
    """The exit code of a class of errors: its own, or that of the nearest class above it.

    Raises StopIteration if there is none.
    """
    return next(_CODES[above] for above in kind.__mro__ if above in _CODES)


def listing() -> str:
    """All codes as a list in Markdown, for the help."""
    lines = [f"- {code.value}: {meaning}" for code, meaning in MEANING.items()]
    return "Exit codes:\n\n" + "\n".join(lines)
