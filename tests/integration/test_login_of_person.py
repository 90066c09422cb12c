"""A process with the login of a person opens content as that person alone."""

from collections.abc import Callable

import pytest

from regions.model import Purpose
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.errors import PurposeRefused
from storage.model import (
    Actor,
    ActorKind,
    Classifier,
    DataClass,
    FineTuning,
    LineKind,
    RecordId,
    Scope,
)
from storage.region import OpenRegion
from storage.sessions import ASK_AGAIN, Session
from storage.testing import SERVICE, Domicile
from tests.support.actions import work
from tests.support.catalogs.databases import HOME
from tests.support.holds import hold_spec
from tests.support.people import as_person, enter, make_logins, person, staff
from tests.support.screening import MILL, Watchful
from tests.support.transparency import lines

REASON = "login_of_person"


def put(domicile: Domicile, data_class: DataClass = DataClass.PROMPT) -> RecordId:
    """Store a record."""
    return domicile.tenant().put(data_class, b"mine", subject="u").id


def bound(store: Store, actor: Actor = SERVICE) -> BoundTenant:
    """Bind the tenant to an actor."""
    return store.tenant("acme-eu").bind(actor)


def refused(work: Callable[[], object]) -> None:
    """Check that something is refused to the login, and that the error says what to do."""
    with pytest.raises(PurposeRefused) as caught:
        work()
    assert caught.value.reasons == (REASON,)
    assert "login of the service" in caught.value.advice


def test_a_person_does_not_read_as_a_customer(domicile: Domicile) -> None:
    """Whoever it says that it is. Each refusal is on record, and its own login in force or not."""
    staff(domicile.settings, domicile.clock.now(), "kim", "eve")
    late = person("eve", suspended=True)
    record = put(domicile)

    for attempt in range(2):
        with as_person(domicile, "eve") as store:
            refused(lambda: bound(store).get(record, purpose=Purpose.SERVE))
        line = lines(domicile, LineKind.REFUSAL)[-1]
        said = {name: line[name] for name in ("reasons", "record", "purpose", "actor", "tenant")}
        assert said == {
            "reasons": [REASON],
            "record": str(record),
            "purpose": "serve",
            "actor": SERVICE.id,
            "tenant": "acme-eu",
        }
        assert line.get("by") == "eve"
        if not attempt:
            enter(domicile.settings, domicile.clock.now(), late)
    assert len(lines(domicile, LineKind.REFUSAL)) == 2


def test_a_person_stays_one_when_the_entry_is_forgotten(domicile: Domicile) -> None:
    """Nobody is forgotten into a service. The log names the person, and the hold too."""
    staff(domicile.settings, domicile.clock.now(), "kim", "eve")
    enter(domicile.settings, domicile.clock.now(), person("eve", suspended=True))
    work(domicile, days=1500)
    record = put(domicile)

    with as_person(domicile, "eve") as store:
        assert [one.actor for one in store.admin.roster.list(HOME)] == ["kim"]
        refused(lambda: bound(store).get(record, purpose=Purpose.SERVE))
        placed = store.admin.holds.place(hold_spec(Scope.subject("u")))

    assert placed.hold.sponsor == "eve"


def test_no_way_to_content_is_left(domicile: Domicile) -> None:
    """To open, to tune, to read flags, to hand over, to screen and to train."""
    staff(domicile.settings, domicile.clock.now(), "kim", "eve")
    mill = person(MILL.id, kind=ActorKind.MACHINE, login=None)
    enter(domicile.settings, domicile.clock.now(), mill)
    record, file = put(domicile), put(domicile, DataClass.FINE_TUNING_FILE)
    domicile.tenant().models.add("own", by="m-1")
    words = Watchful()

    with as_person(domicile, "eve") as store:
        tenant, machine, tune = bound(store), bound(store, MILL), FineTuning("job", "own")
        tuning = Purpose.FINE_TUNE
        ways: list[Callable[[], object]] = [
            lambda: tenant.open(record, purpose=Purpose.SERVE),
            lambda: tenant.get(file, purpose=tuning, tuning=tune),
            lambda: tenant.flags(record, purpose=Purpose.SERVE),
            lambda: tenant.hand_over(record, "klarblick"),
            lambda: list(machine.screen(Classifier("words", "1", words))),
            lambda: list(
                store.training("acme-eu", run="r-1", actor=MILL, classes=[DataClass.PROMPT])
            ),
        ]
        for number, way in enumerate(ways, 1):
            refused(way)
            assert len(lines(domicile, LineKind.REFUSAL)) == number

    assert words.bodies == []


def test_other_logins_read_as_before(domicile: Domicile) -> None:
    """That of a machine, one that the roster does not know, and that of the owner."""
    staff(domicile.settings, domicile.clock.now(), "kim")
    make_logins(domicile.settings, "klass", "sam", role="domicile_service")
    enter(domicile.settings, domicile.clock.now(), person("klass", kind=ActorKind.MACHINE))
    record = put(domicile)

    for login in ("klass", "sam", "postgres"):
        with as_person(domicile, login) as store:
            assert bound(store).get(record, purpose=Purpose.SERVE).body == b"mine"


def test_an_entry_that_is_made_later_counts(domicile: Domicile) -> None:
    """Within a minute, also for an open file; and nothing is asked for each record."""
    make_logins(domicile.settings, "eve")
    record, seconds = put(domicile), [0.0]
    with as_person(domicile, "eve") as store:
        region = home_of(store)
        object.__setattr__(region, "session", Session(lambda: seconds[0]))
        file = bound(store).open(record, purpose=Purpose.SERVE)
        enter(domicile.settings, domicile.clock.now(), person("eve"))
        assert file.read_range(0, 2) == b"mi"

        seconds[0] += ASK_AGAIN + 1

        refused(lambda: file.read_range(2, 4))
        refused(lambda: bound(store).get(record, purpose=Purpose.SERVE))


def home_of(store: Store) -> OpenRegion:
    """Return the open region of a store."""
    return store._homes.served("eu-central-1").region
