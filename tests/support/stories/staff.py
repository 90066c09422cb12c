"""People of the roster, and what a tenant asks for, on the cluster and on the model."""

from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import replace

from sqlalchemy import select

from storage.catalog import roster
from storage.catalog import tables as t
from storage.model import KEEPER, Actor, ActorKind, LineKind, RosterSpec, Trait
from tests.support.inspect.stored import homes_of
from tests.support.people import SINCE, acting, make_login
from tests.support.stories.calls import EU, TENANTS, Answer, Calls
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.grant_model import Entry, Reasons, against_entry
from tests.support.stories.log_lines import LogLines
from tests.support.stories.model import STORED
from tests.support.stories.staff_operations import Ask, Enroll

AGREEMENT = "a" * 64
EMPLOYEE, CONTRACTOR = ActorKind.EMPLOYEE, ActorKind.CONTRACTOR

KIRA = Actor("kira", EMPLOYEE, "operator", "EU")  # keeps the roster
VERA = Actor("vera", EMPLOYEE, "operator", "EU")  # approves, with a key that is pinned
ASA = Actor("asa", EMPLOYEE, "operator", "EU")
BO = Actor("bo", EMPLOYEE, "operator", "EU")
INES = Actor("ines", EMPLOYEE, "operator", "EU")
COLE = Actor("cole", CONTRACTOR, "reviewers", "EU")
KIT = Actor("kit", CONTRACTOR, "reviewers", "EU")  # has signed nothing
USHA = Actor("usha", EMPLOYEE, "operator", "US")

PEOPLE = {actor.id: actor for actor in (KIRA, VERA, ASA, BO, INES, COLE, KIT, USHA)}
USERS = (INES, COLE, KIT, USHA)
CUSTOMER = "customer"


class Staff(Calls):
    """Keeps the roster. ``roster``: the entries that count."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.roster: dict[str, Entry] = {}
        self.lines = LogLines(cluster, [*PEOPLE, CUSTOMER])
        self.acts_of_staff = 0

    def meet(self) -> None:
        """Enter everybody in the roster who may be in it, once."""
        if self.roster:
            return
        now = self.cluster.clock.now()
        with self.cluster.looking(EU) as connection:
            for actor in PEOPLE.values():
                if actor is not KIT:
                    make_login(connection, actor.id)
                    entry = Entry(actor, agreed=actor is COLE)
                    roster.enter(connection, _spec(entry), now)
                    self.roster[actor.id] = entry
        self.lines.forget()

    def enroll(self, op: Enroll, process: Process) -> None:
        """Enter a person anew, as the keeper of the roster."""
        self.meet()
        actor = USERS[op.who % len(USERS)]
        entry = Entry(actor, agreed=actor is COLE and op.change != "bare")
        if op.change == "suspend":
            entry = replace(entry, suspended=True)
        if op.change == "end":
            entry = replace(entry, until=self.cluster.clock.now().date())
        answer = self.decided(
            process,
            KIRA.id,
            lambda: process.store.admin.roster.enter(EU, _spec(entry)),
            lambda: against_entry(entry),
        )
        if answer.code == STORED:
            self.roster[actor.id] = entry
            self.lines.claim(LineKind.ROSTER, actor=actor.id, by=KIRA.id)
        elif answer.code == "killed":
            if self.lines.drop(LineKind.ROSTER, actor=actor.id, by=KIRA.id):
                self.roster[actor.id] = entry
            self.lines.drop(LineKind.REFUSAL, what="enter", actor=actor.id)
        else:
            self.refused(answer, what="enter", actor=actor.id, by=KIRA.id)

    def ask_for(self, op: Ask, process: Process) -> None:
        """Change what a tenant asks for."""
        name = self.busy_tenant(op.tenant)
        if TENANTS[name].home != EU:
            return
        self.traits[name] = frozenset() if op.trait is None else frozenset({op.trait})
        self.model.renewed[name] = self.cluster.clock.now()
        spec = self.spec(name, self.model.days(name))
        answer = self.ask(process, lambda: process.store.admin.tenants.ensure(spec))
        assert answer.code in {STORED, "killed"}, f"terms: {answer.code}"
        h = t.tenant.c
        with self.cluster.looking(EU) as connection:
            found = connection.scalar(select(h.traits).where(h.id == name)) or ()
        assert answer.code == "killed" or set(found) == self.traits[name], found
        self.traits[name] = frozenset(Trait(trait) for trait in found)

    def decided(
        self,
        process: Process,
        login: str | None,
        call: Callable[[], object],
        against: Callable[[], Reasons],
    ) -> Answer:
        """Make a call with somebody's login, and compare whether it is refused, and why."""
        region = homes_of(process.store).served(EU).region
        as_person = nullcontext() if login is None else acting(region, login)
        before = against()
        with as_person:
            answer = self.ask(process, call)
        self.acts_of_staff += 1
        after = against()
        allowed = {"killed"} | (set() if before and after else {STORED})
        allowed |= {"GrantRefused"} if before or after else set()
        assert answer.code in allowed, f"{answer}, not {allowed}: {before}, {after}"
        self.by_the_rule(answer, before | after)
        return answer

    def by_the_rule(self, answer: Answer, reasons: Collection[str]) -> None:
        """Require that a refusal has reasons, and each is one of these."""
        if answer.code.endswith("Refused"):
            assert answer.reasons, answer
            assert set(answer.reasons) <= set(reasons), f"{answer}, not {reasons}"

    def refused(self, answer: Answer, **facts: object) -> None:
        """Require the line of a refusal."""
        reasons = list(answer.reasons)
        self.lines.claim(LineKind.REFUSAL, error=answer.code, reasons=reasons, **facts)


def _spec(entry: Entry) -> RosterSpec:
    actor = entry.actor
    return RosterSpec(
        actor.id,
        actor.kind,
        KEEPER if actor is KIRA else "safety",
        actor.employer,
        actor.location,
        SINCE,
        entry.until,
        None if actor is KIT else actor.id,
        AGREEMENT if entry.agreed else None,
        entry.suspended,
    )
