"""Where a record may live, and which tenants are refused."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import product

import pytest

from regions.load import load_topology
from regions.model import RECORD_CLASSES, DataClass, SubProcessor, Topology
from storage.errors import (
    AgreementMissing,
    ConsumerTenant,
    PlacementUnsatisfied,
    Refused,
    ResidencyUnsatisfied,
    UnknownClass,
)
from storage.model import Agreement, Dpa, TenantSpec
from storage.policy import Placement, admit, decide_placement

DAY = date(2026, 3, 1)
SIGNED = Dpa(signed=date(2026, 1, 5))
SHIPPED = load_topology()

STATES: Mapping[str, tuple[date, date | None]] = {
    "active": (date(2025, 1, 1), None),
    "not_yet": (DAY + timedelta(1), None),
    "ended": (date(2025, 1, 1), DAY),
}


def tenant(
    home: str = "eu-central-1",
    residency: str = "EU",
    *,
    service: str = "api",
    agreements: tuple[Agreement, ...] = (SIGNED,),
    retention: Mapping[DataClass, int] | None = None,
    name: str = "acme-eu",
    account: str = "acme",
) -> TenantSpec:
    """Return a tenant that may store data, with changes."""
    return TenantSpec(
        name, account, home, residency, service, agreements, retention=retention or {}
    )


def with_states(states: Mapping[str, str]) -> Topology:
    """Return the shipped topology, with sub-processors active, not yet or ended on DAY."""
    companies: dict[str, SubProcessor] = dict(SHIPPED.sub_processors)
    for name, state in states.items():
        since, until = STATES[state]
        companies[name] = companies[name].model_copy(update={"since": since, "until": until})
    return SHIPPED.model_copy(update={"sub_processors": companies})


def with_region(**changes: object) -> Topology:
    """Return the shipped topology, with a changed eu-central-1."""
    region = SHIPPED.regions["eu-central-1"].model_copy(update=changes)
    return SHIPPED.model_copy(update={"regions": {**SHIPPED.regions, region.name: region}})


def reasons(placement: Placement) -> dict[str, str]:
    """Return the reason for each backend."""
    return {verdict.backend: verdict.reason for verdict in placement.verdicts}


def refused(placement: Placement) -> Refused:
    """Return the refusal, which must have reasons."""
    assert isinstance(placement.refusal, Refused)
    return placement.refusal


def table() -> Iterator[tuple[dict[str, str], DataClass, str, str]]:
    """Yield each state of each company x class x residency x home of the shipped topology."""
    companies = sorted(c.name for c in SHIPPED.sub_processors.values() if c.service == "hosting")
    for states in product(STATES, repeat=len(companies)):
        for row in product(RECORD_CLASSES, SHIPPED.residencies, SHIPPED.regions):
            yield dict(zip(companies, states, strict=True)), *row


def expected_reason(states: Mapping[str, str], residency: str, home: str, backend: str) -> str:
    """Compute the reason for one backend independently of the policy.

    In the shipped topology a residency is named like its one jurisdiction, no region has spares,
    and one company runs a region's database, keys and backups.
    """
    region = next(
        region
        for region in SHIPPED.regions.values()
        if backend in {spec.name for spec in region.backends}
    )
    company = {spec.name: spec.sub_processor for spec in region.backends}[backend]
    if region.jurisdiction != residency:
        return "outside_residency"
    if region.name != home:
        return "other_region"
    if states[region.catalog.sub_processor] != "active":
        return f"catalog_sub_processor_{states[region.catalog.sub_processor]}"
    return "allowed" if states[company] == "active" else f"sub_processor_{states[company]}"


def test_the_whole_table_of_the_shipped_topology() -> None:
    """Bytes go only to active companies of a home within the residency; reasons are exact."""
    rows = 0
    backends = [spec.name for r in SHIPPED.regions.values() for spec in r.backends]
    for states, data_class, residency, home in table():
        placement = decide_placement(
            with_states(states), tenant(home, residency), data_class, DAY, {}, objections=()
        )

        expected = {name: expected_reason(states, residency, home, name) for name in backends}
        wanted = tuple(name for name in backends if expected[name] == "allowed")
        resident = SHIPPED.regions[home].jurisdiction == residency
        error = PlacementUnsatisfied if resident else ResidencyUnsatisfied
        rows += 1
        assert reasons(placement) == expected
        assert placement.backends == wanted
        assert {v.backend for v in placement.verdicts if v.allowed} == set(wanted)
        assert type(placement.refusal) is (type(None) if wanted else error)
        assert placement.required == (1 if wanted else 0)

    assert rows == 3**6 * 4 * 3 * 2


def test_no_backend_takes_a_flag() -> None:
    """It is no record: it is kept in the row of one."""
    placement = decide_placement(SHIPPED, tenant(), DataClass.FLAG, DAY, {}, objections=())

    assert (placement.backends, placement.lawful) == ((), ())
    assert isinstance(placement.refusal, UnknownClass)


def test_a_record_goes_to_the_home_region_primary_first() -> None:
    """Backends keep the topology's order of preference."""
    placement = decide_placement(
        SHIPPED, tenant(), DataClass.PROMPT, DAY, {}, objections=()
    ).demand()

    assert placement.backends == ("eu-a", "eu-b")
    assert placement.required == 1
    assert reasons(placement) == {
        "eu-a": "allowed",
        "eu-b": "allowed",
        "us-a": "outside_residency",
        "us-b": "outside_residency",
    }


def test_a_backend_more_than_wanted_is_spare_until_it_is_needed() -> None:
    """A spare is allowed but not used, unless it replaces a backend that is not allowed."""
    topology = with_region(replicas=1)
    placement = decide_placement(topology, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    assert placement.backends == ("eu-a",)
    assert [v.allowed for v in placement.verdicts[:2]] == [True, True]
    assert reasons(placement)["eu-b"] == "spare"

    ended = topology.model_copy(
        update={"sub_processors": with_states({"lindenhost": "ended"}).sub_processors}
    )

    assert decide_placement(ended, tenant(), DataClass.PROMPT, DAY, {}, objections=()).backends == (
        "eu-b",
    )


def test_another_region_of_the_same_residency_is_not_used() -> None:
    """Data stays in the tenant's home even where the residency allows a neighbor."""
    wide = SHIPPED.residencies["EU"].model_copy(update={"jurisdictions": frozenset({"EU", "US"})})
    topology = SHIPPED.model_copy(update={"residencies": {"EU": wide}})

    placement = decide_placement(topology, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    assert placement.backends == ("eu-a", "eu-b")
    assert reasons(placement)["us-a"] == "other_region"


def test_fewer_backends_than_wanted_are_enough_but_not_fewer_than_required() -> None:
    """Below the wanted number, a repair is due; below the required number, it is refused."""
    states = with_states({"lindenhost": "ended"})

    assert decide_placement(
        states, tenant(), DataClass.PROMPT, DAY, {}, objections=()
    ).backends == ("eu-b",)

    strict = with_region(required=2).model_copy(update={"sub_processors": states.sub_processors})
    placement = decide_placement(strict, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    assert isinstance(placement.refusal, PlacementUnsatisfied)
    assert (placement.backends, placement.required) == ((), 0)
    assert refused(placement).reasons == ("sub_processor_ended",)
    assert refused(placement).message == (
        "eu-central-1 has fewer lawful backends (1) than a write needs (2): "
        "eu-a: sub_processor_ended."
    )


@pytest.mark.parametrize("role", ["catalog", "keys", "backups"])
@pytest.mark.parametrize("state", ["not_yet", "ended"])
def test_nothing_is_stored_where_rows_keys_or_backups_may_not_be(role: str, state: str) -> None:
    """The rows and keys about a record must be allowed where it is stored."""
    topology = with_states({"ledgerline": state})
    steward = SHIPPED.regions["eu-central-1"].keys.model_copy(
        update={"sub_processor": "ledgerline"}
    )
    region = SHIPPED.regions["eu-central-1"].model_copy(update={role: steward})
    topology = topology.model_copy(update={"regions": {region.name: region}})

    placement = decide_placement(topology, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    code = f"{role}_sub_processor_{state}"
    assert isinstance(placement.refusal, PlacementUnsatisfied)
    assert refused(placement).reasons == (code,)
    assert set(reasons(placement).values()) == {code}


def test_dates_count_from_the_first_day_until_before_the_last() -> None:
    """A company whose agreement ends on a day gets no new data from that day on."""
    topology = with_states({"lindenhost": "ended"})
    before = decide_placement(
        topology, tenant(), DataClass.PROMPT, DAY - timedelta(1), {}, objections=()
    )

    assert before.backends == ("eu-a", "eu-b")

    topology = with_states({"lindenhost": "not_yet"})
    after = decide_placement(
        topology, tenant(), DataClass.PROMPT, DAY + timedelta(1), {}, objections=()
    )

    assert after.backends == ("eu-a", "eu-b")


def test_an_agreement_that_ends_as_it_begins_has_ended() -> None:
    """On its only date it is over, and not still to come."""
    lindenhost = SHIPPED.sub_processors["lindenhost"].model_copy(
        update={"since": DAY, "until": DAY}
    )
    companies = SHIPPED.sub_processors | {"lindenhost": lindenhost}
    topology = SHIPPED.model_copy(update={"sub_processors": companies})
    placement = decide_placement(topology, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    assert reasons(placement)["eu-a"] == "sub_processor_ended"


@pytest.mark.parametrize("service", ["consumer", "chat", "", "API"])
def test_only_api_tenants_are_served(service: str) -> None:
    """Consumer products are refused at admission and at every write."""
    consumer = tenant(service=service)

    with pytest.raises(ConsumerTenant):
        admit(SHIPPED, consumer)
    with pytest.raises(ConsumerTenant):
        decide_placement(SHIPPED, consumer, DataClass.PROMPT, DAY, {}, objections=()).demand()


@pytest.mark.parametrize(
    ("agreements", "code"),
    [
        ((), "dpa_missing"),
        ((Dpa(signed=DAY + timedelta(1)),), "dpa_not_yet"),
        ((Dpa(signed=date(2025, 1, 1), until=DAY),), "dpa_expired"),
        ((Dpa(signed=DAY, until=DAY),), "dpa_expired"),
        (
            (Dpa(signed=date(2025, 1, 1), until=DAY), Dpa(signed=DAY + timedelta(1))),
            "dpa_not_yet",
        ),
    ],
)
def test_a_required_agreement_must_be_in_force(
    agreements: tuple[Agreement, ...], code: str
) -> None:
    """Without it nothing is stored, and the refusal says why; the tenant may be created."""
    customer = tenant(agreements=agreements)
    placement = decide_placement(SHIPPED, customer, DataClass.PROMPT, DAY, {}, objections=())

    admit(SHIPPED, customer)
    assert isinstance(placement.refusal, AgreementMissing)
    assert refused(placement).reasons == (code,)
    assert "dpa" in refused(placement).message
    assert reasons(placement)["eu-a"] == code


def test_one_agreement_in_force_is_enough() -> None:
    """A renewed agreement counts, whatever the state of the former one."""
    renewed = (Dpa(signed=date(2025, 1, 1), until=DAY), Dpa(signed=DAY))

    decide_placement(
        SHIPPED, tenant(agreements=renewed), DataClass.PROMPT, DAY, {}, objections=()
    ).demand()


def test_a_residency_without_agreements_asks_for_none() -> None:
    """The residency defines which agreements are required."""
    free = SHIPPED.residencies["EU"].model_copy(update={"agreements": frozenset()})
    topology = SHIPPED.model_copy(update={"residencies": {"EU": free}})

    decide_placement(
        topology, tenant(agreements=()), DataClass.PROMPT, DAY, {}, objections=()
    ).demand()


@pytest.mark.parametrize(
    ("home", "residency", "code", "advice"),
    [
        ("us-east-1", "EU", "outside_residency", "eu-central-1"),
        ("eu-central-1", "CH", "outside_residency", "none in this topology"),
        ("mars-1", "EU", "unknown_home", "eu-central-1"),
        ("eu-central-1", "UK", "unknown_residency", "CH, EU, US"),
    ],
)
def test_a_residency_that_the_home_does_not_satisfy_is_refused_with_advice(
    home: str, residency: str, code: str, advice: str
) -> None:
    """The advice names valid values, and no other backend is used instead."""
    customer = tenant(home, residency)
    placement = decide_placement(SHIPPED, customer, DataClass.PROMPT, DAY, {}, objections=())

    assert isinstance(placement.refusal, ResidencyUnsatisfied)
    assert refused(placement).reasons == (code,)
    assert advice in refused(placement).advice
    assert (placement.backends, placement.required) == ((), 0)
    assert not any(verdict.allowed for verdict in placement.verdicts)
    with pytest.raises(ResidencyUnsatisfied):
        admit(SHIPPED, customer)


def test_a_class_that_the_topology_does_not_have_is_refused() -> None:
    """A class without a rule is stored nowhere."""
    files_only = {DataClass.FINE_TUNING_FILE: SHIPPED.classes[DataClass.FINE_TUNING_FILE]}
    topology = SHIPPED.model_copy(update={"classes": files_only})
    placement = decide_placement(topology, tenant(), DataClass.PROMPT, DAY, {}, objections=())

    assert isinstance(placement.refusal, UnknownClass)
    assert "fine_tuning_file" in placement.refusal.advice
    assert reasons(placement)["eu-a"] == "unknown_class"


def test_a_refused_placement_names_no_backend_and_raises_each_time() -> None:
    """Without a call of ``demand`` there is nowhere to write; two calls add no traceback."""
    placement = decide_placement(
        SHIPPED, tenant(service="consumer"), DataClass.PROMPT, DAY, {}, objections=()
    )
    depths = []
    for _ in range(2):
        with pytest.raises(ConsumerTenant) as caught:
            placement.demand()
        depths.append(len(caught.traceback))

    assert placement.backends == ()
    assert depths[0] == depths[1]


def test_the_same_question_has_the_same_answer() -> None:
    """Placement depends on its arguments alone."""
    asked = [
        decide_placement(SHIPPED, tenant(), DataClass.PROMPT, DAY, {}, objections=())
        for _ in range(2)
    ]

    assert asked[0] == asked[1]
