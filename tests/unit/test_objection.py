"""Which companies a tenant may object to, and what an objection means."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.backends import MemorySpec
from regions.load import load_topology
from regions.model import Baa, CatalogSteward, DataClass, Region, Steward, SubProcessor, Topology
from storage.errors import ObjectionRefused, PlacementUnsatisfied
from storage.model import Dpa, TenantSpec, Trait
from storage.policy import (
    Objecting,
    ObjectionReason,
    decide_placement,
    may_hand_over,
    may_object,
)

SHIPPED = load_topology()
DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPEC = TenantSpec(
    "acme-eu", "acme", "eu-central-1", "EU", agreements=(Dpa(signed=date(2026, 1, 5)),)
)


def changed(company: str, **fields: object) -> Topology:
    """Return the shipped topology with another agreement of a company."""
    companies = dict(SHIPPED.sub_processors)
    companies[company] = companies[company].model_copy(update=fields)
    return SHIPPED.model_copy(update={"sub_processors": companies})


def with_region(name: str, **fields: object) -> Topology:
    """Return the shipped topology with a region that is new, or changed."""
    region = SHIPPED.regions.get(name, SHIPPED.regions["eu-central-1"])
    region = region.model_copy(update={"name": name, **fields})
    return SHIPPED.model_copy(update={"regions": {**SHIPPED.regions, name: region}})


def test_nothing_of_the_tenant_goes_to_a_company_that_it_objects_to() -> None:
    """The verdict says so, and the other places take the record."""
    placement = decide_placement(
        SHIPPED, SPEC, DataClass.PROMPT, DAY, {}, objections={"lindenhost"}
    )

    assert (placement.backends, placement.lawful) == (("eu-b",), ("eu-b",))
    assert [v.reason for v in placement.verdicts if v.backend == "eu-a"] == ["objected"]


def test_a_bucket_that_is_closed_gets_nothing_later_either() -> None:
    """An objection counts before the posture, for which a replica would only wait."""
    closed = (
        decide_placement(SHIPPED, SPEC, DataClass.PROMPT, DAY, {}, objections=()).verdicts[0].reason
    )
    placement = decide_placement(
        SHIPPED, SPEC, DataClass.PROMPT, DAY, {"eu-a": closed}, objections={"lindenhost"}
    )

    assert placement.lawful == ("eu-b",)


@pytest.mark.parametrize("role", ["catalog", "keys", "backups"])
def test_a_company_that_becomes_a_steward_ends_the_writes(role: str) -> None:
    """The objection was allowed before: the refusal says which part the company runs now."""
    steward = CatalogSteward if role == "catalog" else Steward
    home = with_region("eu-central-1", **{role: steward(sub_processor="lindenhost", location="EU")})

    refusal = decide_placement(
        home, SPEC, DataClass.PROMPT, DAY, {}, objections={"lindenhost"}
    ).refusal

    assert isinstance(refusal, PlacementUnsatisfied)
    assert refusal.reasons == (f"{role}_objected",)


def test_a_processor_that_a_tenant_objects_to_gets_no_copy() -> None:
    """Others do."""

    def asked(*objections: str) -> str:
        return may_hand_over(
            SHIPPED, SPEC, DataClass.PROMPT, "klarblick", NOON, objections=objections
        ).reason.value

    assert asked("klarblick") == "objected"
    assert asked("lindenhost") == "allowed"


def test_an_objection_says_what_is_left() -> None:
    """One place is enough for a write, and the tenant is told that it has no second one."""
    topology = changed("lindenhost", exit_days=30)

    effect = may_object(topology, SPEC, "lindenhost", (), DAY).demand()

    assert (effect.places, effect.fewer_replicas) == (("eu-b",), True)
    assert effect.due == DAY + timedelta(30)
    assert effect.too_few_from is None


def test_an_objection_to_a_company_without_a_part_changes_nothing() -> None:
    """It may be announced already, and begin later."""
    effect = may_object(SHIPPED, SPEC, "prairie-racks", (), DAY).demand()

    assert (effect.places, effect.fewer_replicas) == (("eu-a", "eu-b"), False)


def test_places_that_may_not_have_health_information_do_not_count() -> None:
    """Another place has no business associate agreement, or not for long."""
    baa = Baa(document="0" * 64, since=date(2025, 1, 1))
    health = replace(SPEC, traits=frozenset({Trait.PHI}))
    until = DAY + timedelta(100)

    def objecting(other: Baa | None) -> Objecting:
        return may_object(changed("meerspeicher", baa=other), health, "lindenhost", (), DAY)

    assert objecting(None).reason is ObjectionReason.TOO_FEW_LEFT
    assert objecting(baa).demand().too_few_from is None
    ending = objecting(baa.model_copy(update={"until": until}))
    assert ending.demand().too_few_from == until


@pytest.mark.parametrize(("name", "left"), [("acme-eu", ()), ("other", ("eu-b",))])
def test_only_the_places_of_the_tenant_count(name: str, left: tuple[str, ...]) -> None:
    """Its own, if it has any: what others share does not help it. Nor do its own help others."""
    own = MemorySpec(name="own", sub_processor="lindenhost", dedicated_to=frozenset({"acme-eu"}))
    backends = (*SHIPPED.regions["eu-central-1"].backends, own)
    topology = with_region("eu-central-1", backends=backends)

    found = may_object(topology, replace(SPEC, id=name), "lindenhost", (), DAY)

    assert (found.effect.places if found.effect else ()) == left


def test_the_end_of_an_agreement_counts_where_the_tenant_is() -> None:
    """What happens to the shared places does not concern one with its own."""
    ending = changed("meerspeicher", until=DAY + timedelta(100))
    own = [
        MemorySpec(name=f"own-{n}", sub_processor=company, dedicated_to=frozenset({"acme-eu"}))
        for n, company in enumerate(("lindenhost", "quellwerk"))
    ]
    region = ending.regions["eu-central-1"]
    region = region.model_copy(update={"backends": (*region.backends, *own)})
    topology = ending.model_copy(update={"regions": {**ending.regions, region.name: region}})

    assert may_object(topology, SPEC, "lindenhost", (), DAY).demand().too_few_from is None


def test_an_objection_that_leaves_too_few_places_is_refused() -> None:
    """With earlier objections counted; it says what is left, and what would help."""
    with pytest.raises(ObjectionRefused) as caught:
        may_object(SHIPPED, SPEC, "meerspeicher", {"lindenhost"}, DAY).demand()

    assert caught.value.reasons == ("too_few_left",)
    assert "has 0 places" in caught.value.message
    assert "needs 1" in caught.value.message
    assert "Have a backend of another company added" in caught.value.advice


def test_the_end_of_another_agreement_is_told_at_once() -> None:
    """The objection is allowed today; from the day on which the last other place closes, no more.

    Nothing new goes to a company in its exit days.
    """
    end = DAY + timedelta(100)
    topology = changed("meerspeicher", until=end, exit_days=30)

    effect = may_object(topology, SPEC, "lindenhost", (), DAY).demand()

    assert effect.too_few_from == end - timedelta(30)
    on = effect.too_few_from
    objected = {"lindenhost"}
    last = decide_placement(
        topology, SPEC, DataClass.PROMPT, on - timedelta(1), {}, objections=objected
    )
    first = decide_placement(topology, SPEC, DataClass.PROMPT, on, {}, objections=objected)
    assert last.refusal is None
    assert first.refusal is not None


def test_a_steward_can_only_be_left_for_another_region() -> None:
    """The refusal names the parts, and the regions within the residency that avoid it."""
    own = [MemorySpec(name=f"eu-n{n}", sub_processor="meerspeicher") for n in (1, 2)]
    parts = {
        "catalog": CatalogSteward(sub_processor="meerspeicher", location="EU"),
        "keys": Steward(sub_processor="lindenhost", location="EU"),
        "backups": Steward(sub_processor="lindenhost", location="EU"),
    }
    other = with_region("eu-north-1", backends=tuple(own), **parts)

    with pytest.raises(ObjectionRefused) as caught:
        may_object(other, SPEC, "quellwerk", (), DAY).demand()
    refused = caught.value
    assert refused.reasons == ("steward",)
    assert "runs the catalog and the keys and the backups of eu-central-1" in refused.message
    assert refused.advice.endswith("Regions within EU without it: eu-north-1.")

    alone = may_object(other, SPEC, "quellwerk", {"lindenhost"}, DAY)
    assert alone.advice.endswith("none in this topology.")


def test_an_unknown_company_is_refused_with_the_known_ones() -> None:
    """A typing error must not look like an objection that counts."""
    with pytest.raises(ObjectionRefused) as caught:
        may_object(SHIPPED, SPEC, "lindenhst", (), DAY).demand()

    assert caught.value.reasons == ("unknown_company",)
    assert "lindenhost" in caught.value.advice


COMPANIES = [f"company-{n}" for n in range(4)]
OFFSETS = st.integers(-40, 40).map(timedelta)


@st.composite
def company(draw: st.DrawFn, name: str) -> SubProcessor:
    """Return a host with random dates around DAY, and an announcement that may be too late."""
    since = DAY + draw(OFFSETS)
    until = draw(st.none() | st.integers(1, 60).map(lambda days: since + timedelta(days)))
    plain = SHIPPED.sub_processors["lindenhost"]
    changes = {"name": name, "since": since, "until": until, "exit_days": draw(st.integers(0, 20))}
    return plain.model_copy(update=changes)


@st.composite
def region(draw: st.DrawFn, name: str, jurisdiction: str) -> Region:
    """Return a region of one to four memory backends, run by random companies."""
    run_by = draw(st.lists(st.sampled_from(COMPANIES), min_size=1, max_size=4))
    specs = [
        MemorySpec(name=f"{name}-{n}", sub_processor=who, retires=draw(st.booleans()))
        for n, who in enumerate(run_by)
    ]
    steward = draw(st.sampled_from(COMPANIES))
    replicas = draw(st.integers(1, len(specs)))
    plain = SHIPPED.regions["eu-central-1"]
    part = Steward(sub_processor=steward, location=jurisdiction)
    return plain.model_copy(
        update={
            "name": name,
            "jurisdiction": jurisdiction,
            "backends": tuple(specs),
            "replicas": replicas,
            "required": draw(st.integers(1, replicas)),
            "catalog": CatalogSteward(sub_processor=steward, location=jurisdiction),
            "keys": part,
            "backups": part,
        }
    )


@st.composite
def topology(draw: st.DrawFn) -> Topology:
    """Return two regions of the EU and one of the US, with four companies."""
    places = [("eu-1", "EU"), ("eu-2", "EU"), ("us-1", "US")]
    regions = {name: draw(region(name, where)) for name, where in places}
    companies = {name: draw(company(name)) for name in COMPANIES}
    return SHIPPED.model_copy(update={"regions": regions, "sub_processors": companies})


@given(
    topology(),
    st.sampled_from(["eu-1", "eu-2", "us-1"]),
    st.lists(st.sampled_from(COMPANIES), max_size=3),
    OFFSETS,
)
def test_no_placement_names_a_place_that_it_must_not(
    changed: Topology, home: str, objections: Sequence[str], later: timedelta
) -> None:
    """Not one of an objected company, one whose agreement does not cover the day, or a foreign one.

    Neither for a replica now, nor for a key or a replica that waits for a bucket that is closed.
    """
    on = DAY + later
    spec = TenantSpec("t", "a", home, "EU", agreements=(Dpa(signed=date(2025, 1, 1)),))

    placement = decide_placement(changed, spec, DataClass.PROMPT, on, {}, objections=objections)

    specs = {b.name: (r, b) for r in changed.regions.values() for b in r.backends}
    for name in {*placement.backends, *placement.lawful}:
        where, backend = specs[name]
        who = changed.sub_processors[backend.sub_processor]
        assert (where.name, where.jurisdiction) == (home, "EU")
        assert who.name not in objections
        assert who.active(on)
        stewards = {steward.sub_processor for _, steward in where.stewards}
        assert stewards.isdisjoint(objections)
    assert bool(placement.backends) is (placement.refusal is None)
    assert len(placement.lawful) >= placement.required


@given(topology(), st.sampled_from(["eu-1", "eu-2"]), st.lists(st.sampled_from(COMPANIES)), OFFSETS)
def test_an_objection_that_is_allowed_leaves_the_tenant_its_writes(
    changed: Topology, home: str, before: list[str], later: timedelta
) -> None:
    """And the places that it names are those that decide_placement allows."""
    on = DAY + later
    spec = TenantSpec("t", "a", home, "EU", agreements=(Dpa(signed=date(2025, 1, 1)),))
    objection, *before = before or COMPANIES[:1]
    if (
        decide_placement(changed, spec, DataClass.PROMPT, on, {}, objections=before).refusal
        is not None
    ):
        return

    effect = may_object(changed, spec, objection, before, on).effect
    after = decide_placement(
        changed, spec, DataClass.PROMPT, on, {}, objections=[*before, objection]
    )

    assert (effect is not None) is (after.refusal is None)
    assert effect is None or effect.places == after.lawful
