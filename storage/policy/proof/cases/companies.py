"""The states of a company on a day, and what else may be said of it."""

from collections.abc import Iterator
from datetime import date, timedelta

from regions.model import Baa, SubProcessor
from storage.model import PlacementReason
from storage.policy.proof.dimensions import Dimension, Value

_LONG = timedelta(days=400)
_DAY = timedelta(days=1)


def states(company: SubProcessor, on: date) -> Dimension:
    """Return the states that a company may be in on a day, as companies with such dates."""
    baa = Baa(document="0" * 64, since=on - _LONG)

    def dated(words: str, **dates: object) -> Value:
        dates = {"announced": None, "notice_days": 0, "until": None, "exit_days": 0} | dates
        dates = {"baa": baa} | dates
        changed = company.model_copy(update={"since": on - _LONG} | dates)
        return Value(f"{company.name} {words}", changed)

    ends = on + timedelta(days=30)
    return Dimension(
        (
            Value("", dated("", until=on + _LONG).fact),
            dated("has not begun", since=on + _LONG),
            dated("is leaving", until=on + timedelta(days=20), exit_days=30),
            dated("has ended", until=on - _DAY),
            dated("has no business associate agreement", baa=None),
        ),
        (
            dated("begins today", since=on),
            dated("begins tomorrow", since=on + _DAY),
            dated("is in its last day of notice", announced=on - 9 * _DAY, notice_days=10),
            dated("has had its notice", announced=on - 10 * _DAY, notice_days=10),
            dated("is in its last day before it leaves", until=ends + _DAY, exit_days=30),
            dated("leaves from today on", until=ends, exit_days=30),
            dated("has its last day today", until=on + _DAY),
            dated("leaves, and has its last day today", until=on + _DAY, exit_days=1),
            dated("ends today", until=on),
            dated("ends today, after leaving", until=on, exit_days=30),
            dated("has no end", until=None),
            dated("has ended, and has no such agreement", until=on - _DAY, baa=None),
            *(dated(words, baa=changed) for words, changed in _baas(baa, on)),
        ),
    )


def _baas(baa: Baa, on: date) -> Iterator[tuple[str, Baa]]:
    """Yield the first and the last days of a business associate agreement."""
    yield "has it from today on", baa.model_copy(update={"since": on})
    yield "has it from tomorrow on", baa.model_copy(update={"since": on + _DAY})
    yield "has it until tomorrow", baa.model_copy(update={"until": on + _DAY})
    yield "has it until today", baa.model_copy(update={"until": on})


def objection(company: str) -> Dimension:
    """Return whether the tenant objects to a company."""
    return Dimension((Value("", None), Value(f"the tenant objects to {company}", company)))


def openness(backend: str) -> Dimension:
    """Return whether a backend is closed, and why. One that fails is open."""
    closed = {
        PlacementReason.POSTURE_BAD: "is bad",
        PlacementReason.POSTURE_UNREADABLE: "cannot be read",
        PlacementReason.POSTURE_UNKNOWN: "is not known",
    }
    bad, *others = (
        Value(f"the posture of {backend} {words}", (backend, reason))
        for reason, words in closed.items()
    )
    return Dimension((Value("", None), bad), tuple(others))
