"""Backends of a tenant's own: named by no verdict about another tenant."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import product

import pytest

from regions.backends import MemorySpec
from regions.load import load_topology
from regions.model import RECORD_CLASSES, DataClass, Region, Topology
from storage.errors import PlacementUnsatisfied
from storage.model import Dpa, PlacementReason, TenantSpec
from storage.policy import Placement, decide_placement

SHIPPED = load_topology()
EU = SHIPPED.regions["eu-central-1"]
US = SHIPPED.regions["us-east-1"]
DAY = date(2026, 3, 1)
SIGNED = (Dpa(signed=date(2026, 1, 5)),)
COMPANIES = ("lindenhost", "meerspeicher")
TENANTS = ("acme", "acme-test", "bolt", "corp", "delta")
OWNERS = ((), ("acme",), ("acme", "acme-test"), ("bolt",))


def spec(name: str, *owners: str, company: str = "lindenhost", retires: bool = False) -> MemorySpec:
    """Return a backend, dedicated to its owners."""
    shared = MemorySpec(name=name, sub_processor=company, retires=retires)
    return shared.model_copy(update={"dedicated_to": frozenset(owners)})


def region(*more: MemorySpec, of: Region = EU, **changes: object) -> Region:
    """Return a region with more backends, which come first."""
    return of.model_copy(update={"backends": (*more, *of.backends), **changes})


def topology(*regions: Region) -> Topology:
    """Return the shipped topology with changed regions."""
    changed = {each.name: each for each in regions}
    return SHIPPED.model_copy(update={"regions": {**SHIPPED.regions, **changed}})


def tenant(name: str, *, home: str = "eu-central-1", dedicated: bool = False) -> TenantSpec:
    """Return a tenant that may store data."""
    residency = SHIPPED.regions[home].jurisdiction
    return TenantSpec(name, "x", home, residency, agreements=SIGNED, dedicated=dedicated)


def placed(
    changed: Topology,
    given: TenantSpec,
    data_class: DataClass = DataClass.PROMPT,
    closed: Mapping[str, PlacementReason] | None = None,
    objections: Sequence[str] = (),
) -> Placement:
    """Return where a record goes."""
    return decide_placement(changed, given, data_class, DAY, closed or {}, objections=objections)


def owned() -> Iterator[Topology]:
    """Yield topologies: each way to give four backends of two companies to tenants or to nobody."""
    for owners in product(OWNERS, repeat=3):
        more = [
            spec(f"own-{n}", *names, company=COMPANIES[n % 2], retires=n == 2)
            for n, names in enumerate(owners)
        ]
        yield topology(region(*more, required=1), region(spec("us-own", "delta"), of=US))


def expected(changed: Topology, given: TenantSpec) -> set[str]:
    """Return the backends that may take a tenant's records: written apart from the policy."""
    everything = changed.regions[given.home].backends
    own = [each.name for each in everything if given.id in each.dedicated_to and not each.retires]
    common = [each.name for each in everything if not each.dedicated_to and not each.retires]
    return set(own or common)


def test_no_verdict_names_a_backend_of_another_tenant() -> None:
    """All topologies x tenants x classes x homes x what closes a backend."""
    cases = 0
    shut: tuple[dict[str, PlacementReason], ...] = (
        {},
        {"own-0": PlacementReason.POSTURE_BAD},
        {"eu-a": PlacementReason.POSTURE_UNKNOWN},
    )
    for changed in owned():
        specs = [each for one in changed.regions.values() for each in one.backends]
        for name, home, data_class, closed in product(
            TENANTS, changed.regions, RECORD_CLASSES, shut
        ):
            for dedicated in (False, True):
                given = tenant(name, home=home, dedicated=dedicated)
                found = placed(changed, given, data_class, closed)
                others = {b.name for b in specs if b.dedicated_to and name not in b.dedicated_to}
                named = {verdict.backend for verdict in found.verdicts}
                assert named == {b.name for b in specs} - others
                assert not others & {*found.backends, *found.lawful}
                fit = expected(changed, given)
                assert set(found.lawful) in (fit, set()), (name, changed.regions[home].backends)
                assert bool(found.lawful) == (found.refusal is None) == bool(found.backends)
                allowed = {verdict.backend for verdict in found.verdicts if verdict.allowed}
                assert allowed == fit - closed.keys()
                cases += 1
    assert cases == len(OWNERS) ** 3 * len(TENANTS) * 2 * len(RECORD_CLASSES) * len(shut) * 2


def test_its_own_come_first_and_alone() -> None:
    """As many as the region has replicas; the shared ones say that they are not its own."""
    changed = topology(region(spec("own-0", "acme"), spec("own-1", "acme"), spec("own-2", "acme")))

    found = placed(changed, tenant("acme"))

    reasons = {v.backend: v.reason.value for v in found.verdicts if v.region == EU.name}
    assert found.backends == ("own-0", "own-1")
    assert found.lawful == ("own-0", "own-1", "own-2")
    assert reasons == {
        "own-0": "allowed",
        "own-1": "allowed",
        "own-2": "spare",
        "eu-a": "not_dedicated",
        "eu-b": "not_dedicated",
    }


def test_it_is_refused_rather_than_put_elsewhere() -> None:
    """Too few of its own are lawful: the shared ones are not taken instead."""
    changed = topology(region(spec("own-0", "acme"), spec("own-1", "acme"), required=2))

    found = placed(changed, tenant("acme"), objections=["lindenhost"])

    assert isinstance(found.refusal, PlacementUnsatisfied)
    assert found.refusal.reasons == ("not_dedicated", "objected")
    assert "own-0: objected" in found.refusal.message
    assert placed(changed, tenant("bolt")).backends == ("eu-a", "eu-b")


def test_an_agreement_that_ended_does_not_let_it_share() -> None:
    """Its bytes go nowhere, until somebody decides."""
    ended = SHIPPED.sub_processors["lindenhost"].model_copy(update={"until": DAY})
    changed = topology(region(spec("own-0", "acme"), spec("own-1", "acme")))
    companies = {**changed.sub_processors, ended.name: ended}
    changed = changed.model_copy(update={"sub_processors": companies})

    assert placed(changed, tenant("acme")).refusal is not None
    yesterday = DAY - timedelta(1)
    before = decide_placement(
        changed, tenant("acme"), DataClass.PROMPT, yesterday, {}, objections=()
    )
    assert before.backends == ("own-0", "own-1")


def test_a_tenant_whose_own_all_retire_shares_again() -> None:
    """Its records go where those of others go, and so what is on its own can be moved."""
    own = [spec(f"own-{n}", "acme", retires=True) for n in range(2)]

    found = placed(topology(region(*own)), tenant("acme"))

    assert found.backends == ("eu-a", "eu-b")
    assert {v.reason.value for v in found.verdicts if v.backend.startswith("own")} == {
        "backend_retires"
    }


@pytest.mark.parametrize("name", [None, "acme", "bolt"])
def test_places_are_those_of_the_group(name: str | None) -> None:
    """What is one tenant's alone, and what several share."""
    own = spec("own-0", "acme"), spec("own-1", "acme", "acme-test")
    changed = region(*own)

    mine = ["own-0", "own-1"] if name == "acme" else ["eu-a", "eu-b"]
    assert [each.name for each in changed.places_of(name)] == mine
    groups = {t: [each.name for each in some] for t, some in changed.groups().items()}
    assert groups == {"acme": ["own-0", "own-1"], "acme-test": ["own-1"], None: ["eu-a", "eu-b"]}
