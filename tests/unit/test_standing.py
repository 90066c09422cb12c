"""Which backends take bytes, which may be read, and when one may be emptied."""

from datetime import date, timedelta

import pytest

from regions.backends import BackendSpec, MemorySpec
from regions.load import load_topology
from regions.model import Region
from storage.errors import RetirementRefused
from storage.policy import RetireReason, Standing, may_leave, may_retire, peers, settle, standing

REGION = load_topology().regions["eu-central-1"]
COMPANY = load_topology().sub_processors["lindenhost"]
STAYS = MemorySpec(name="eu-a", sub_processor="lindenhost")
RETIRES = MemorySpec(name="eu-a", sub_processor="lindenhost", retires=True)
END = date(2026, 6, 1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (COMPANY.since - DAY, Standing.NOT_YET),
        (COMPANY.since, Standing.OPEN),
        (END - 31 * DAY, Standing.OPEN),
        (END - 30 * DAY, Standing.LEAVING),
        (END - DAY, Standing.LEAVING),
        (END, Standing.ENDED),
    ],
)
def test_an_agreement_from_its_beginning_to_its_end(on: date, expected: Standing) -> None:
    """``exit_days`` before ``until`` nothing new goes there; from ``until`` nothing is read."""
    company = COMPANY.model_copy(update={"until": END, "exit_days": 30})

    assert standing(STAYS, company, on) is expected


def test_without_exit_days_an_agreement_is_used_until_its_end() -> None:
    """And without an end it is used for ever, however many days an exit takes."""
    ends = COMPANY.model_copy(update={"until": END})
    endless = COMPANY.model_copy(update={"exit_days": 30})

    assert standing(STAYS, ends, END - DAY) is Standing.OPEN
    assert standing(STAYS, endless, date(2126, 1, 1)) is Standing.OPEN


def test_a_backend_that_retires_leaves_while_its_agreement_lasts() -> None:
    """The end of the agreement is the stricter of the two."""
    ends = COMPANY.model_copy(update={"until": END})

    assert standing(RETIRES, ends, END - DAY) is Standing.LEAVING
    assert standing(RETIRES, ends, END) is Standing.ENDED


def test_what_each_standing_allows() -> None:
    """A place that may hold nothing is read by nothing but the duty that empties it."""
    assert {s for s in Standing if s.readable} == {Standing.OPEN, Standing.LEAVING}
    assert {s for s in Standing if s.vacating} == {Standing.LEAVING, Standing.ENDED}


@pytest.mark.parametrize(
    ("backends", "lawful", "expected"),
    [
        (("a", "b"), ("a", "b", "c"), ("a", "b")),
        (("a", "b"), ("b", "c"), ("b", "c")),
        (("a", "b"), ("b",), ("b", "a")),
        (("a", "b"), (), ("a", "b")),
        (("gone", "b"), ("a", "b"), ("b", "a")),
        (("a", "b", "c"), ("b", "c"), ("b", "c")),
        (("a", "b", "c"), ("c",), ("c", "a")),
        (("a",), (), ("a",)),
    ],
)
def test_an_object_keeps_its_number_of_replicas(
    backends: tuple[str, ...], lawful: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """A lawful backend takes the place of each that is not, as soon as there is one.

    More than the two replicas of each object are not waited for: they are of keys and ledger
    entries, which are on every lawful backend.
    """
    assert settle(backends, lawful, 2) == expected


@pytest.mark.parametrize(
    ("home", "intact", "required", "leaves"),
    [
        ({"b", "c"}, {"b", "c"}, 1, True),
        ({"b", "c"}, {"b"}, 1, False),
        ({"b", "c"}, {"b", "x"}, 1, False),
        ({"b"}, {"b"}, 1, True),
        ({"b"}, {"b"}, 2, False),
        (set(), set(), 1, False),
    ],
)
def test_a_replica_leaves_when_the_others_were_read(
    home: set[str], intact: set[str], required: int, *, leaves: bool
) -> None:
    """All of them, and as many as a write needs."""
    assert may_leave(home=home, intact=intact, required=required) is leaves


def with_backends(*more: BackendSpec) -> Region:
    """Return the region with more backends."""
    return REGION.model_copy(update={"backends": (*REGION.backends, *more)})


def own(*owners: str, retires: bool = True) -> MemorySpec:
    """Return a backend that is dedicated to tenants."""
    return MemorySpec(
        name=f"own-{'-'.join(owners)}",
        sub_processor="lindenhost",
        dedicated_to=frozenset(owners),
        retires=retires,
    )


@pytest.mark.parametrize(
    ("more", "leaves", "reason"),
    [
        # those of others do not count: neither acme's for what is shared, nor the shared for acme
        ((own("acme", retires=False),), "eu-a", RetireReason.TOO_FEW_LEFT),
        ((own("acme"), own("acme", "b", retires=False)), "own-acme", RetireReason.TOO_FEW_LEFT),
        # if all of its own retire it shares, and its bytes go there
        ((own("acme"),), "own-acme", RetireReason.ALLOWED),
        ((own("acme", "b"), own("b", retires=False)), "own-acme-b", RetireReason.TOO_FEW_LEFT),
    ],
)
def test_a_dedicated_backend_is_emptied_to_those_of_its_tenants(
    more: tuple[MemorySpec, ...], leaves: str, reason: RetireReason
) -> None:
    """Enough places must be left for each of them."""
    region = with_backends(*more)
    standings = {
        spec.name: Standing.LEAVING if spec.retires or spec.name == leaves else Standing.OPEN
        for spec in region.backends
    }
    assert may_retire(region, leaves, standings).reason is reason


def test_peers_take_the_bytes_of_the_same_tenants() -> None:
    """Where what is on a backend that leaves can go."""
    region = with_backends(own("acme", "b"), own("b", retires=False))

    assert peers(region, "eu-a") == ["eu-a", "eu-b"]
    assert peers(region, "own-b") == ["own-acme-b", "own-b"]
    assert peers(region, "own-acme-b") == ["eu-a", "eu-b", "own-acme-b", "own-b"]


def test_a_backend_is_emptied_only_if_the_topology_says_so() -> None:
    """And only if enough lawful backends are left for every replica."""
    region = with_backends(MemorySpec(name="eu-c", sub_processor="lindenhost"))
    standings = dict.fromkeys(("eu-a", "eu-b", "eu-c"), Standing.OPEN)

    undeclared = may_retire(region, "eu-a", standings)
    allowed = may_retire(region, "eu-a", standings | {"eu-a": Standing.LEAVING})
    few = may_retire(
        region, "eu-a", standings | {"eu-a": Standing.LEAVING, "eu-b": Standing.NOT_YET}
    )

    assert undeclared.reason is RetireReason.NOT_DECLARED
    assert allowed.reason is RetireReason.ALLOWED
    assert few.reason is RetireReason.TOO_FEW_LEFT
    allowed.demand()
    for refused in (undeclared, few):
        with pytest.raises(RetirementRefused, match="eu-a"):
            refused.demand()
