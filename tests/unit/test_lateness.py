"""The bounds on deletion that follow from the configuration."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Region
from storage.policy import (
    Lateness,
    Pace,
    Step,
    erasure_lateness,
    expiry_lateness,
    key_copies,
    retry_after,
    shortened_lateness,
)

HOUR = timedelta(hours=1)
PACE = Pace(
    timedelta(seconds=5), timedelta(minutes=10), timedelta(minutes=30), HOUR, timedelta(minutes=1)
)
TOPOLOGY = load_topology()
BOUNDS = TOPOLOGY.bounds
REGION = TOPOLOGY.regions["eu-central-1"]


def with_request(minutes: int) -> Region:
    """Return the region with one backend whose requests may take so long."""
    slow = REGION.backends[1].model_copy(update={"longest_request_minutes": minutes})
    return REGION.model_copy(update={"backends": (REGION.backends[0], slow)})


@given(st.integers(0, 1440))
def test_the_slowest_backend_counts(minutes: int) -> None:
    """Each minute that a request may take longer adds a minute to every bound."""
    for bound in (expiry_lateness, erasure_lateness, shortened_lateness):
        fast, slow = (bound(with_request(m), BOUNDS, PACE) for m in (16, max(minutes, 16)))

        assert slow.at_most - fast.at_most == timedelta(minutes=max(minutes, 16) - 16)


def test_only_an_erasure_waits_for_a_compaction() -> None:
    """An expiry day takes whole packs; an erasure may have to rewrite a pack first."""
    longer = BOUNDS.model_copy(update={"compaction_hours": BOUNDS.compaction_hours + 7})

    assert expiry_lateness(REGION, longer, PACE) == expiry_lateness(REGION, BOUNDS, PACE)
    grown = erasure_lateness(REGION, longer, PACE).at_most
    assert grown == erasure_lateness(REGION, BOUNDS, PACE).at_most + 7 * HOUR


@pytest.mark.parametrize(("minutes", "fits"), [(16, True), (1440, False)])
def test_what_a_shortened_retention_ended_is_gone_after_compaction_and_purge(
    minutes: int,
    fits: bool,  # noqa: FBT001
) -> None:
    """The window to rewrite packs and the purge bound, and no more: else it is seen."""
    bound = shortened_lateness(with_request(minutes), BOUNDS, PACE)

    assert (bound.fits, bound.limit) == (fits, BOUNDS.compaction + BOUNDS.purge)
    assert bound.at_most > BOUNDS.compaction
    longer = BOUNDS.model_copy(update={"compaction_hours": BOUNDS.compaction_hours + 7})
    grown = shortened_lateness(with_request(minutes), longer, PACE).at_most
    assert grown == bound.at_most + 7 * HOUR


@pytest.mark.parametrize(("minutes", "fits"), [(16, True), (1440, False)])
def test_a_promise_that_cannot_be_kept_is_seen(minutes: int, fits: bool) -> None:  # noqa: FBT001
    """A request that may land a day later exceeds a purge bound of a day."""
    bound = expiry_lateness(with_request(minutes), BOUNDS, PACE)

    assert (bound.fits, bound.limit) == (fits, BOUNDS.purge)


def test_what_is_only_attested_is_stated() -> None:
    """For a backend that cannot list versions, the step names the attestation."""
    spec = REGION.backends[0].model_copy(update={"attested_off": frozenset({"versions"})})
    region = REGION.model_copy(update={"backends": (spec,)})

    steps = expiry_lateness(region, BOUNDS, PACE).steps

    assert [s.set_by for s in steps if s.what.startswith(spec.name)] == [
        "attested to be off: versions"
    ]


def test_keys_live_on_in_backups() -> None:
    """For as long as the region keeps its backups."""
    assert key_copies(REGION).at_most == timedelta(days=REGION.catalog_backup_days)


def test_workers_keep_the_documented_times() -> None:
    """The runbook and ``policy explain`` state them."""
    pace = Pace.with_pause(5)

    assert pace == PACE
    assert [retry_after(n).total_seconds() for n in (0, 1, 2)] == [5, 10, 20]
    assert retry_after(10**9) == pace.retry


def test_an_erasure_is_over_within_a_month() -> None:
    """GDPR, article 12(3): 30 days, whatever the configuration."""
    bound = erasure_lateness(REGION, BOUNDS, PACE)

    assert (bound.limit, bound.fits) == (timedelta(days=30), True)


def test_a_bound_may_use_its_whole_limit() -> None:
    """A moment more is too much."""
    steps = (Step("one", HOUR, "fixed"), Step("another", HOUR, "fixed"))
    limit, moment = 2 * HOUR, timedelta(microseconds=1)

    assert Lateness("it begins", steps, limit, "").fits
    assert not Lateness("it begins", steps, limit - moment, "").fits


def test_each_step_names_what_sets_it() -> None:
    """It is a setting, a rule of the topology, or fixed."""
    for bound in (expiry_lateness, erasure_lateness, shortened_lateness):
        steps = bound(REGION, BOUNDS, PACE).steps

        assert {step.set_by for step in steps if "=" not in step.set_by} == {
            "worker --pause",
            "fixed",
            "listed, and seen absent",
        }
