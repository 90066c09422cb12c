"""Holds and their audit log are pruned after their period; the newest hold stays."""

from datetime import timedelta
from uuid import UUID

import pytest
import structlog

from storage.catalog import holds
from storage.model import PlacedHold, RecordId, Scope
from storage.testing import Domicile
from storage.workers.expire import expire
from tests.support.actions import duty, erase, is_complete, put_prompt, work
from tests.support.holds import SOON, place_hold, release_holds
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

KEPT = timedelta(days=1096)  # what the shipped topology says of the EU


def known(domicile: Domicile) -> set[UUID]:
    """Return the holds that the catalog knows."""
    listed = domicile.store.admin.holds.list("eu-central-1", released=True)
    return {hold.id for hold in listed}


def held_prompt(domicile: Domicile) -> tuple[RecordId, PlacedHold]:
    """Put a record about ``u``, and place a hold on it."""
    domicile.tenant(retention=SOON)
    return put_prompt(domicile, "u"), place_hold(domicile)


def test_a_released_hold_is_kept_as_long_as_its_jurisdiction_says(domicile: Domicile) -> None:
    """From its release, to the minute."""
    _, placed = held_prompt(domicile)
    domicile.pass_time(days=3 * 366)
    duty(domicile, "prune")
    before = known(domicile)
    release_holds(domicile, placed)
    newer = place_hold(domicile)
    duty(domicile, "release")
    domicile.clock.advance(KEPT - timedelta(minutes=1))
    duty(domicile, "prune")
    meanwhile = known(domicile)
    domicile.pass_time(minutes=2)
    duty(domicile, "prune")

    assert before == {placed.hold.id}
    assert meanwhile == {placed.hold.id, newer.hold.id}
    assert known(domicile) == {newer.hold.id}


def test_a_hold_that_an_erasure_names_stays_as_long_as_that(domicile: Domicile) -> None:
    """The erasure's receipt names the hold that deferred it."""
    _, placed = held_prompt(domicile)
    erasure = erase(domicile.tenant())
    work(domicile)
    release_holds(domicile, placed)
    newer = place_hold(domicile, Scope.subject("somebody else"))
    work(domicile, hours=1)
    domicile.pass_time(days=1100)
    duty(domicile, "prune")
    before = known(domicile)
    complete = is_complete(domicile, erasure)
    domicile.pass_time(days=400)
    duty(domicile, "prune")
    duty(domicile, "prune")

    assert complete
    assert before == {placed.hold.id, newer.hold.id}
    assert known(domicile) == {newer.hold.id}


def test_a_number_is_never_given_twice(domicile: Domicile) -> None:
    """The newest hold stays: an expiring day has noted its number as the last in time.

    A later hold with that number would seem to cover records that are being destroyed.
    """
    domicile.tenant(retention=SOON)
    prompt = put_prompt(domicile, "u")
    release_holds(domicile, place_hold(domicile, Scope.subject("somebody else")))
    duty(domicile, "release")
    domicile.pass_time(days=1)
    served = domicile.homes.served("eu-central-1")
    expire(served.region, served.keys, structlog.get_logger())  # the first step of the day
    domicile.clock.advance(KEPT)
    duty(domicile, "prune")
    placed = place_hold(domicile)

    assert [(day.day, day.records) for day in placed.expiring] == [(prompt.day, 1)]


def test_they_go_in_bounded_pieces(domicile: Domicile) -> None:
    """At most so many at once. The newest stays."""
    domicile.tenant(retention=SOON)
    ids = []
    for n in range(3):
        prompt = put_prompt(domicile, f"u{n}")
        ids.append(place_hold(domicile, Scope.record(prompt)))
    release_holds(domicile, *ids)
    duty(domicile, "release")
    left = []
    domicile.clock.advance(KEPT + timedelta(days=1))
    for _ in range(4):
        with home(domicile).catalog.begin() as connection:
            holds.prune(connection, domicile.clock.now() - KEPT, 2)
        left.append(len(known(domicile)))

    assert left == [1, 1, 1, 1]
