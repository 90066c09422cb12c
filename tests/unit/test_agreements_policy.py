"""Which agreements are in force, which may be recorded, and what HIPAA asks for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from regions.load import load_topology
from regions.model import PHI_AGREEMENTS, AgreementKind, Baa, DataClass, Topology
from storage.errors import AgreementMissing, AgreementRefused, PlacementUnsatisfied, Refused
from storage.model import (
    Agreement,
    Dpa,
    PlacementReason,
    RecordedAgreement,
    TenantSpec,
    Trait,
)
from storage.policy import (
    AgreementReason,
    HandOverReason,
    current,
    decide_placement,
    for_return_alone,
    in_force,
    may_hand_over,
    may_record,
    to_record,
)

SHIPPED = load_topology()
DAY = date(2026, 4, 1)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
BEGAN = date(2026, 1, 5)
DOCUMENT = "a" * 64
FOUNDED = date(2021, 3, 1)
R = AgreementReason


def signed(kind: AgreementKind, on: date = BEGAN, **other: date | None) -> Agreement:
    """Return an agreement of that kind."""
    return Agreement(kind, on, other.get("until"), other.get("since"), DOCUMENT, "Ada Example")


def entry(number: int, agreement: Agreement, supersedes: int | None = None) -> RecordedAgreement:
    """Return an entry that was recorded on the day of its number, in January."""
    return RecordedAgreement(
        UUID(int=number),
        "acme",
        agreement,
        None if supersedes is None else UUID(int=supersedes),
        datetime(2026, 1, number, 12, tzinfo=UTC),
        "admin",
    )


DPA = signed("dpa", date(2025, 6, 1))
ENDED = replace(DPA, until=date(2026, 2, 1))
HISTORY = [entry(1, DPA), entry(10, ENDED, 1), entry(20, signed("dpa", since=date(2026, 3, 1)))]


@pytest.mark.parametrize(
    ("on", "at", "expected"),
    [
        (date(2026, 1, 15), None, [10]),
        (date(2026, 1, 31), None, [10]),
        (date(2026, 2, 1), None, []),
        (date(2026, 2, 28), None, []),
        (date(2026, 3, 1), None, [20]),
        (date(2025, 5, 31), None, []),
        # as it was recorded at a moment: before the end was recorded, and before the renewal was
        (date(2026, 2, 15), datetime(2026, 1, 9, tzinfo=UTC), [1]),
        (date(2026, 2, 15), HISTORY[1].recorded, []),
        (date(2026, 2, 15), HISTORY[1].recorded - timedelta(microseconds=1), [1]),
        (date(2026, 3, 1), datetime(2026, 1, 15, tzinfo=UTC), []),
        (date(2026, 3, 1), datetime(2025, 1, 1, tzinfo=UTC), []),
    ],
)
def test_the_history_answers_for_a_day_as_it_was_recorded_at_a_moment(
    on: date, at: datetime | None, expected: list[int]
) -> None:
    """What was recorded later does not change what was known then."""
    assert [found.id.int for found in in_force(HISTORY, on, at=at)] == expected


@pytest.mark.parametrize(
    ("new", "supersedes", "reasons"),
    [
        (signed("dpa"), None, ()),
        (signed("dpa", DAY), None, ()),
        (signed("dpa", DAY, since=DAY + timedelta(400)), None, ()),
        (signed("dpa", DAY + timedelta(1)), None, (R.SIGNED_IN_FUTURE,)),
        (signed("dpa", date(1999, 1, 1)), None, (R.BEFORE_FOUNDED,)),
        (signed("dpa", FOUNDED), None, ()),
        (signed("dpa", DAY, since=date(1999, 1, 1)), None, (R.BEFORE_FOUNDED,)),
        (signed("dpa", until=BEGAN), None, (R.ENDS_BEFORE_IT_BEGINS,)),
        (signed("dpa", until=BEGAN + timedelta(1)), None, ()),
        (replace(DPA, until=DPA.begins), 10, ()),
        (replace(DPA, until=DPA.begins - timedelta(1)), 10, (R.ENDS_BEFORE_IT_BEGINS,)),
        (ENDED, 1, (R.SUPERSEDED_ALREADY,)),
        (signed("use_case"), 20, (R.ANOTHER_KIND,)),
        (signed("baa"), None, (R.BAA_WITHOUT_ENTERPRISE,)),
        (
            signed("baa", DAY + timedelta(1), until=BEGAN),
            None,
            (R.SIGNED_IN_FUTURE, R.ENDS_BEFORE_IT_BEGINS, R.BAA_WITHOUT_ENTERPRISE),
        ),
    ],
)
def test_what_cannot_be_is_not_recorded(
    new: Agreement, supersedes: int | None, reasons: tuple[AgreementReason, ...]
) -> None:
    """With every reason against it. The first day may lie ahead, the signature may not."""
    old = None if supersedes is None else UUID(int=supersedes)
    found = may_record(new, HISTORY, supersedes=old, founded=FOUNDED, today=DAY)

    assert found.reasons == reasons
    if reasons:
        with pytest.raises(AgreementRefused) as caught:
            found.demand()
        assert caught.value.reasons == reasons
        assert caught.value.message
        assert caught.value.advice


def test_the_example_says_when_its_operator_was_founded() -> None:
    """So the dates that are refused here are refused there."""
    assert SHIPPED.founded == FOUNDED


def test_without_a_founding_day_any_past_day_is_taken() -> None:
    """The table of the operator may be left out."""
    old = signed("dpa", date(1999, 1, 1))

    assert may_record(old, [], supersedes=None, founded=None, today=DAY).allowed


@pytest.mark.parametrize(
    ("enterprise", "baa", "allowed"),
    [
        (signed("enterprise"), signed("baa"), True),
        (signed("enterprise", until=DAY), signed("baa"), False),
        (signed("enterprise", until=DAY + timedelta(1)), signed("baa"), True),
        (signed("enterprise", since=DAY + timedelta(9)), signed("baa"), False),
        (
            signed("enterprise", since=DAY + timedelta(9)),
            signed("baa", since=DAY + timedelta(9)),
            True,
        ),
        (
            signed("enterprise", until=DAY + timedelta(9)),
            signed("baa", since=DAY + timedelta(9)),
            False,
        ),
        # one that is over counts on its first day
        (signed("enterprise", until=DAY), signed("baa", until=DAY), True),
    ],
)
def test_a_baa_needs_an_enterprise_agreement(
    enterprise: Agreement, baa: Agreement, *, allowed: bool
) -> None:
    """On its first day, or today if that is later."""
    found = may_record(baa, [entry(1, enterprise)], supersedes=None, founded=FOUNDED, today=DAY)

    assert found.allowed == allowed


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        (signed("baa"), signed("baa", until=DAY), True),
        (signed("baa", until=DAY), signed("baa", until=BEGAN), True),
        (signed("baa"), signed("baa"), True),  # with another document
        (signed("baa", until=DAY), signed("baa"), False),
        (signed("baa", until=DAY), signed("baa", until=DAY + timedelta(1)), False),
        (signed("baa"), signed("baa", since=BEGAN - timedelta(1)), False),
    ],
)
def test_a_baa_that_replaces_another_needs_an_enterprise_agreement(
    old: Agreement, new: Agreement, *, allowed: bool
) -> None:
    """Unless it is in force on no other day: a BAA may end when the enterprise agreement has."""
    history = [entry(1, signed("enterprise", until=BEGAN + timedelta(1))), entry(2, old)]
    found = may_record(new, history, supersedes=UUID(int=2), founded=FOUNDED, today=DAY)

    assert found.reasons == (() if allowed else (R.BAA_WITHOUT_ENTERPRISE,))


def test_terms_add_what_the_history_lacks_and_undo_nothing() -> None:
    """Whoever repeats the terms from before an end does not undo the end."""
    later = Dpa(signed=DAY)
    wanted = [signed("baa"), later, signed("enterprise"), DPA]

    steps = to_record(wanted, HISTORY)

    assert [(s.agreement, s.supersedes) for s in steps] == [
        (later, None),
        (signed("enterprise"), None),
        (signed("baa"), None),
    ]
    other_end = replace(DPA, until=date(2026, 5, 1))
    assert [s.supersedes for s in to_record([other_end], HISTORY)] == [UUID(int=10)]
    assert to_record([Dpa(signed=DPA.signed)], HISTORY) == []  # a document that is not given
    (unlike,) = to_record([replace(DPA, document="b" * 64)], HISTORY)
    assert unlike.supersedes is None


def test_nothing_supersedes_what_is_current() -> None:
    """An entry counts until another one names it."""
    assert [found.id.int for found in current(HISTORY)] == [10, 20]


HIPAA: Sequence[AgreementKind] = sorted(PHI_AGREEMENTS)
PHI = TenantSpec(
    "clinic",
    "clinic",
    "us-east-1",
    "US",
    agreements=(signed("dpa"), *(signed(kind) for kind in HIPAA)),
    traits=frozenset({Trait.PHI}),
)
CLEAR, PROMPT = "clearwater-screening", DataClass.PROMPT


def with_baas(*, without: str | None = None, until: date | None = None) -> Topology:
    """Return the shipped topology with a BAA of each company but one.

    ``until``: when that of the other company ends; None: it has none.
    """
    baa = Baa(document=DOCUMENT, since=BEGAN)
    companies = {}
    for name, company in SHIPPED.sub_processors.items():
        own = baa if name != without else None
        if name == without and until is not None:
            own = Baa(document=DOCUMENT, since=BEGAN, until=until)
        companies[name] = company.model_copy(update={"baa": own})
    return SHIPPED.model_copy(update={"sub_processors": companies})


def refusal(topology: Topology, tenant: TenantSpec) -> Refused | None:
    """Return why a record of a tenant is not stored."""
    found = decide_placement(topology, tenant, PROMPT, DAY, {}, objections=()).refusal
    assert found is None or isinstance(found, Refused)
    return found


class TestHipaa:
    """HIPAA needs a BAA, an enterprise agreement and a qualifying use case."""

    def test_hipaa_needs_a_baa_an_enterprise_agreement_and_a_qualifying_use_case(self) -> None:
        """With all of them, and a BAA of each company, a record is stored."""
        assert refusal(with_baas(), PHI) is None

    @pytest.mark.parametrize("trait", [True, False], ids=["trait", "residency"])
    @pytest.mark.parametrize(
        ("lapse", "change"),
        [
            ("missing", None),
            ("expired", {"until": DAY}),
            ("not_yet", {"since": DAY + timedelta(1)}),
        ],
    )
    @pytest.mark.parametrize("kind", HIPAA)
    def test_each_piece_that_is_missing_alone_refuses_by_its_name(
        self, kind: AgreementKind, lapse: str, change: dict[str, date] | None, *, trait: bool
    ) -> None:
        """Whether the tenant asks for it or its residency does."""
        left = [one for one in PHI.agreements if one.kind != kind]
        if change is not None:
            left.append(signed(kind, **change))
        topology, traits = with_baas(), PHI.traits
        if not trait:
            asked = topology.residencies["US"].agreements | PHI_AGREEMENTS
            us = topology.residencies["US"].model_copy(update={"agreements": asked})
            topology = topology.model_copy(update={"residencies": {"US": us}})
            traits = frozenset()

        found = refusal(topology, replace(PHI, agreements=tuple(left), traits=traits))

        assert isinstance(found, AgreementMissing)
        assert found.reasons == (f"{kind}_{lapse}",)
        assert kind in found.message

    @pytest.mark.parametrize("role", ["catalog", "keys", "backups"])
    def test_a_steward_without_a_baa_refuses_by_the_name_of_its_part(self, role: str) -> None:
        """Whoever runs the database, the keys or the backups touches it too."""
        region = SHIPPED.regions["us-east-1"]
        steward = dict(region.stewards)[role].model_copy(update={"sub_processor": CLEAR})
        topology = with_baas(without=CLEAR)
        changed = region.model_copy(update={role: steward})
        topology = topology.model_copy(
            update={"regions": {**topology.regions, region.name: changed}}
        )

        found = refusal(topology, PHI)

        assert isinstance(found, PlacementUnsatisfied)
        assert found.reasons == (f"{role}_baa_missing",)
        assert CLEAR in found.message
        plain = replace(PHI, traits=frozenset())
        assert refusal(topology, plain) is None

    @pytest.mark.parametrize("until", [None, DAY])
    def test_a_host_without_a_baa_gets_nothing(self, until: date | None) -> None:
        """The verdict names the backend and the reason; the others take the record."""
        region = SHIPPED.regions["us-east-1"]
        stewards = {steward.sub_processor for _, steward in region.stewards}
        host = next(s for s in region.backends if s.sub_processor not in stewards)
        topology = with_baas(without=host.sub_processor, until=until)

        found = decide_placement(topology, PHI, PROMPT, DAY, {}, objections=())

        verdicts = {verdict.backend: verdict.reason for verdict in found.verdicts}
        assert verdicts[host.name] is PlacementReason.SUB_PROCESSOR_BAA_MISSING
        assert host.name not in found.lawful
        plain = replace(PHI, traits=frozenset())
        others = decide_placement(topology, plain, PROMPT, DAY, {}, objections=())
        assert host.name in others.lawful

    @pytest.mark.parametrize("until", [None, DAY])
    def test_a_processor_without_a_baa_gets_no_copy(self, until: date | None) -> None:
        """The same at hand-over."""
        given = {"objections": ()}
        lacking = with_baas(without=CLEAR, until=until)
        moment = NOW

        refused = may_hand_over(lacking, PHI, PROMPT, CLEAR, moment, **given)

        assert refused.reason is HandOverReason.SUB_PROCESSOR_BAA_MISSING
        assert may_hand_over(with_baas(), PHI, PROMPT, CLEAR, moment, **given).allowed
        plain = replace(PHI, traits=frozenset())
        assert may_hand_over(lacking, plain, PROMPT, CLEAR, moment, **given).allowed


@pytest.mark.parametrize(
    ("agreements", "expected"),
    [
        ((DPA,), False),
        ((ENDED,), True),
        ((), True),
        ((ENDED, signed("dpa", DAY)), False),
        ((ENDED, signed("dpa", DAY, since=DAY + timedelta(1))), True),
        ((ENDED, signed("enterprise")), True),
    ],
)
def test_without_an_agreement_to_process_data_it_is_read_to_be_returned_alone(
    agreements: tuple[Agreement, ...], *, expected: bool
) -> None:
    """Unless the residency asks for none."""
    tenant = replace(PHI, agreements=agreements)
    us = SHIPPED.residencies["US"].model_copy(update={"agreements": frozenset()})
    free = SHIPPED.model_copy(update={"residencies": {"US": us}})

    assert for_return_alone(SHIPPED, tenant, DAY) is expected
    assert not for_return_alone(free, tenant, DAY)
