"""Consent and its withdrawal by processes whose clocks differ: a refusal counts at its return."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import ConsentRefused, TermsChanged
from storage.model import DataClass
from storage.testing import Domicile
from storage.testing.faults import Call
from tests.support.screening import machine
from tests.support.training import (
    PROMPTS,
    TRAIN,
    bodies,
    consent,
    permit_training,
    train,
    withdraw,
)

pytestmark = pytest.mark.one_region

PROMPT = DataClass.PROMPT
TENTH = timedelta(milliseconds=100)


@pytest.fixture
def tenant(training: Domicile) -> BoundTenant:
    """The tenant, with a prompt of ann."""
    made = training.tenant()
    made.put(PROMPT, b"of ann", subject="ann")
    training.pass_time(seconds=10)
    return made


def consent_ahead(
    domicile: Domicile,
    ahead: timedelta = TENTH,
    *,
    tenant: str = "acme-eu",
    subject: str | None = None,
) -> None:
    """Consent in a process whose clock is ahead."""
    with domicile.open_another(domicile.clock.skewed(ahead)) as other:
        other.consents.give(
            tenant, wording=PROMPTS, classes=(PROMPT,), purposes=TRAIN, by="ann", subject=subject
        )


def while_noted(domicile: Domicile, act: Callable[[], object]) -> list[str]:
    """Act once while the next entry of the ledger is written; return a list with its key then."""
    done: list[str] = []

    def meanwhile(call: Call) -> object:
        if not done:
            done.append(call.key)
            act()
        return call.proceed()

    domicile.backends["eu-a"].inject(meanwhile, "put", prefix="ledger/")
    return done


@pytest.mark.parametrize("ahead", [TENTH, timedelta(seconds=50)])
def test_a_withdrawal_is_in_force_before_the_time_of_the_consent_has_come(
    training: Domicile, tenant: BoundTenant, ahead: timedelta
) -> None:
    """An older consent, which says more, does not count meanwhile. Its recording is of now."""
    consent(training)
    training.pass_time(days=1)
    consent_ahead(training, ahead)
    withdrawn = training.store.consents.withdraw(
        "acme-eu", classes=(PROMPT,), purposes=TRAIN, by="ann"
    )
    assert bodies(train(training)) == []
    assert withdrawn.recorded <= training.clock.now()
    training.pass_time(minutes=2)
    assert bodies(train(training)) == []


def test_a_subject_that_refuses_again_is_out_at_once(
    training: Domicile, tenant: BoundTenant
) -> None:
    """Its first refusal has ended, its consent has not begun, and the tenant consents."""
    consent(training)
    withdraw(training, subject="ann")
    training.pass_time(seconds=10)
    consent_ahead(training, subject="ann")
    assert bodies(train(training, "run-1")) == []
    withdraw(training, subject="ann")
    assert bodies(train(training, "run-2")) == []


def test_a_refusal_is_in_force_at_once_where_silence_permits(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Nothing else says no there."""
    permit_training(domicile, tmp_path)
    assert domicile.settings.topology is not None
    epochs = domicile.settings.topology / "epochs.toml"
    later = '\n[[epochs]]\nfrom = 2026-03-02\ntrain = "unless_opted_out"\n'
    epochs.write_text(epochs.read_text() + later)
    domicile.open()
    domicile.pass_time(days=1)
    tenant = domicile.tenant()
    machine(domicile)
    tenant.put(PROMPT, b"of ann", subject="ann")
    domicile.pass_time(seconds=10)
    consent_ahead(domicile)
    withdraw(domicile)
    assert bodies(train(domicile)) == []


def test_a_withdrawal_wins_over_a_consent_that_comes_while_it_is_noted(
    training: Domicile, tenant: BoundTenant
) -> None:
    """That returned first, at a later time."""
    consented = while_noted(training, lambda: consent_ahead(training))
    withdraw(training)
    assert consented
    training.pass_time(seconds=10)
    assert bodies(train(training)) == []


def test_a_consent_is_refused_if_it_is_withdrawn_while_it_is_noted(
    training: Domicile, tenant: BoundTenant
) -> None:
    """The withdrawal has returned: a time that is later does not help."""
    withdrawn = while_noted(training, lambda: withdraw(training))
    with pytest.raises(ConsentRefused) as caught:
        consent_ahead(training)
    assert withdrawn
    assert caught.value.reasons == ("older_than_withdrawal",)
    training.pass_time(seconds=10)
    assert bodies(train(training)) == []
    consent(training)
    assert bodies(train(training)) == [b"of ann"]


def test_a_consent_right_after_the_tenant_was_made_counts(training: Domicile) -> None:
    """Also in a process whose clock is behind that of who made it."""
    made = training.tenant("beta-eu")
    consent_ahead(training, -TENTH, tenant="beta-eu")
    training.pass_time(seconds=5)
    made.put(PROMPT, b"mine")
    training.pass_time(seconds=5)
    assert bodies(train(training, "run-1", "beta-eu")) == [b"mine"]


def test_a_consent_is_not_that_of_a_tenant_that_is_made_anew_while_it_is_noted(
    training: Domicile,
) -> None:
    """It is another tenant, which has not consented."""
    training.tenant("beta-eu")

    def anew() -> None:
        training.store.admin.tenants.remove("beta-eu")
        training.pass_time(seconds=1)
        training.tenant("beta-eu")

    made = while_noted(training, anew)
    with pytest.raises(TermsChanged):
        consent(training, "beta-eu")
    assert made
    assert training.store.consents.list("beta-eu") == []
