"""Openings by people, on the cluster and on the model."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from storage.client.files import OpenFile
from storage.model import Actor, LineKind, Purpose
from tests.support.stories.calls import EU, TENANTS, Answer
from tests.support.stories.cluster import Process
from tests.support.stories.grant_model import (
    ANSWER,
    LEGAL,
    LOOK,
    GrantModel,
    Reasons,
    against_person,
    against_use,
)
from tests.support.stories.grants import Grants
from tests.support.stories.model import STORED, During, RecordModel
from tests.support.stories.reads import Reads
from tests.support.stories.screenings import Screenings
from tests.support.stories.staff import PEOPLE, USERS, VERA
from tests.support.stories.staff_operations import Look, StaffOp

_SILENT = {"KeyUnavailable", "BackendUnavailable", "Corrupt"}
_UNPUBLISHED = {"TooFewReplicas", "Unavailable"}
_REFUSED = {"PurposeRefused", "GrantRefused", "HoldRefused"}
_GONE = {"Erased": "erased", "Expired": "expired"}


@dataclass(frozen=True)
class Opening:
    """Who opens which record, for what, and under which grant."""

    actor: Actor
    purpose: Purpose
    rec: RecordModel
    grant: GrantModel | None

    @property
    def facts(self) -> dict[str, object]:
        """What each line says of it."""
        return {
            "actor": self.actor.id,
            "purpose": self.purpose.value,
            "tenant": self.rec.tenant,
            "record": str(self.rec.id),
            "grant": None if self.grant is None else str(self.grant.id),
        }


@dataclass(frozen=True)
class Verdict:
    """Why an opening is refused: by the ``catalog``, or later by the key service.

    ``unsure``: it may be refused all the same, because a hold is about to change.
    """

    catalog: Reasons
    keys: Reasons
    unsure: bool

    @property
    def against(self) -> Reasons:
        """All reasons for certain."""
        return self.catalog | self.keys


class Openings(Screenings, Grants, Reads):
    """Opens records as people, and compares the answers and the log."""

    def look(self, op: Look, process: Process) -> None:
        """Open a record and read a range; and another one, after what happens then."""
        self.meet()
        it = self._chosen(op)
        if it is None:
            return
        held = it.grant.hold if it.grant is not None and it.purpose is LEGAL else None
        known = held is not None and held in self.holds
        if held is not None and known and not self.is_confirmed(held, process):
            return
        body = it.rec.content.body
        answer = self._judged(it, process, self._opener(it, process), begins=True)
        if not isinstance(answer.result, OpenFile):
            return
        with answer.result as file:
            first = self._judged(it, process, lambda: file.read_range(0, 9), begins=False)
            assert first.code != STORED or first.result == body[:9], it
            for other in op.then:
                self.play_within(other, process)
            start = min(5, len(body))  # an event has no content
            rest = self._judged(
                it, process, lambda: file.read_range(start, len(body)), begins=False
            )
            assert rest.code != STORED or rest.result == body[start:], it

    @abstractmethod
    def play_within(self, op: StaffOp, process: Process) -> None:
        """Play an operation while a person has a record open."""

    def _chosen(self, op: Look) -> Opening | None:
        grant = self.nth_grant(op.number)
        if grant is None:
            return None
        name, actor, purpose = grant.tenant, PEOPLE[grant.user], grant.purpose
        if op.how == "tenant":
            here = [n for n in self.names if TENANTS[n].home == EU]
            name = here[(here.index(name) + 1) % len(here)]
        if op.how == "another":
            actor = USERS[(USERS.index(actor) + 1) % len(USERS)]
        if op.how == "purpose":
            purpose = ANSWER if purpose is LOOK else LOOK
        rec = self.record(name, op.record)
        if rec is None:
            return None
        return Opening(actor, purpose, rec, None if op.how == "none" else grant)

    def _opener(self, it: Opening, process: Process) -> Callable[[], object]:
        number = None if it.grant is None else it.grant.id
        tenant = process.store.tenant(it.rec.tenant).bind(it.actor, grant=number)
        return lambda: tenant.open(it.rec.id, purpose=it.purpose)

    def _judged(
        self, it: Opening, process: Process, call: Callable[[], object], *, begins: bool
    ) -> Answer:
        """Make a call, and compare its answer with the rule before and after it, and the log."""
        sure = self.well(EU) and self.reads_anywhere(EU) and not self.cluster.damaged
        with self.during(EU) as over:
            before, acts = self._verdict(it), self._acts()
            answer = self.ask(process, call)
            during = over()
        after, alone = self._verdict(it), acts == self._acts()
        sure = sure and not during.slow
        names, allowed = self._allowed(it, before, after, during)
        allowed |= _REFUSED if not alone else set()
        allowed |= set() if sure else _SILENT | _UNPUBLISHED
        assert answer.code in allowed, f"{answer}, not {allowed}: {it}, {before}, {after}"
        if alone:
            self.by_the_rule(replace(answer, reasons=_plain(answer.reasons)), _plain(names))
        self._leaves_lines(it, answer, before, after, begins=begins)
        return answer

    def _allowed(
        self, it: Opening, before: Verdict, after: Verdict, during: During
    ) -> tuple[Reasons, set[str]]:
        """Return for what reasons it may be refused, and the right answers."""
        gone = {STORED} if it.purpose is LEGAL else self.model.readable(it.rec, during)
        never = bool(before.against and after.against)
        allowed = {"killed"} | (gone - {STORED} if never else gone)
        names = before.against | after.against
        names |= {"not_held", "hold_not_in_force", "hold_released"} if before.unsure else set()
        if names:
            allowed |= {"PurposeRefused"}
        if before.unsure or after.unsure:
            allowed |= _REFUSED
        return names | {_GONE[code] for code in gone if code in _GONE}, allowed

    def _verdict(self, it: Opening) -> Verdict:
        today, traits = self.cluster.clock.now().date(), self.traits[it.rec.tenant]
        reasons = against_person(it.actor, self.roster.get(it.actor.id), today)
        grant = it.grant
        if grant is None:
            held = it.purpose is LEGAL
            return Verdict(reasons | {"not_held" if held else "no_grant"}, set(), unsure=False)
        if (grant.user, grant.tenant, grant.purpose) != (it.actor.id, it.rec.tenant, it.purpose):
            reasons |= {"grant_for_another"}
        now, flagged = self.cluster.clock.now(), it.rec in self.flagged
        reasons |= against_use(grant, it.rec, traits, now, flagged=flagged)
        keys = {"approver_not_pinned"} if grant.seconds and VERA.id not in grant.seconds else set()
        unsure = bool(self.screening)
        if it.purpose is LEGAL:
            kept = self._kept_for(it)
            reasons |= {"not_held"} if kept is False else set()
            unsure = unsure or kept is None
        return Verdict(reasons, keys, unsure)

    def _kept_for(self, it: Opening) -> bool | None:
        """Return whether the hold of the grant keeps the record; None: nobody is sure."""
        held = None if it.grant is None else it.grant.hold
        if held is None or held not in self.holds:
            return False
        if held.ending:
            return None
        if it.rec in held.kept:
            return True
        return None if held.covers(it.rec) else False

    def _acts(self) -> tuple[object, ...]:
        """Return what another process, or time, may change meanwhile."""
        model = self.model
        under_way = len(model.coming), len(model.changing), len(model.eras), len(model.changes)
        holds = tuple((held.id, held.ending) for held in self.holds)
        return self.acts_of_staff, self.screening, len(self.flagged), *under_way, *holds

    def _leaves_lines(
        self, it: Opening, answer: Answer, before: Verdict, after: Verdict, *, begins: bool
    ) -> None:
        """Require the lines about a call, and note what is counted against the grant."""
        lines, facts = self.lines, it.facts
        if answer.code == STORED:
            if begins:
                lines.claim(LineKind.OPENING, **facts)
                lines.published(str(it.rec.id), None if it.grant is None else str(it.grant.id))
        elif answer.code in _REFUSED | {"Erased", "Expired", "NotFound"}:
            self.refused(answer, **facts)
            if begins:
                counted = lines.drop(LineKind.OPENING, **facts)
                sure = before == after and not before.unsure
                assert not (sure and before.catalog and counted), f"{it} is said to be opened"
                if it.grant is not None and not counted:
                    return
        else:
            lines.drop(LineKind.REFUSAL, **facts)
            if not (begins and lines.drop(LineKind.OPENING, **facts)):
                return
        if begins and it.grant is not None:
            it.grant.opened.add(it.rec.id.unique)


def _plain(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return reasons as the policy and the catalog both call them."""
    same = {"customer_has_not_approved": "customer_not_asked", "another_actor": "for_another"}
    plain = (str(why).removeprefix("grant_") for why in reasons)
    return tuple(same.get(why, why) for why in plain)
