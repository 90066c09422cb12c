"""Consent, and what runs of training are given, on the cluster and on the model."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations

from storage.errors import NotFound
from storage.model import Consent, ExclusionReason, TrainingRecord
from tests.support.screening import MILL
from tests.support.stories.calls import COMPLETION, EU, PROMPT, TENANTS
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.holds import Holds
from tests.support.stories.model import FILE, LATEST, STORED, ErasureModel, Name, RecordModel, ended
from tests.support.stories.operations import Say, Train
from tests.support.stories.screenings import Screenings
from tests.support.training import PROMPTS, TRAIN

_NAMED = (PROMPT, COMPLETION)  # by the wording
_SILENT = {"LedgerUnwritten", "Abandoned", "KeyUnavailable", "BackendUnavailable", "Corrupt"}
_MANY = 4  # statements of which nobody knows whether they count


@dataclass(eq=False)
class Said:
    """A yes or no to training, of a tenant or a subject. Not ``sure``: perhaps it counts."""

    tenant: str
    subject: str | None
    yes: bool
    given: datetime
    covers_from: date
    recorded: datetime = LATEST
    sure: bool = False

    def about(self, rec: RecordModel) -> bool:
        """Return whether it is about the record."""
        named = rec.tenant == self.tenant and rec.id.data_class in _NAMED
        return named and self.subject in {None, rec.lineage.subject}


@dataclass(frozen=True)
class Given:
    """A record that a run was given, by a call that ended at ``until``."""

    rec: RecordModel
    until: datetime


def _answer(said: Iterable[Said], origin: date) -> bool | None:
    """Return what one holder says of a day; None: nothing."""
    said = list(said)
    refused = max((one.given for one in said if not one.yes), default=None)
    newer = [one for one in said if one.yes and (refused is None or one.given > refused)]
    if any(one.covers_from <= origin for one in newer):
        return True
    return None if refused is None else False


def _permits(said: Collection[Said], rec: RecordModel) -> bool:
    """Return whether the tenant says yes, and the subject does not say no."""
    days = [rec.lineage.origin.date()]
    days += [] if rec.content.origin is None else [rec.content.origin.date]
    mine = _answer((one for one in said if one.subject is not None), min(days))
    return mine is not False and _answer((x for x in said if x.subject is None), min(days)) is True


class Trainings(Screenings, Holds):
    """Says yes and no, trains, and compares what runs must not use any more."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.said: list[Said] = []
        self.given: dict[str, list[Given]] = {}
        self.perhaps: dict[str, set[Name]] = {}  # given for certain, or noted in vain
        self.confirmed: dict[str, datetime] = {}

    def say(self, op: Say, process: Process) -> None:
        """Consent, or withdraw."""
        name = self.busy_tenant(op.tenant)
        if TENANTS[name].home != EU:
            return
        since, well = self.cluster.clock.now(), self.well(EU)
        said = Said(name, op.subject, op.yes, since, since.date() - timedelta(days=op.back))
        alone = all(other.sure for other in self.said) and len(self.said)
        self.said.append(said)
        answer = self.ask(process, lambda: self._state(said, process))
        slow = (self.cluster.clock.now() - since).total_seconds() > 10
        if isinstance(answer.result, Consent):
            said.given, said.recorded = answer.result.given, answer.result.recorded
            said.sure = True
            return
        allowed = {"killed"} | ({"LedgerUnwritten", "Abandoned"} if slow or not well else set())
        allowed |= {"ConsentRefused"} if alone != len(self.said) - 1 else set()
        assert answer.code in allowed, f"{said}: {answer.code}"

    def _state(self, said: Said, process: Process) -> Consent:
        consents = process.store.consents
        if not said.yes:
            return consents.withdraw(
                said.tenant, classes=_NAMED, purposes=TRAIN, by="ann", subject=said.subject
            )
        return consents.give(
            said.tenant,
            wording=PROMPTS,
            classes=_NAMED,
            purposes=TRAIN,
            by="ann",
            subject=said.subject,
            covers_from=said.covers_from,
        )

    def train(self, op: Train, process: Process) -> None:
        """Read all records of a tenant for a run, and compare what is handed out."""
        name, run = self.busy_tenant(op.tenant), f"run-{op.run}"
        if TENANTS[name].home != EU:
            return
        self.meet_machine()
        got: list[TrainingRecord] = []
        before, happened, sure = self._may_train(name), self._so_far(), self._all_read()
        with self.during(EU) as over:
            answer = self.ask(process, lambda: self._read(name, run, process, got))
            during = over()
        after, still = self._may_train(name), happened == self._so_far()
        sure = sure and self._all_read() and not during.slow
        allowed = {STORED, "killed"} | (set() if sure else _SILENT)
        allowed |= set() if still else {"TermsChanged", "PurposeRefused", "Erased", "NotFound"}
        assert answer.code in allowed, f"training: {answer.code}, not {allowed}"
        both = {unique: before.get(unique, {True}) | may for unique, may in after.items()}
        self._judge_given(name, got, both)
        self.given.setdefault(run, []).extend(
            Given(self.model.records[name, one.record.id.unique], during.until)
            for one in got
            if one.record.id.unique in both
        )
        noted = {(name, unique) for unique, may in both.items() if True in may}
        self.perhaps.setdefault(run, set()).update(noted)
        if answer.code == STORED and still and sure:
            missing = {unique for unique, may in both.items() if may == {True}}
            missing -= {one.record.id.unique for one in got}
            assert not missing, f"{run} was not given {len(missing)} records of {name}"

    def _judge_given(
        self, name: str, got: Sequence[TrainingRecord], may: dict[bytes, set[bool]]
    ) -> None:
        for one in got:
            rec = self.model.records.get((name, one.record.id.unique))
            if rec is not None:
                assert True in may[rec.id.unique], f"a run was given {rec}"
                assert one.record.body == rec.content.body, rec

    def _read(self, name: str, run: str, process: Process, got: list[TrainingRecord]) -> None:
        classes = (*_NAMED, FILE)
        with process.store.training(name, run=run, actor=MILL, classes=classes) as read:
            got.extend(read)

    def _may_train(self, name: str) -> dict[bytes, set[bool]]:
        """Return by record whether it may be handed out: two answers where nobody is sure."""
        now = self.cluster.clock.now()
        return {rec.id.unique: self._may(rec, now) for rec in self.model.of(name)}

    def _may(self, rec: RecordModel, now: datetime) -> set[bool]:
        kept = self.model.days_during(rec.tenant, rec.id.data_class, len(self.model.changes))
        over = [rec.expired(now) or ended(days, rec.begins, now) for days in kept]
        holds = [held for held in self.holds if held.covers(rec)]
        by = any(h.id and not h.ending and rec.id.data_class not in h.let_go for h in holds)
        if rec.erased_by is not None or all(over) or by or rec.id.data_class not in _NAMED:
            return {False}
        if rec in self.flagged:
            return {False}
        doubt = any(over) or holds or rec.covered(self.model.coming) or self.screening
        return self._consents(rec) | ({False} if doubt else set())

    def _consents(self, rec: RecordModel) -> set[bool]:
        about = [one for one in self.said if one.about(rec)]
        sure, unsure = [x for x in about if x.sure], [x for x in about if not x.sure]
        if len(unsure) > _MANY:
            return {True, False}
        some = (c for n in range(len(unsure) + 1) for c in combinations(unsure, n))
        return {_permits([*sure, *chosen], rec) for chosen in some}

    def _all_read(self) -> bool:
        return self.well(EU) and self.reads_anywhere(EU) and not self.cluster.damaged

    def _so_far(self) -> tuple[object, ...]:
        """Return what another process may change meanwhile."""
        model = self.model
        under_way = len(model.wishes), len(model.coming), len(model.changing)
        done = len(model.ever()), len(model.eras), len(model.changes), len(self.said)
        held = [(held.id, held.ending, tuple(held.let_go)) for held in self.holds]
        flags = len(self.flagged), self.screening
        return (*under_way, *done, *flags, self.cluster.clock.now().date(), *held)

    def look_at_runs(self, process: Process, *, everything: bool = False) -> None:
        """Compare what runs must not use any more."""
        runs = sorted(self.given)
        for number, run in enumerate(runs):
            if everything or self._turn % len(runs) == number:
                self._compare_excluded(run, process)

    def _compare_excluded(self, run: str, process: Process) -> None:
        try:
            listed = process.store.training_runs.exclusions(run)
        except NotFound:
            found = {}
        else:
            found = {(x.tenant, x.record.unique): x.reason for x in listed.records}
        for one in self.given[run]:
            rec = one.rec
            if rec.erased_by is not None:
                assert found.get(rec.name) is ExclusionReason.ERASED, f"not excluded: {rec}"
            elif any(x.sure and self._refuses(x, rec, one.until) for x in self.said):
                assert rec.name in found, f"not excluded: {rec}"
        assert found.keys() <= self.perhaps[run], f"{run} was never given what is on its list"
        again = {rec.name for rec in self.model.past}
        for name, reason in found.items():
            rec = self.model.records[name]
            if reason is ExclusionReason.ERASED:
                gone = rec.erased_by or rec.covered(self.model.coming) or name in again
                assert gone, f"not erased: {rec}"
            else:
                assert any(not x.yes and x.about(rec) for x in self.said), f"not refused: {rec}"

    def _refuses(self, said: Said, rec: RecordModel, since: datetime) -> bool:
        return not said.yes and said.about(rec) and said.recorded > since

    def confirm_runs(self, process: Process) -> None:
        """Confirm for each run that it has nothing more of what is on its list."""
        for run in sorted(self.given):
            if any(name for name in self.perhaps[run]):
                try:
                    listed = process.store.training_runs.exclusions(run)
                except NotFound:
                    assert not self.given[run]
                    continue
                list(listed.records)
                answer = self.ask(
                    process,
                    lambda run=run, listed=listed: process.store.training_runs.confirm(  # type: ignore[misc]
                        run, listed=listed.listed, document="d" * 64, by="ann"
                    ),
                )
                noted = answer.code == STORED
                assert noted or (answer.code == "NotFound" and not self.given[run]), answer.code
                self.confirmed[run] = listed.listed

    def runs_have_confirmed(self, era: ErasureModel, recs: Collection[RecordModel]) -> None:
        """Require that no run has what a complete erasure covers."""
        for run, given in self.given.items():
            if any(one.rec in recs and one.until < era.asked for one in given):
                when = self.confirmed.get(run)
                assert when is not None, f"{run} has what is said to be gone"
                assert when > era.asked, f"{run} has what is said to be gone"
