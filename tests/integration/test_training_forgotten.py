"""What was handed out for training is forgotten when nothing needs it any more, not before."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.model import DataClass, ErasureState, Scope
from storage.testing import Domicile
from storage.workers.due import due
from tests.support.actions import duty, erase, work
from tests.support.holds import place_hold
from tests.support.inspect.stored import home
from tests.support.training import (
    FILES,
    bodies,
    consent,
    train,
    withdraw,
)

pytestmark = pytest.mark.one_region

KEPT = 1096  # days, as the shipped topology says of consents in the EU


@pytest.fixture
def tenant(training: Domicile) -> BoundTenant:
    """The tenant, bound to its own service."""
    return training.tenant()


def noted(domicile: Domicile) -> tuple[int, ...]:
    """Return how many uses, reads, exclusions and confirmations the catalog has."""
    tables = t.training_use, t.training_read, t.training_exclusion, t.training_confirmation
    with home(domicile).catalog.begin() as connection:
        return tuple(
            connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        )


ALL = "forget_training(:before, array_agg(read_id), array_agg(uid), 9) FROM training_use"


def forget(domicile: Domicile) -> None:
    """Let a worker forget, and then one that says of every use that it may go."""
    duty(domicile, "prune")
    before = domicile.clock.now() - timedelta(days=KEPT)
    with home(domicile).catalog.begin() as connection:
        connection.execute(text("SET LOCAL ROLE domicile_worker"))
        connection.execute(text(f"SELECT {ALL}"), {"before": before})


def expire(domicile: Domicile) -> None:
    """Let everything of the class expire, and be destroyed."""
    for hours in (30 * 24, 24, 1, 1):
        work(domicile, hours=hours)


def confirm(domicile: Domicile) -> None:
    """Confirm that the run has nothing of what is on its list."""
    runs = domicile.store.training_runs
    runs.confirm("run-1", listed=runs.exclusions("run-1").listed, document="d" * 64, by="ben")


def test_a_use_goes_when_its_record_and_its_time_are_over(
    training: Domicile, tenant: BoundTenant
) -> None:
    """With its read; both conditions count, and what is due is what goes."""
    consent(training)
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    expire(training)
    duty(training, "prune")
    assert noted(training) == (1, 1, 0, 0)

    training.pass_time(days=KEPT - 33)
    duty(training, "prune")
    assert noted(training) == (1, 1, 0, 0)
    training.pass_time(days=3)
    assert due(home(training))["prune"] > 0
    duty(training, "prune")
    assert noted(training) == (0, 0, 0, 0)
    assert due(home(training))["prune"] == 0


@pytest.mark.parametrize("days", [None, 2000])
def test_a_use_stays_while_its_record_does(training: Domicile, days: int | None) -> None:
    """However old it is: the run may have to be asked for it. It may have a day, or none."""
    own = {} if days is None else {DataClass.FINE_TUNING_FILE: days}
    tenant = training.tenant("keeper", retention=own)
    consent(training, "keeper", wording=FILES, classes=(DataClass.FINE_TUNING_FILE,))
    tenant.put(DataClass.FINE_TUNING_FILE, b"file", subject="u")
    assert bodies(train(training, "run-1", "keeper", DataClass.FINE_TUNING_FILE)) == [b"file"]
    training.pass_time(days=KEPT + 1)

    if days is None:
        forget(training)
    else:  # of what expires the catalog believes the worker, which owns that table
        duty(training, "prune")
    assert noted(training) == (1, 1, 0, 0)

    erasure = erase(tenant, Scope.tenant())
    for hours in (1, 73, 1):
        work(training, hours=hours)
    assert training.store.erasure(str(erasure.id)).state is not ErasureState.COMPLETE
    forget(training)
    assert noted(training) == (1, 1, 1, 0)


def test_a_use_stays_while_a_hold_keeps_its_record(training: Domicile, tenant: BoundTenant) -> None:
    """Though its day is gone."""
    consent(training)
    put = tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    place_hold(training, Scope.record(put.id))
    expire(training)
    training.pass_time(days=KEPT + 1)

    forget(training)

    assert noted(training) == (1, 1, 0, 0)


def test_a_withdrawal_that_no_run_has_confirmed_keeps_nothing(
    training: Domicile, tenant: BoundTenant
) -> None:
    """It is on the list until its time is over and its record gone, and then forgotten."""
    consent(training)
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    withdraw(training)
    expire(training)
    assert len(list(training.store.training_runs.exclusions("run-1").records)) == 1
    training.pass_time(days=KEPT + 1)

    forget(training)

    assert noted(training) == (0, 0, 0, 0)


def test_an_erasure_that_is_not_planned_yet_finds_every_use(
    training: Domicile, tenant: BoundTenant
) -> None:
    """It asks for copies of what has expired too, and has not looked."""
    consent(training)
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    expire(training)
    training.pass_time(days=KEPT + 1)
    erase(tenant, Scope.subject("u"))

    forget(training)
    assert noted(training) == (1, 1, 0, 0)
    work(training, hours=1)
    assert noted(training) == (1, 1, 1, 0)


def test_what_an_erasure_took_stays_until_its_evidence_is_past_its_time(
    training: Domicile, tenant: BoundTenant
) -> None:
    """It counts from the confirmation of the run. The receipt that names it has its own time."""
    consent(training)
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    training.pass_time(days=1)
    erase(tenant, Scope.subject("u"))
    for hours in (1, 73, 1):
        work(training, hours=hours)
    training.pass_time(days=600)
    confirm(training)
    work(training, hours=1)
    assert noted(training) == (1, 1, 1, 1)

    training.pass_time(days=KEPT - 1)
    forget(training)
    assert noted(training) == (1, 1, 1, 1)
    training.pass_time(days=500)
    for _ in range(2):
        duty(training, "prune")
    assert noted(training) == (0, 0, 0, 0)


@pytest.mark.parametrize("role", ["domicile_service", "domicile_admin"])
def test_a_worker_alone_forgets(domicile: Domicile, role: str) -> None:
    """No other login may call what forgets, and no login deletes a use."""
    asked = "SELECT forget_training(now(), '{}', '{}', 1)"
    for said in (asked, "DELETE FROM training_use"):
        with home(domicile).catalog.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(text(said))
            connection.rollback()


def test_the_catalog_itself_says_what_is_too_young(training: Domicile, tenant: BoundTenant) -> None:
    """Whatever a login of a worker asks for."""
    consent(training)
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    assert bodies(train(training)) == [b"mine"]
    expire(training)
    with home(training).catalog.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION forgettable_before() RETURNS timestamptz "
                "LANGUAGE sql AS $$ SELECT timestamptz '2020-01-01 12:00:00Z' $$"
            )
        )
        assert (
            connection.scalar(text(f"SELECT {ALL}"), {"before": datetime(9999, 1, 1, tzinfo=UTC)})
            == 0
        )
        connection.rollback()
