"""Cases of the end of a contract: who chooses, tells, confirms and carries out, and when."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from storage.model import ActorKind, Agreement, ExitKind, ExitState, RosterEntry, TenantExit
from storage.policy.exits import (
    Exiting,
    may_carry_out,
    may_choose,
    may_confirm_exit,
    may_notify,
)
from storage.policy.proof.cases import people, tenants
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.exits import Facts, Step, of_step

_DAY = timedelta(days=1)
_PROPERTIES = frozenset({Property.EXIT, Property.REASONS, Property.USABLE})


def families(today: date) -> Iterator[Family]:
    """Yield each step with every state of a choice; those of people by every person."""
    for step in Step:
        others = _by_a_worker(today) if step is Step.CARRY_OUT else _by_a_person(today)
        dimensions = (*_choices(today), *others)
        yield Family(f"exits: {step}", dimensions, _PROPERTIES, _Judge(step, today))


class _Judge:
    """The judgment of a case of one step."""

    def __init__(self, step: Step, today: date) -> None:
        self._step, self._today = step, today

    def __call__(self, case: Case) -> Iterator[Violation]:
        kind, on, state, newest, person, made, recovering = (value.fact for value in case)
        found = TenantExit(
            UUID(int=1),
            people.TENANT,
            kind,
            on,
            "0" * 64,
            "requester",
            datetime.combine(self._today - 30 * _DAY, time.min, UTC),
            state,
        )
        facts = Facts(self._step, found, person, self._today, newest, made, recovering)
        decided = _decide(facts)
        return of_step(facts, None if decided.allowed else decided.reason)


def _decide(facts: Facts) -> Exiting:
    found, person, today = facts.found, facts.person, facts.today
    match facts.step:
        case Step.CHOOSE:
            return may_choose(person, found.on, today)
        case Step.NOTIFY:
            return may_notify(found, person, today, newest=facts.newest)
        case Step.CONFIRM:
            return may_confirm_exit(found, person, today, newest=facts.newest)
        case Step.CARRY_OUT:
            return may_carry_out(
                found,
                facts.agreements,
                today,
                newest=facts.newest,
                recovering=facts.recovering,
            )


def _choices(today: date) -> tuple[Dimension, ...]:
    days = {"tomorrow": 1, "in a month": 30, "today": 0, "yesterday": -1, "a month ago": -30}
    states = sorted(ExitState, key=lambda one: one is not ExitState.CONFIRMED)
    return (
        Dimension(tuple(Value(f"the customer chose to {kind}", kind) for kind in ExitKind)),
        Dimension(tuple(Value(f"for {words}", today + by * _DAY) for words, by in days.items())),
        Dimension(tuple(Value(f"the choice is {state}", state) for state in states)),
        Dimension((Value("", True), Value("there is a newer choice", False))),
    )


def _by_a_person(today: date) -> tuple[Dimension, ...]:
    second = replace(people.entry(ActorKind.EMPLOYEE, people.OUTSIDE, today), actor="second")

    def said(words: str, **changes: object) -> Value:
        return Value(f"the person {words}", replace(second, **changes))  # type: ignore[arg-type]

    nobody: RosterEntry | None = None
    values = (
        Value("", second),
        said("recorded the choice", actor="requester"),
        Value("the person is not in the roster", nobody),
        said("is suspended", suspended=True),
        said("is a contractor", kind=ActorKind.CONTRACTOR),
        said("is a machine", kind=ActorKind.MACHINE),
        said("is the customer", kind=ActorKind.CUSTOMER),
        said("begins today", since=today),
        said("begins tomorrow", since=today + _DAY),
        said("ends tomorrow", until=today + _DAY),
        said("ends today", until=today),
    )
    return Dimension(values), Dimension((Value("", ()),)), Dimension((Value("", False),))


def _by_a_worker(today: date) -> tuple[Dimension, ...]:
    """Return the states of the agreement to process data, beside one of another kind."""
    signed = tenants.agreements("dpa", today)
    other = tenants.agreements("enterprise", today).values[0].fact[0]
    states = [Value(one.words or "the dpa is in force", one.fact[0]) for one in signed.values]
    states += [Value(one.words, one.fact[0]) for one in signed.edges]
    ago = today - 400 * _DAY
    over = {"has ended since": (20, 10), "was called off since": (20, 20)}
    for words, (since, until) in over.items():
        made = Agreement("dpa", ago, today - until * _DAY, today - since * _DAY)
        states.append(Value(f"another dpa {words}", (*signed.values[-1].fact[0], made)))
    beside = [Value(f"{one.words}, another is", (*one.fact, *other)) for one in states]
    recovering = Value("the catalog is being recovered", True)
    return (
        Dimension((Value("", None),)),
        Dimension((*states, *beside)),
        Dimension((Value("", False), recovering)),
    )
