"""A story: the acts of customers, operators, backends, processes and time, drawn from one seed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from regions.model import CONTENT_CLASSES
from storage.model import DataClass, Purpose, ScopeKind, Trait
from tests.support.stories.operations import (
    ERASABLE,
    FILES_KEPT,
    KEPT,
    SCOPES,
    SHORT,
    Confirm,
    Corrupt,
    Erase,
    Get,
    HandOver,
    Hold,
    Item,
    Kill,
    Mint,
    Naming,
    Narrow,
    Op,
    Put,
    Release,
    Retain,
    Say,
    Scrub,
    Search,
    Size,
    Train,
    Wait,
    Work,
)
from tests.support.stories.runner import Trouble
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

T = TypeVar("T")

BACKENDS = ("eu-a", "eu-b", "us-a", "us-b", "eu-c")
PROCESSORS = ("klarblick", "clearwater-screening")
_NUMBERS = 16  # "the n-th" of something, counted round
_PROCESSES = 2
_OF_STAFF = 0.025  # how often a person asks for a grant
_MOMENTS = 24  # how deep in an operation another may happen

_CLASSES = (DataClass.PROMPT, DataClass.COMPLETION, DataClass.EVENT, *CONTENT_CLASSES)
_SIZES: tuple[Size, ...] = ("small", "small", "small", "small", "none", "own_pack", "chunks")
_NAMINGS: tuple[Naming, ...] = ("given", "given", "none", "key", "minted", "taken", "same", "batch")
_SCOPES = (ScopeKind.RECORD, ScopeKind.SUBJECT, ScopeKind.SUBJECT, ScopeKind.GROUP)
_TROUBLES: tuple[Trouble, ...] = (
    "up",
    "up",
    "up",
    "down",
    "down",
    "full",
    "lossy",
    "late",
    "land",
    "lose",
    None,
)
_PURPOSES = (Purpose.ABUSE_INVESTIGATION,) * 2 + (Purpose.SUBJECT_REQUEST, Purpose.LEGAL)
_HOWS: tuple[How, ...] = ("own",) * 7 + ("another", "none", "purpose", "tenant")
_CHANGES: tuple[Change, ...] = ("enter", "enter", "bare", "suspend", "end")
_ASKED = (
    *(None, None, Trait.CUSTOMER_APPROVED),
    *(Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING),
)
_BOTHERS: tuple[Trouble, ...] = ("up", "down", "pending", "lossy", "late")


@dataclass(frozen=True)
class Do:
    """An operation of one process, with operations of others within it."""

    op: Op
    process: int
    between: tuple[tuple[int, Op], ...] = ()


@dataclass(frozen=True)
class Disturb:
    """A backend or a process has trouble, or recovers."""

    backend: str
    trouble: Trouble
    process: int


Step = Do | Disturb


@dataclass(frozen=True)
class Story:
    """``changed``: in a topology in which a contract ends and one region requires two replicas.

    ``alone``: of one region.
    """

    seed: int
    changed: bool
    alone: bool
    steps: tuple[Step, ...]

    def told(self) -> str:
        """Return the story with one line per step."""
        where = "one region" if self.alone else "two regions"
        change = "a contract ends" if self.changed else "nothing changes"
        lines = [f"seed {self.seed}: a topology of {where} in which {change}"]
        lines += [f"  {n:>3}. {_told(step)}" for n, step in enumerate(self.steps, 1)]
        return "\n".join(lines)


def story_of(seed: int, length: int = 16) -> Story:
    """Return the story of a seed. It lasts months if many of its waits are long."""
    random = Random(seed)
    first = Do(_put(random), 0)
    steps: tuple[Step, ...] = (first,)
    people = Random(f"the people of {seed}")  # so that nothing else in the story depends on them
    for _ in range(random.randrange(length // 2, length * 3 // 2)):
        steps += (_step(random), *(_matter(people) if people.random() < _OF_STAFF else ()))
    return Story(seed, random.random() < 0.5, random.random() < 0.75, steps)


def _step(random: Random) -> Step:
    kinds: list[tuple[int, Callable[[Random], Step]]] = [
        (6, lambda r: Do(_put(r), _process(r))),
        (2, lambda r: Do(_look(r), _process(r))),
        (3, lambda r: Do(_erase(r), _process(r))),
        (5, lambda r: Do(_wait(r), 0)),
        (5, lambda r: Do(_work(r), _process(r))),
        (5, _interrupted),
        (3, lambda r: Disturb(r.choice(BACKENDS), r.choice(_TROUBLES), _process(r))),
        (2, lambda r: Disturb(r.choice(PROCESSORS), r.choice(_BOTHERS), _process(r))),
        (3, lambda r: Do(_keep(r), _process(r))),
        (2, lambda r: Do(_hand_over(r), _process(r))),
        (2, lambda r: Do(_wear(r), _process(r))),
        (4, lambda r: Do(_retain(r), _process(r))),
        (4, lambda r: Do(_learn(r), _process(r))),
    ]
    return _weighed(random, kinds)(random)


def _interrupted(random: Random) -> Do:
    makers: list[tuple[int, Callable[[Random], Op]]] = [
        (3, _put),
        (3, _work),
        (2, _erase),
        (1, _look),
        (1, _keep),
        (1, _hand_over),
        (1, _wear),
        (1, _retain),
        (1, _learn),
    ]
    op = _weighed(random, makers)(random)
    between = tuple(
        (random.randrange(1, _MOMENTS + 1), _interruption(random))
        for _ in range(random.randrange(1, 3))
    )
    return Do(op, _process(random), between)


def _interruption(random: Random) -> Op:
    makers: list[tuple[int, Callable[[Random], Op]]] = [
        (3, _erase),
        (4, _work),
        (2, _put),
        (2, lambda _: Kill()),
        (1, _look),
        (1, _keep),
        (1, _hand_over),
        (1, _wear),
        (2, _retain),
        (1, _learn),
        (1, lambda r: Wait(r.randrange(1, 8), lands=r.random() < 0.5)),
    ]
    return _weighed(random, makers)(random)


def _put(random: Random) -> Put:
    many = random.random() < 0.4
    items = tuple(_item(random) for _ in range(random.randrange(2, 6) if many else 1))
    return Put(random.randrange(_NUMBERS), items, many)


def _item(random: Random) -> Item:
    parents = tuple(random.randrange(_NUMBERS) for _ in range(random.choice((0, 0, 1, 2))))
    return Item(
        random.choice(_CLASSES),
        random.choice(_SIZES),
        random.choice((None, "ann", "ben")),
        random.choice((None, None, "thread-1", "thread-2")),
        parents,
        random.choice(_NAMINGS),
        random.randrange(_NUMBERS),
        random.choice((*[None] * 6, 2, 3, 5)),
        random.choice((*[None] * 6, 0, 1, 3, 8)),
    )


def _look(random: Random) -> Op:
    tenant, number = random.randrange(_NUMBERS), random.randrange(_NUMBERS)
    match random.randrange(3):
        case 0:
            return Mint(tenant, random.choice(_CLASSES), random.choice((None, 0, 1, 2)))
        case 1:
            how = random.choice(("get", "ranges", "stranger", "train"))
            return Get(tenant, number, how)  # type: ignore[arg-type]
        case _:
            subject, group = random.choice((None, "ann")), random.choice((None, "thread-1"))
            return Search(tenant, random.choice((None, *_CLASSES)), subject, group)


def _erase(random: Random) -> Erase:
    scope = random.choice((*_SCOPES, *ERASABLE))
    return Erase(random.randrange(_NUMBERS), scope, random.randrange(_NUMBERS))


def _keep(random: Random) -> Op:
    chance = random.random()
    if chance < 0.3:
        return Release(random.randrange(_NUMBERS))
    if chance < 0.4:
        return Confirm(random.randrange(_NUMBERS))
    if chance < 0.5:
        return Narrow(random.randrange(_NUMBERS), random.choice(_CLASSES))
    scopes = (*_SCOPES, *SCOPES)
    future = random.random() < 0.5
    number = random.randrange(_NUMBERS)
    return Hold(random.randrange(_NUMBERS), random.choice(scopes), number, future)


def _retain(random: Random) -> Retain:
    data_class = random.choice((*SHORT, DataClass.FINE_TUNING_FILE))
    days = random.choice(FILES_KEPT if data_class is DataClass.FINE_TUNING_FILE else KEPT)
    return Retain(random.randrange(_NUMBERS), data_class, days, random.random() < 0.3)


def _learn(random: Random) -> Op:
    """Train, or say yes or no to it."""
    tenant = random.randrange(_NUMBERS)
    if random.random() < 0.4:
        return Train(tenant, random.randrange(1, 3))
    yes = random.random() < 0.6
    subject = random.choice((None, None, "ann") if yes else (None, "ann", "ben"))
    return Say(tenant, subject, yes, random.choice((0, 0, 3)))


def _matter(random: Random) -> tuple[Step, ...]:
    """A grant and what becomes of it: its time is over after hours, that of a story is long."""
    tenant = random.randrange(_NUMBERS)
    purpose = random.choice(_PURPOSES)
    begin: list[Op] = []
    if purpose is Purpose.LEGAL:
        begin.append(Hold(tenant, random.choice(_SCOPES), random.randrange(2), future=True))
    elif random.random() < 0.3:
        begin.append(Ask(tenant, random.choice(_ASKED)))
    begin += [_request(random, tenant, purpose), ApproveGrant(0, random.choice((0, 0, 3, 6)))]
    more: tuple[Op, ...] = tuple(_of_grant(random) for _ in range(random.randrange(1, 4)))
    return tuple(Do(op, _process(random), _meanwhile(random, op)) for op in (*begin, *more))


def _meanwhile(random: Random, op: Op) -> tuple[tuple[int, Op], ...]:
    if isinstance(op, Ask | Screen | Restore) or random.random() < 0.6:
        return ()
    other = random.choice((_interruption, _staff, _staff))(random)
    return ((random.randrange(1, _MOMENTS + 1), other),)


def _request(random: Random, tenant: int, purpose: Purpose) -> RequestGrant:
    return RequestGrant(
        tenant,
        purpose,
        random.choice((*_SCOPES, ScopeKind.TENANT)),
        random.randrange(2),
        random.choice((0, 0, 0, 1, 1, 2, 3)),
        random.choice((1, 2, 5)),
        random.choice((1, 3, 24)),
        case=random.random() < 0.8,
        by=random.randrange(_NUMBERS),
    )


def _of_grant(random: Random) -> Op:
    chance = random.random()
    if chance < 0.1:
        return Restore(tuple(_staff(random) for _ in range(random.randrange(3))))
    if chance < 0.2:
        return Screen(random.randrange(_NUMBERS), random.randrange(3))
    return _staff(random)


def _staff(random: Random) -> StaffOp:
    """What a person does, most often about the youngest grant."""
    number = random.choice((0, 0, 0, 1))
    match random.randrange(8):
        case 0:
            return RevokeGrant(number)
        case 1:
            return Enroll(random.randrange(4), random.choice(_CHANGES))
        case 2:
            return ApproveGrant(number, random.randrange(7))
        case _:
            then = _then(random) if random.random() < 0.4 else ()
            return Look(number, random.randrange(4), random.choice(_HOWS), then)


def _then(random: Random) -> tuple[StaffOp, ...]:
    match random.randrange(3):
        case 0:
            return (RevokeGrant(0),)
        case 1:
            return (Pass(random.randrange(1, 300)),)
        case _:
            return (Enroll(random.randrange(2), random.choice(_CHANGES)),)


def _hand_over(random: Random) -> HandOver:
    return HandOver(random.randrange(_NUMBERS), random.randrange(_NUMBERS))


def _wear(random: Random) -> Op:
    """Corrupt a replica, or scrub."""
    if random.random() < 0.4:
        return Scrub(random.randrange(_NUMBERS))
    return Corrupt(random.randrange(_NUMBERS), random.random() < 0.5)


def _work(random: Random) -> Work:
    if random.random() < 0.4:
        return Work(None, 1)
    return Work(random.randrange(32), random.randrange(1, 4))


def _wait(random: Random) -> Wait:
    lands = random.random() < 0.5
    match random.randrange(5):
        case 0:
            return Wait(random.randrange(1, 120), lands=lands)
        case 1:
            return Wait(random.randrange(2, 80) * 60, lands=lands)
        case 2:
            return Wait(random.randrange(-2, 3), midnight=True, lands=lands)
        case 3:
            return Wait(random.randrange(1, 11) * 1440, lands=lands)
        case _:
            return Wait(random.randrange(3, 27) * 7 * 1440, lands=lands)


def _process(random: Random) -> int:
    return random.randrange(_PROCESSES)


def _weighed(random: Random, among: list[tuple[int, T]]) -> T:
    return random.choices([it for _, it in among], [weight for weight, _ in among])[0]


def _told(step: Step) -> str:
    if isinstance(step, Disturb):
        return f"{step.backend}: {step.trouble or f'process {step.process} is replaced'}"
    within = "".join(f"\n         at its moment {at}: {op}" for at, op in step.between)
    return f"process {step.process}: {step.op}{within}"
