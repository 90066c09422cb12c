"""Exit codes: one for each reaction that a script may need."""

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
    VIOLATED = 11
    BROADER = 12
    INTERRUPTED = 130  # 128 + SIGINT
    NO_READER = 141  # 128 + SIGPIPE


MEANING: Mapping[Exit, str] = {
    Exit.DONE: "done",
    Exit.BUG: "a bug in Domicile: please report it",
    Exit.INVALID: "the command line or the request is invalid",
    Exit.REFUSED: "refused by the policy",
    Exit.NOT_THERE: "not found, erased or expired",
    Exit.UNAVAILABLE: "a part of the system is unavailable: try again",
    Exit.UNKNOWN: "the outcome of a write is unknown: run the same put again",
    Exit.CONFIGURATION: "wrong settings, topology or rights: see domicile doctor",
    Exit.DAMAGED: "a receipt or a log is not genuine, or every replica is corrupt or lost",
    Exit.DECLINED: "not confirmed: nothing was changed",
    Exit.UNREPAIRED: "scrub found damage that it cannot repair",
    Exit.VIOLATED: "policy check found a case that violates a property",
    Exit.BROADER: "policy diff found that more is permitted",
    Exit.INTERRUPTED: "interrupted",
    Exit.NO_READER: "the reader of the output has closed it",
}

_CODES: Mapping[type[errors.DomicileError], Exit] = {
    errors.InvalidRequest: Exit.INVALID,
    errors.Refused: Exit.REFUSED,
    errors.NotFound: Exit.NOT_THERE,
    errors.Erased: Exit.NOT_THERE,
    errors.Expired: Exit.NOT_THERE,
    errors.Unavailable: Exit.UNAVAILABLE,
    errors.KeyUnavailable: Exit.UNAVAILABLE,
    # A person must correct these first; a retry does not help.
    errors.BackendClosed: Exit.CONFIGURATION,
    errors.BackendForbidden: Exit.CONFIGURATION,
    errors.BackendInUse: Exit.CONFIGURATION,
    errors.BackendMisplaced: Exit.CONFIGURATION,
    errors.NoOpenBackend: Exit.CONFIGURATION,
    errors.ProcessorForbidden: Exit.CONFIGURATION,
    errors.ProcessorMisplaced: Exit.CONFIGURATION,
    errors.WitnessRefused: Exit.CONFIGURATION,
    errors.KeyAbsent: Exit.DAMAGED,
    errors.OutcomeUnknown: Exit.UNKNOWN,
    errors.ConfigurationError: Exit.CONFIGURATION,
    errors.Corrupt: Exit.DAMAGED,
    errors.ReceiptInvalid: Exit.DAMAGED,
    errors.LogInvalid: Exit.DAMAGED,
}


def code_of(kind: type[errors.DomicileError]) -> Exit:
    """Return the exit code of a class of errors: its own, or that of the nearest base class.

    Raise StopIteration if there is none.
    """
    return next(_CODES[above] for above in kind.__mro__ if above in _CODES)


def code_for(error: errors.DomicileError) -> Exit:
    """Return the exit code of an error. One that no retry mends is of the configuration."""
    if type(error).retryable and not error.retryable:
        return Exit.CONFIGURATION
    return code_of(type(error))


def listing() -> str:
    """Return all codes as a list in Markdown, for the help."""
    lines = [f"- {code.value}: {meaning}" for code, meaning in MEANING.items()]
    return "Exit codes:\n\n" + "\n".join(lines)
