"""A sub-processor gets no data before its notice is over, whatever dates are stated."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import check
from regions.load import load_topology
from regions.model import DataClass, SubProcessor, Topology
from storage.model import Dpa, TenantSpec
from storage.model.listing import Listed, Part, PartKind
from storage.policy import (
    Notice,
    NoticeReason,
    Standing,
    carry,
    decide_placement,
    list_companies,
    may_go_back,
    may_hand_over,
    notice_faults,
    standing,
    union,
)

TOPOLOGY = load_topology()
HOME = "eu-central-1"
TODAY = date(2026, 3, 1)
DAYS = st.dates(date(2025, 1, 1), date(2027, 12, 31))
DAY = timedelta(days=1)
BACKEND = Part(HOME, PartKind.BACKEND, ("prompt",), "eu-n")
ELSEWHERE = Part("us-east-1", PartKind.BACKEND, ("prompt",), "us-n")
TENANT = TenantSpec("acme", "acme", HOME, "EU", agreements=[Dpa(signed=date(2024, 1, 5))])


def day(days: int) -> date:
    """So many days after TODAY."""
    return TODAY + days * DAY


def company(since: int, announced: int | None = 0, notice: int = 30, **changes: object) -> Listed:
    """Return a company with a backend in the EU; its dates are days after TODAY."""
    made = Listed(
        "neu",
        "Neu GmbH",
        "hosting",
        ("EU",),
        ("Germany",),
        ("API",),
        day(announced) if announced is not None else None,
        notice,
        day(since),
        None,
        (BACKEND,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def faults(seen: Sequence[Listed] | None, new: Listed) -> list[Notice]:
    """Return what the catalog of the EU refuses today."""
    return list(notice_faults(seen, [new], HOME, TODAY))


def too_soon(since: int, allowed: int) -> list[Notice]:
    """Return the fault of a company that begins too soon."""
    return [Notice("neu", "since", NoticeReason.TOO_SOON, day(since), day(allowed))]


@given(
    announced=DAYS,
    notice=st.integers(0, 365),
    later=st.integers(-400, 400),
    before=st.integers(1, 400),
)
def test_nothing_goes_to_a_company_before_its_notice_is_over(
    announced: date, notice: int, later: int, before: int
) -> None:
    """No placement, no standing and no hand-over, whatever dates the topology loads with."""
    over = announced + notice * DAY
    dates = {"announced": announced, "notice_days": notice, "since": over + later * DAY}
    host, processor = (
        TOPOLOGY.sub_processors[name].model_copy(update=dates)
        for name in ("lindenhost", "klarblick")
    )
    if list(check.sub_processor(host)) or list(check.sub_processor(processor)):
        assert later < 0
        return
    on = over - before * DAY
    changed = with_companies(host, processor)

    placed = decide_placement(changed, TENANT, DataClass.PROMPT, on, {}, objections=())
    spec = changed.regions[HOME].backends[0]
    noon = datetime.combine(on, time(12), UTC)

    assert spec.sub_processor == "lindenhost"
    assert spec.name not in (*placed.backends, *placed.lawful)
    assert standing(spec, host, on) is Standing.NOT_YET
    assert not may_hand_over(
        changed, TENANT, DataClass.PROMPT, "klarblick", noon, objections=()
    ).allowed


def with_companies(*companies: SubProcessor) -> Topology:
    """Return the shipped topology with changed companies."""
    known = TOPOLOGY.sub_processors | {one.name: one for one in companies}
    return TOPOLOGY.model_copy(update={"sub_processors": known})


@given(
    lists=st.lists(
        st.tuples(
            st.sampled_from((0, 1, 29, 30, 31)),  # days until the catalog sees it
            st.sampled_from((True, True, True, False)),  # whether the company is on it
            st.sampled_from((-60, 0, 20, 29, 30, 60)),  # its first day, counted from then
            st.sampled_from((True, True, False)),  # whether it has a backend in the region
        ),
        min_size=2,
        max_size=6,
    )
)
def test_no_sequence_of_topologies_shortens_the_notice(
    lists: list[tuple[int, bool, int, bool]],
) -> None:
    """What a catalog accepts gives 30 days between the first sight of a company and its use."""
    on, seen, first_seen = TODAY, carry(None, [], TODAY), None
    for later, listed, since, used in lists:
        on += later * DAY
        parts = (BACKEND,) if used else ()
        begins = on + since * DAY
        new = [company((begins - TODAY).days, None, parts=parts)] if listed else []
        if list(notice_faults(seen, new, HOME, on)):
            continue
        first_seen = (first_seen or on) if listed else None
        seen = carry(seen, new, on)
        if listed and used:
            assert first_seen is not None
            assert begins >= first_seen + 30 * DAY


@pytest.mark.parametrize("since", [-400, 0, 29])
def test_a_new_company_needs_its_notice_from_today_on(since: int) -> None:
    """That it was announced before is a claim: the catalog has not seen it."""
    assert faults([], company(since, -30)) == too_soon(since, 30)
    assert faults([], company(30, -30)) == []
    assert faults([], company(0, None, 0)) == []


def test_the_first_list_of_a_catalog_is_believed() -> None:
    """The service begins with it: there is nobody yet to be told."""
    first = carry(None, [company(-400, None, 0)], TODAY)

    assert faults(None, company(-400)) == []
    assert faults(first, company(-400, None, 0)) == []
    assert first[0].listed is None


def test_a_company_of_another_region_is_refused_when_it_is_used_here() -> None:
    """One region keeps no other from opening, and nobody gets around it in two steps."""
    abroad = company(-5, -40, parts=(ELSEWHERE,))
    assert faults([], abroad) == []

    seen = carry([], [abroad], TODAY)

    assert faults(seen, company(-5, -40)) == too_soon(-5, 30)
    assert faults([replace(abroad, listed=day(-40))], company(-5, -40)) == []


def test_a_first_day_becomes_earlier_only_with_a_new_notice() -> None:
    """The longer of the two notices counts: it was promised."""
    seen = [company(60, listed=day(-1))]

    assert faults(seen, company(60)) == []
    assert faults(seen, company(90)) == []
    assert faults(seen, company(40)) == []
    assert faults(seen, company(29)) == too_soon(29, 30)
    assert faults(seen, company(20, None, 0)) == too_soon(20, 30)
    assert faults([company(5, -40, listed=day(-40))], company(10, -40)) == []


def test_an_announcement_becomes_earlier_only_with_a_new_notice() -> None:
    """Else the notice would seem longer than it was."""
    seen = [company(20, -10, 30, listed=day(-10))]

    assert faults(seen, company(21, -9)) == []
    assert faults(seen, company(20, -11)) == too_soon(20, 30)
    assert faults(seen, company(30, -11)) == []


@pytest.mark.parametrize(
    ("since", "announced", "key"),
    [
        (-3, -40, "since"),
        (-1, -40, "since"),
        (40, -40, "since"),
        (-2, -39, "announced"),
        (-2, -41, "announced"),
        (-2, None, "announced"),
    ],
)
def test_what_has_begun_keeps_its_dates(since: int, announced: int | None, key: str) -> None:
    """They are the past. The fault says what the catalog has seen."""
    seen = [company(-2, -40, listed=day(-40))]
    found = faults(seen, company(since, announced))[0]

    assert (found.key, found.reason) == (key, NoticeReason.HAS_BEGUN)
    assert found.allowed == (day(-2) if key == "since" else day(-40))


def test_what_has_begun_is_not_held_to_a_longer_notice() -> None:
    """Its own was kept. The longer one is for what comes."""
    seen = [company(-2, -40, listed=day(-39))]

    assert faults(seen, company(-2, -40, 38)) == []


def test_when_one_of_the_first_list_was_announced_may_be_added() -> None:
    """No catalog knows. Of a company that a catalog saw coming, it does. The rest stays."""
    assert faults([company(-2, -40)], company(-2, -39)) != []
    assert faults([company(-2, None, 0)], company(-1, None, 0)) != []
    assert faults([company(-2, None, 0)], company(-2, -40)) == []
    assert faults([company(-2, None, 0, listed=day(-9))], company(-2, -40)) != []


def test_one_that_has_ended_comes_back_with_a_new_notice() -> None:
    """With its old first day too: on the list it had ended. While it stays ended, all is well."""
    ended = [company(-90, -120, until=day(-3), listed=day(-120))]

    assert faults(ended, company(-90, -120)) == too_soon(-90, 30)
    assert faults(ended, company(-90, -120, until=day(1))) == too_soon(-90, 30)
    assert faults(ended, company(-90, -120, until=day(-2))) == []
    assert faults(ended, company(29, -1)) == too_soon(29, 30)
    assert faults(ended, company(30)) == []
    assert carry(ended, [company(30)], TODAY)[0].listed == TODAY


def test_the_longest_notice_that_was_seen_counts() -> None:
    """Neither two steps nor an absence make it shorter: customers were promised it."""
    long, short = company(60, 0, 60, listed=TODAY), company(60, 0, 10, listed=TODAY)
    dropped = list(notice_faults([], [company(10, 0, 10)], HOME, TODAY, [long]))
    in_two_steps = list(notice_faults([short], [company(10, 0, 10)], HOME, TODAY, [long, short]))

    assert dropped == in_two_steps == too_soon(10, 60)
    assert list(notice_faults([], [company(60, 0, 10)], HOME, TODAY, [long])) == []
    assert list(notice_faults([], [company(10, 0, 10)], HOME, TODAY, [company(60, 0, 10)])) == []


def test_the_notice_counts_from_the_later_of_sight_and_announcement() -> None:
    """The file may come before the message to customers, and the message before the file."""
    told_later = company(40, 20, 10)
    seen_before = [company(90, 20, 30, listed=TODAY)]

    assert faults([], told_later) == []
    assert faults(seen_before, told_later) == too_soon(40, 50)
    assert faults([], company(30, -20)) == []


def test_an_announcement_is_not_added_afterwards() -> None:
    """That a company was announced before the catalog saw it does not make its notice longer."""
    seen = [company(10, None, 0, listed=TODAY)]

    assert faults(seen, company(10, -100)) == too_soon(10, 30)
    assert faults(seen, company(10, None, 0)) == []


@pytest.mark.parametrize(("days", "allowed"), [(0, True), (7, True), (8, False)])
def test_one_goes_back_to_a_topology_for_a_week(days: int, *, allowed: bool) -> None:
    """A deployment is taken back within days. One that is in use is always allowed."""
    now = datetime(2026, 3, 1, tzinfo=UTC)

    assert may_go_back(now - days * DAY, now) is allowed
    assert may_go_back(None, now)


def test_what_a_restored_catalog_has_lost_is_believed() -> None:
    """It cannot tell what it saw after its backup."""
    found = carry([company(5, listed=day(-25))], [company(5), company(9, name="other")], None)

    assert [one.listed for one in found] == [day(-25), None]


def test_the_error_names_company_dates_and_what_to_do() -> None:
    """Without a look at the code."""
    soon = faults([], company(0))[0].error(HOME)
    begun = faults([company(-2, -40, listed=day(-40))], company(-2, -50))[0].error(HOME)
    added = faults([company(-2, None, listed=day(-40))], company(-2, -50))[0].error(HOME)

    assert "sub_processors.neu.since is 2026-03-01" in soon.message
    assert "2026-03-31" in soon.message
    assert HOME in soon.message
    assert "Set since to 2026-03-31 or later" in soon.advice
    assert "sub_processors.neu.announced is 2026-01-10" in begun.message
    assert "2026-01-20" in begun.message
    assert "Set announced back (2026-01-20)" in begun.advice
    assert "has seen none," in added.message


def test_the_list_has_every_company_with_all_that_reaches_it() -> None:
    """Hosts, stewards of database, keys and backups, and processors with their classes."""
    found = {one.name: one for one in list_companies(TOPOLOGY)}
    every = ("prompt", "completion", "fine_tuning_file", "event", "flag")

    assert list(found) == sorted(TOPOLOGY.sub_processors)
    assert found["lindenhost"].parts == (Part(HOME, PartKind.BACKEND, every, "eu-a"),)
    assert found["quellwerk"].parts == (
        Part(HOME, PartKind.CATALOG, every),
        Part(HOME, PartKind.KEYS, ()),
        Part(HOME, PartKind.BACKUPS, every),
    )
    assert found["klarblick"].parts == (Part(HOME, PartKind.COPIES, every[:3]),)
    assert found["vier-augen"].classes == ("prompt", "completion")


def test_a_processor_of_no_class_is_reached_by_nothing() -> None:
    """A connector alone brings no data there."""
    kept = TOPOLOGY.classes[DataClass.PROMPT].model_copy(update={"handed_to": ()})
    topology = TOPOLOGY.model_copy(update={"classes": {DataClass.PROMPT: kept}})

    assert {one.name: one.parts for one in list_companies(topology)}["klarblick"] == ()


def test_lists_that_differ_give_all_that_they_state() -> None:
    """When each catalog first had a company on its list is no difference."""
    one, other = company(5, listed=day(-1)), company(5)
    later, former = company(9), company(40, name="alt")

    assert union([[one, former], [other, later]]) == (former, other, later)
