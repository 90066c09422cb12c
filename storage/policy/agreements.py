"""Decide which agreements are in force, which may be recorded, and what is missing.

The history of a tenant is only added to. Who may see it decides the catalog, which repeats in SQL
what must hold against a login with raw SQL, and refuses with the same reasons.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, get_args
from uuid import UUID

from regions.model import PHI_AGREEMENTS, AgreementKind, Topology
from storage.errors import AgreementRefused
from storage.model import Agreement, RecordedAgreement, TenantSpec, Trait

DPA: Final[AgreementKind] = "dpa"
_KINDS: Final[Sequence[AgreementKind]] = get_args(AgreementKind)


class AgreementReason(StrEnum):
    """Why an agreement is not recorded."""

    SIGNED_IN_FUTURE = "signed_in_future"
    BEFORE_FOUNDED = "before_founded"
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"
    BAA_WITHOUT_ENTERPRISE = "baa_without_enterprise"
    SUPERSEDED_ALREADY = "superseded_already"
    ANOTHER_KIND = "another_kind"
    UNKNOWN_TENANT = "unknown_tenant"


_TEXTS: Final[Mapping[AgreementReason, tuple[str, str]]] = {  # what happened and why; what to do
    AgreementReason.SIGNED_IN_FUTURE: (
        "An agreement that nobody has signed yet is not recorded.",
        "Give the day of the signature. The first day of the agreement may lie ahead: --from",
    ),
    AgreementReason.BEFORE_FOUNDED: (
        "The agreement is older than the operator (founded in topology.toml).",
        "Check the dates.",
    ),
    AgreementReason.ENDS_BEFORE_IT_BEGINS: (
        "The agreement ends before it begins.",
        "until is the first day without it.",
    ),
    AgreementReason.BAA_WITHOUT_ENTERPRISE: (
        "A business associate agreement needs an enterprise agreement that is in force with it.",
        "Record the enterprise agreement first: domicile tenant agreement add",
    ),
    AgreementReason.SUPERSEDED_ALREADY: (
        "Another entry has superseded this one.",
        "See: domicile tenant agreement list",
    ),
    AgreementReason.ANOTHER_KIND: (
        "An entry is superseded by one of its own kind.",
        "Leave supersedes out, or name an entry of that kind.",
    ),
    AgreementReason.UNKNOWN_TENANT: (
        "The tenant is not at home in this region.",
        "Check the tenant id.",
    ),
}


@dataclass(frozen=True, slots=True)
class Recording:
    """Whether an agreement may be recorded: it may if there is no reason not to."""

    reasons: tuple[AgreementReason, ...]

    @property
    def allowed(self) -> bool:
        """Whether it may be recorded."""
        return not self.reasons

    def demand(self) -> None:
        """Raise AgreementRefused unless it may be recorded."""
        if self.reasons:
            raise self.error()

    def error(self) -> AgreementRefused:
        """Return the error with all reasons."""
        said = " ".join(_TEXTS[reason][0] for reason in self.reasons)
        advice = " ".join(dict.fromkeys(_TEXTS[reason][1] for reason in self.reasons))
        return AgreementRefused(said, reasons=self.reasons, advice=advice)


def current(
    history: Sequence[RecordedAgreement], at: datetime | None = None
) -> list[RecordedAgreement]:
    """Return the entries that nothing supersedes, as they were recorded at a moment (None: now)."""
    known = [entry for entry in history if at is None or entry.recorded <= at]
    replaced = {entry.supersedes for entry in known}
    return [entry for entry in known if entry.id not in replaced]


def in_force(
    history: Sequence[RecordedAgreement], on: date, *, at: datetime | None = None
) -> list[RecordedAgreement]:
    """Return what is in force on a day, as it was recorded at a moment (None: now)."""
    return [entry for entry in current(history, at) if entry.agreement.in_force(on)]


def may_record(
    new: Agreement,
    history: Sequence[RecordedAgreement],
    *,
    supersedes: UUID | None,
    founded: date | None,
    today: date,
) -> Recording:
    """Decide whether an agreement may be added to the history of a tenant.

    ``supersedes``: the entry that it replaces, which is in the history.
    """
    return Recording(tuple(_against(new, history, supersedes, founded, today)))


def _against(
    new: Agreement,
    history: Sequence[RecordedAgreement],
    supersedes: UUID | None,
    founded: date | None,
    today: date,
) -> Iterator[AgreementReason]:
    if new.signed > today:
        yield AgreementReason.SIGNED_IN_FUTURE
    if founded is not None and min(new.signed, new.begins) < founded:
        yield AgreementReason.BEFORE_FOUNDED
    # one that is called off before its first day ends on that day
    shortest = 0 if supersedes is not None else 1
    if new.until is not None and (new.until - new.begins).days < shortest:
        yield AgreementReason.ENDS_BEFORE_IT_BEGINS
    if supersedes is not None:
        if supersedes not in {entry.id for entry in current(history)}:
            yield AgreementReason.SUPERSEDED_ALREADY
        if any(e.id == supersedes and e.agreement.kind != new.kind for e in history):
            yield AgreementReason.ANOTHER_KIND
    old = next((e.agreement for e in history if e.id == supersedes), None)
    shortened = old is not None and _within(new, old)
    if new.kind == "baa" and not shortened and not _with_enterprise(new, history, today):
        yield AgreementReason.BAA_WITHOUT_ENTERPRISE


def _within(new: Agreement, old: Agreement) -> bool:
    """Return whether it is in force on no day on which the old one was not: it may end any time."""
    sooner = old.until is None or (new.until is not None and new.until <= old.until)
    return new.begins >= old.begins and sooner


def _with_enterprise(baa: Agreement, history: Sequence[RecordedAgreement], today: date) -> bool:
    """Return whether an enterprise agreement is in force on the first day that matters."""
    on = baa.begins if baa.over(today) else max(baa.begins, today)
    return any(entry.agreement.kind == "enterprise" for entry in in_force(history, on))


@dataclass(frozen=True, slots=True)
class Step:
    """An agreement to record, and the entry that it supersedes."""

    agreement: Agreement
    supersedes: UUID | None


def to_record(given: Iterable[Agreement], history: Sequence[RecordedAgreement]) -> list[Step]:
    """Return what a tenant's terms state that its history lacks, in the order to record it.

    What is in the history stays there, also what is not stated. An agreement that is there with
    another end is superseded by the given one, unless the given one was there before.
    """
    steps = []
    for new in sorted(given, key=lambda one: (_KINDS.index(one.kind), one.begins, one.signed)):
        same = [entry for entry in history if _same(new, entry.agreement)]
        if any(entry.agreement.until == new.until for entry in same):
            continue
        now = {entry.id for entry in current(history)}
        old = next((entry.id for entry in same if entry.id in now), None)
        steps.append(Step(new, old))
    return steps


def _same(given: Agreement, known: Agreement) -> bool:
    """Return whether two are the same, whatever their ends. What is not given is not compared."""
    return (given.kind, given.signed, given.begins) == (
        known.kind,
        known.signed,
        known.begins,
    ) and given.document in (None, known.document)


def required(topology: Topology, residency: str, traits: Collection[Trait]) -> list[AgreementKind]:
    """Return the kinds that must be in force before anything is stored, in a fixed order."""
    wanted = topology.residencies[residency].agreements
    if Trait.PHI in traits:
        wanted |= PHI_AGREEMENTS
    return sorted(wanted)


def holds_phi(topology: Topology, tenant: TenantSpec) -> bool:
    """Return whether whatever touches the tenant's records needs an agreement under HIPAA."""
    residency = topology.residencies.get(tenant.residency)
    asked = residency is not None and "baa" in residency.agreements
    return Trait.PHI in tenant.traits or asked


def for_return_alone(topology: Topology, tenant: TenantSpec, on: date) -> bool:
    """Return whether records are only read to be returned: there is no agreement to process them.

    It is so for a tenant whose residency asks for a data processing agreement and that has none in
    force on that day (GDPR, article 28(3)(g)).
    """
    residency = topology.residencies.get(tenant.residency)
    if residency is None or DPA not in residency.agreements:
        return False
    return not any(one.kind == DPA and one.in_force(on) for one in tenant.agreements)
