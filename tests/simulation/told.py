"""Stories that are told by hand: what a seed plays too seldom, about one tenant."""

from storage.model import DataClass, Purpose, ScopeKind, Trait
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
from tests.support.stories.staff_operations import (
    ApproveGrant,
    Ask,
    Change,
    Enroll,
    How,
    Look,
    Pass,
    RequestGrant,
    Restore,
    RevokeGrant,
    Screen,
    StaffOp,
)

PROMPT, EVENT, FILE = DataClass.PROMPT, DataClass.EVENT, DataClass.FINE_TUNING_FILE
DAY = 1440  # minutes
ABUSE, ANSWER, LEGAL = Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST, Purpose.LEGAL
VERA, BO, ASA, INES, CUSTOMER = 0, 3, 4, 5, 6  # who approves
INES_LOOKS, COLE_LOOKS, KIT_LOOKS, USHA_LOOKS = range(4)  # of whom Kit has signed nothing

WORK = Do(Work(None, 1), 0)


def put(
    data_class: DataClass = PROMPT,
    naming: Naming = "none",
    keep: int | None = None,
    taken: int | None = None,
    *,
    subject: str = "ann",
    tenant: int = 0,
) -> Do:
    """Put a record of Ann, or of somebody else."""
    item = Item(data_class, "small", subject, None, (), naming, 0, keep, taken)
    return Do(Put(tenant, (item,), many=False), 0)


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


def request(
    purpose: Purpose = ABUSE,
    user: int = INES_LOOKS,
    most: int = 2,
    *,
    case: bool = True,
    by: int = 0,
) -> Do:
    """Request a grant on Ann for an hour."""
    return Do(RequestGrant(0, purpose, ScopeKind.SUBJECT, 0, user, most, 1, case, by), 0)


def approve(by: int = VERA) -> Do:
    """Approve the youngest grant."""
    return Do(ApproveGrant(0, by), 0)


def look(record: int = 0, *then: StaffOp, how: How = "own") -> Do:
    """Open a record under the youngest grant."""
    return Do(Look(0, record, how, then), 1)


def enroll(who: int, change: Change) -> Do:
    """Enter somebody in the roster anew."""
    return Do(Enroll(who, change), 0)


def ask(trait: Trait | None) -> Do:
    """Let the tenant ask for this alone."""
    return Do(Ask(0, trait), 0)


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
        *(put(keep=2), put(), put(FILE, keep=3), put(keep=8), wait(1), WORK, wait(1), WORK),
        *(put(keep=5), keep(3), put(keep=5), put(naming="given", keep=5), put(keep=2)),
    ],
    "longer than its tenant": [
        *(keep(3), wait(1), put(keep=4), put(naming="given", keep=4), put(keep=3), put(keep=2)),
        *(put(naming="given", keep=2), wait(1), WORK, wait(1), WORK),
    ],
    "a grant": [
        *(put(subject="ben"), put(tenant=1), put(), put(), put(), request(), look()),
        *(approve(ASA), approve(INES), approve(BO), look(), approve(), look(), look(1)),
        *(look(2), look(), look(0, RevokeGrant(0)), look()),
        *(request(), approve(), look(0, Pass(61)), look(), approve()),
        *(request(), approve(), look(3), look(how="another"), look(how="none")),
        *(look(how="purpose"), look(how="tenant"), Do(Restore(), 0), look()),
        *(request(), approve(), Do(Restore((RevokeGrant(0), Look(0, 0))), 0), look()),
        *(request(), Do(Restore((ApproveGrant(0, VERA), Look(0, 0))), 0), look(), WORK),
    ],
    "who is asked": [
        *(put(), request(user=KIT_LOOKS), enroll(KIT_LOOKS, "bare"), request(user=USHA_LOOKS)),
        *(request(user=COLE_LOOKS), approve(), enroll(COLE_LOOKS, "bare"), look(how="another")),
        *(look(0, Enroll(COLE_LOOKS, "suspend")), look(), enroll(COLE_LOOKS, "enter"), look()),
        *(enroll(COLE_LOOKS, "end"), look(), put(), request(case=False), approve(), look()),
        *(Do(Screen(0, 0), 0), look(), look(1), ask(Trait.NO_HUMAN_REVIEW), look(), request()),
        *(request(ANSWER), approve(), look(), approve(CUSTOMER), look()),
        *(ask(Trait.CUSTOMER_APPROVED), request(), approve(), look(), approve(CUSTOMER), look()),
        *(ask(Trait.MODIFIED_ABUSE_MONITORING), look(), request(LEGAL), ask(None)),
        *(Do(Hold(0, ScopeKind.SUBJECT, 0, future=False), 0), request(LEGAL), approve()),
        *(Do(Erase(0, ScopeKind.SUBJECT, 0), 0), look(), Do(Release(0), 0), look(), WORK),
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
