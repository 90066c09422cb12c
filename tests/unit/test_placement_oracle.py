"""No record is placed where it may not be, in any topology: compared with an oracle."""

from collections.abc import Mapping
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from regions.backends import BackendSpec
from regions.model import DataClass, Region, SubProcessor, Topology
from storage.model import PlacementReason
from storage.policy import decide_placement
from tests.unit.test_placement import DAY, SHIPPED, tenant

COMPANIES = tuple(f"company-{n}" for n in range(5))
HOSTS, STEWARDS = COMPANIES[:4], COMPANIES[3:]  # one of them may be both
REGIONS = {"eu-central-1": "EU", "eu-2": "EU", "us-east-1": "US"}
LONG_AGO = date(2020, 1, 1)
NEAR = st.integers(-40, 40).map(lambda days: DAY + timedelta(days))
HOST = SHIPPED.sub_processors["lindenhost"]
SPEC = SHIPPED.regions["eu-central-1"].backends[0]


@st.composite
def companies(draw: st.DrawFn, name: str) -> SubProcessor:
    """A company with any dates, also such as no file may have."""
    kinds: dict[str, dict[str, object]] = {
        "good": {},
        "late": {"announced": draw(NEAR), "notice_days": draw(st.sampled_from((1, 30)))},
        "new": {"since": draw(NEAR)},
        "ends": {"until": draw(NEAR), "exit_days": draw(st.sampled_from((0, 1, 10)))},
    }
    dates = kinds[draw(st.sampled_from(("good", "good", "late", "new", "ends")))]
    return HOST.model_copy(update={"name": name, "since": LONG_AGO, **dates})


@st.composite
def places(draw: st.DrawFn, name: str) -> Region:
    """A region with one to four backends, whose stewards are mostly one company."""

    def backend(number: int) -> BackendSpec:
        changes = {
            "name": f"{name}-{number}",
            "sub_processor": draw(st.sampled_from(HOSTS)),
            "retires": draw(st.sampled_from((False, False, False, True))),
        }
        return SPEC.model_copy(update=changes)

    number = draw(st.sampled_from((1, 3, 4)))
    replicas = draw(st.integers(1, number))
    shipped = SHIPPED.regions["eu-central-1"]
    steward = shipped.keys.model_copy(update={"sub_processor": draw(st.sampled_from(STEWARDS))})
    return shipped.model_copy(
        update={
            "name": name,
            "jurisdiction": REGIONS[name],
            "keys": steward,
            "backups": steward,
            "catalog": shipped.catalog.model_copy(update={"sub_processor": STEWARDS[-1]}),
            "replicas": replicas,
            "required": draw(st.integers(1, replicas)),
            "backends": tuple(backend(n) for n in range(number)),
        }
    )


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Any topology, built without the checks of a file."""
    return SHIPPED.model_copy(
        update={
            "regions": {name: draw(places(name)) for name in REGIONS},
            "sub_processors": {name: draw(companies(name)) for name in COMPANIES},
        }
    )


def _may_hold(company: SubProcessor, on: date) -> bool:
    """Whether a company may hold data: announced in time, begun, and not ended."""
    days_told = None if company.announced is None else (on - company.announced).days
    told = days_told is None or days_told >= company.notice_days
    return told and on >= company.since and (company.until is None or on < company.until)


def _takes(spec: BackendSpec, company: SubProcessor, on: date) -> bool:
    """Whether a backend takes anything new."""
    left = None if company.until is None else (company.until - on).days
    stays = left is None or left > company.exit_days
    return _may_hold(company, on) and stays and not spec.retires


def expected(
    topology: Topology, home: str, on: date, closed: Mapping[str, object], objections: set[str]
) -> set[str]:
    """Compute where the bytes of a record may be; empty if it is refused."""
    region, companies_ = topology.regions[home], topology.sub_processors
    if region.jurisdiction != "EU":
        return set()
    for _, steward in region.stewards:
        name = steward.sub_processor
        if name in objections or not _may_hold(companies_[name], on):
            return set()
    good = {
        spec.name
        for spec in region.backends
        if spec.sub_processor not in objections and _takes(spec, companies_[spec.sub_processor], on)
    }
    return good if len(good - closed.keys()) >= region.required else set()


@given(
    topology=topologies(),
    home=st.sampled_from(("eu-central-1", "eu-central-1", *REGIONS)),
    on=NEAR,
    objections=st.sets(st.sampled_from(HOSTS), max_size=1),
    closed_ones=st.sets(st.integers(0, 3), max_size=2),
)
def test_a_record_is_placed_where_it_may_be_and_nowhere_else(
    topology: Topology, home: str, on: date, objections: set[str], closed_ones: set[int]
) -> None:
    """Not at a company that is announced too late, objected to, ended, leaving or elsewhere."""
    closed = {f"{home}-{n}": PlacementReason.POSTURE_BAD for n in closed_ones}
    may_be = expected(topology, home, on, closed, objections)

    placed = decide_placement(
        topology, tenant(home), DataClass.PROMPT, on, closed, objections=objections
    )

    assert set(placed.lawful) == may_be
    assert set(placed.backends) <= may_be
    assert {verdict.region for verdict in placed.verdicts if verdict.allowed} <= {home}
    assert bool(placed.refusal) == (not may_be)
    if may_be:
        assert len(placed.backends) == min(len(may_be), topology.regions[home].replicas)
