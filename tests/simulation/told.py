"""Stories that are told by hand: what a seed plays too seldom, about one tenant."""

from storage.model import DataClass, ScopeKind
from tests.simulation.story import Do, Step, Story
from tests.support.stories.operations import (
    Erase,
    Hold,
    Item,
    Mint,
    Naming,
    Op,
    Put,
    Release,
    Retain,
    Say,
    Train,
    Wait,
    Work,
)

PROMPT, EVENT, FILE = DataClass.PROMPT, DataClass.EVENT, DataClass.FINE_TUNING_FILE
DAY = 1440  # minutes

WORK = Do(Work(None, 1), 0)


def put(
    data_class: DataClass = PROMPT,
    naming: Naming = "none",
    keep: int | None = None,
    taken: int | None = None,
) -> Do:
    """Put a record of Ann."""
    item = Item(data_class, "small", "ann", None, (), naming, 0, keep, taken)
    return Do(Put(0, (item,), many=False), 0)


def keep(days: int | None, data_class: DataClass = PROMPT) -> Do:
    """Keep a class for so many days."""
    return Do(Retain(0, data_class, days), 0)


def say(*, yes: bool, subject: str | None = None, back: int = 0) -> Do:
    """Say yes or no to training."""
    return Do(Say(0, subject, yes, back), 1)


def train(run: int = 1) -> Do:
    """Train on all there is."""
    return Do(Train(0, run), 0)


def wait(days: int) -> Do:
    """Let days pass."""
    return Do(Wait(days * DAY), 0)


def _while_it_is_seen() -> list[Step]:
    """A retention of zero is taken back at each moment at which a worker acts on it."""
    steps: list[Step] = [WORK]
    for moment in range(1, 13, 2):
        back: Op = Retain(0, PROMPT, 7)
        steps += [
            put(),
            keep(0),
            Do(Work("shorten", 1), 0, ((moment, back),)),
            keep(7),
            put(),
            WORK,
        ]
    return steps


STORIES: dict[str, list[Step]] = {
    "day by day": [
        *(put(), put(FILE), wait(1), put(), WORK, keep(3), keep(3, FILE), WORK),
        *(wait(1), WORK, wait(1), WORK),
    ],
    "longer unseen": [keep(2), WORK, keep(7), put(), keep(2), wait(2)],
    "taken back": [
        *(put(), put(FILE), wait(1), keep(0), keep(2, FILE), keep(7), keep(None, FILE)),
        *(WORK, wait(1), WORK),
    ],
    "zero, held, and put again": [
        *(put(), Do(Hold(0, ScopeKind.SUBJECT, 0, future=False), 0), put()),
        *(Do(Mint(0, PROMPT, None), 0), keep(0)),
        *(Do(Work("shorten", 1), 0), keep(7), put(), put(naming="minted"), WORK),
        Do(Release(0), 0),
    ],
    "while it is seen": _while_it_is_seen(),
    "days of its own": [
        *(put(keep=2), put(), put(FILE, keep=3), wait(1), WORK, wait(1), WORK, put(keep=5)),
        *(keep(3), put(keep=5), put(naming="given", keep=5), put(keep=2), wait(2), WORK),
    ],
    "floor": [
        *(put(EVENT), put(), Do(Erase(0, ScopeKind.SUBJECT, 0), 0), WORK, put(EVENT), wait(2)),
        *(Do(Erase(0, ScopeKind.TENANT, 0), 0), Do(Erase(0, ScopeKind.RECORD, 1), 0), WORK),
        *(wait(2), put(EVENT), Do(Erase(0, ScopeKind.SUBJECT, 0), 0), WORK, wait(4), WORK),
    ],
    "trained on": [
        *(say(yes=True), put(), put(FILE), train(), say(yes=False, subject="ann"), train()),
        *(say(yes=True), say(yes=True, subject="ann"), put(taken=3), train(2), wait(1)),
        *(say(yes=True, back=3), put(keep=2), train(), say(yes=False), train(), WORK),
        *(say(yes=True, back=9), Do(Erase(0, ScopeKind.RECORD, 1), 0), train(2), keep(2), wait(1)),
        *(train(2), WORK, Do(Hold(0, ScopeKind.SUBJECT, 0, future=True), 0), put(), train(2)),
    ],
    "taken in": [
        *(put(taken=3), put(FILE, taken=8), put(taken=8), put(), keep(5, FILE), WORK),
        *(keep(6), put(naming="given", taken=2), wait(2), WORK, wait(1), WORK),
    ],
}


def told(name: str) -> Story:
    """Return a story, in a topology of one region that stays the same."""
    return Story(0, changed=False, alone=True, steps=tuple(STORIES[name]))
