"""A plan gives what deciding anew gives, until the moment at which it ends."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Bounds, ClassRule, DataClass, Epoch, Purpose, Topology
from storage.errors import DomicileError
from storage.model import Agreement, PlacementReason, RecordId, TenantSpec
from storage.policy import Placement, Plan, Term, accept_id, decide_placement, plan_writes, retain

SHIPPED = load_topology()
DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
CLOSED = {"eu-b": PlacementReason.POSTURE_BAD}

# Agreements, companies and epochs begin and end on days around this one.
days = st.integers(-2, 2).map(lambda n: DAY + timedelta(days=n))
moments = st.integers(0, 3 * 24 * 60).map(lambda m: NOON - timedelta(days=1, minutes=-m))


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Draw a topology in which much may change within a day or at its end."""
    rule = ClassRule(
        name=DataClass.PROMPT,
        retention_days=draw(st.sampled_from([None, 0, 1, 2, 3, 30])),
        ceiling_days=None,
        floor_days=draw(st.sampled_from([None, 1, 20])),
        purposes=frozenset({Purpose.SERVE}),
    )
    companies = {
        name: one.model_copy(update={"until": draw(st.none() | days), "exit_days": 0})
        for name, one in SHIPPED.sub_processors.items()
    }
    epochs = (
        Epoch.model_construct(
            begins=draw(days), ceiling_days={DataClass.PROMPT: draw(st.integers(2, 5))}
        ),
    )
    return SHIPPED.model_copy(
        update={
            "classes": {**SHIPPED.classes, DataClass.PROMPT: rule},
            "bounds": Bounds(purge_hours=draw(st.integers(1, 60))),
            "sub_processors": companies,
            "epochs": draw(st.sampled_from([(), epochs])),
        }
    )


Drawn = tuple[Plan, Callable[[datetime], tuple[object, object]]]


@st.composite
def plans(draw: st.DrawFn) -> Drawn:
    """Draw a plan, and the function that decides anew."""
    topology, closed = draw(topologies()), draw(st.sampled_from([{}, CLOSED]))
    signed = Agreement("dpa", DAY - timedelta(days=9), draw(st.none() | days))
    tenant = TenantSpec("acme-eu", "acme", "eu-central-1", "EU", agreements=(signed,))
    companies = draw(st.sampled_from([frozenset[str](), frozenset({"castle-cloud-eu"})]))

    def anew(at: datetime) -> tuple[object, object]:
        placed = decide_placement(
            topology, tenant, DataClass.PROMPT, at.date(), closed, objections=companies
        )
        return _shown(placed), retain(topology, tenant, DataClass.PROMPT, at)

    now = draw(moments)
    plan = plan_writes(topology, tenant, DataClass.PROMPT, now, closed, objections=companies)
    return plan, anew


def _shown(placed: Placement) -> object:
    """What a placement says. Refusals are equal if they say the same."""
    return placed.backends, placed.lawful, placed.required, placed.verdicts, str(placed.refusal)


def outcome(decide: Callable[[], Term]) -> object:
    """What a decision returns, or what it refuses with."""
    try:
        return decide()
    except DomicileError as error:
        return type(error), str(error)


@given(drawn=plans(), share=st.integers(0, 999))
def test_a_plan_says_what_deciding_anew_says_until_it_ends(drawn: Drawn, share: int) -> None:
    """At its first and last moment, and at any in between."""
    plan, anew = drawn
    lasts = plan.ends - plan.begins
    within = (plan.begins, plan.begins + lasts * share // 1000, plan.ends - TICK)

    for moment in within:
        assert plan.covers(moment)
        assert (_shown(plan.placement), plan.term) == anew(moment)
    assert not plan.covers(plan.begins - TICK)
    assert not plan.covers(plan.ends)


@given(
    drawn=plans(),
    asked=st.integers(-24, 48).map(lambda h: timedelta(hours=h)),
    minted=st.sampled_from([-25, -23, -1, 0]).map(lambda h: timedelta(hours=h)),
    later=st.none() | st.integers(-2, 2),
    origin=st.none() | days,
)
def test_a_plan_accepts_the_ids_that_are_accepted_without_it(
    drawn: Drawn, asked: timedelta, minted: timedelta, later: int | None, origin: date | None
) -> None:
    """Also at moments that it does not cover, and for data from before Domicile."""
    plan, _ = drawn
    now, error = plan.begins + asked, timedelta(milliseconds=100)
    usual = retain(plan.topology, plan.tenant, DataClass.PROMPT, now).expiry_day or now.date()
    expires = None if later is None else usual + timedelta(days=later)
    record = RecordId(DataClass.PROMPT, "eu-central-1", now + minted, expires, bytes(16))

    assert outcome(lambda: plan.accept(record, now, error, origin=origin)) == outcome(
        lambda: accept_id(plan.topology, plan.tenant, record, now, error, origin=origin)
    )
