"""Training, and a withdrawal at about the same moment."""

from datetime import timedelta
from pathlib import Path

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import CatalogUnavailable
from storage.ledger import journal
from storage.model import DataClass, ExclusionReason
from storage.testing import Domicile
from storage.testing.faults import Call
from tests.support.actions import work
from tests.support.screening import machine
from tests.support.training import TRAIN, bodies, consent, permit_training, train, withdraw

PROMPT = DataClass.PROMPT


@pytest.fixture
def training(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose topology permits training, a tenant, and a machine of the roster."""
    permit_training(domicile, tmp_path)
    domicile.tenant()
    machine(domicile)
    return domicile


@pytest.fixture
def tenant(training: Domicile) -> BoundTenant:
    """The tenant, bound to its own service."""
    return training.tenant()


def listed(domicile: Domicile) -> dict[str, ExclusionReason]:
    """Return what the first run must not use any more, and why."""
    found = domicile.store.training_runs.exclusions("run-1")
    return {str(one.record): one.reason for one in found.records}


def withdraw_elsewhere(domicile: Domicile, *, subject: str | None = None) -> None:
    """Withdraw in a process whose clock is behind, by less than clocks may differ."""
    behind = domicile.clock.skewed(-(domicile.clock.error / 2 or timedelta(milliseconds=50)))
    with domicile.open_another(behind) as other:
        other.consents.withdraw(
            "acme-eu", classes=(PROMPT,), purposes=TRAIN, by="ann", subject=subject
        )


class TestHandedOutBeforeItIsInForce:
    """The run did not know it: what it was handed is on its list once the withdrawal is."""

    def test_while_it_is_being_written(self, training: Domicile, tenant: BoundTenant) -> None:
        """It was said before the hand-out, and came into force after it."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        training.pass_time(seconds=10)
        handed: list[bytes] = []

        def meanwhile(call: Call) -> object:
            training.pass_time(seconds=3)
            handed.extend(bodies(train(training)))
            return call.proceed()

        training.backends["eu-a"].inject(meanwhile, "put", prefix="ledger/", nth=1, times=1)
        withdraw(training, subject="ann")
        assert handed == [b"of ann"]
        assert bodies(train(training, "run-2")) == []
        assert listed(training) == {str(mine): ExclusionReason.WITHDRAWN}

    def test_whose_writer_died(
        self, training: Domicile, tenant: BoundTenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker puts it into force, minutes later."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        training.pass_time(seconds=10)

        def dies(*_: object, **__: object) -> bool:
            raise CatalogUnavailable("the process died")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "_commit", dies)
            with pytest.raises(CatalogUnavailable):
                withdraw(training, subject="ann")
        training.pass_time(minutes=3)
        assert bodies(train(training)) == [b"of ann"]
        work(training, hours=1)
        assert bodies(train(training, "run-2")) == []
        assert listed(training) == {str(mine): ExclusionReason.WITHDRAWN}

    def test_by_a_process_whose_clock_is_behind(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """It says that it is older than the hand-out, and is not."""
        consent(training)
        mine = tenant.put(PROMPT, b"of ann", subject="ann").id
        training.pass_time(seconds=10)
        assert bodies(train(training)) == [b"of ann"]
        withdraw_elsewhere(training, subject="ann")
        assert bodies(train(training, "run-2")) == []
        assert listed(training) == {str(mine): ExclusionReason.WITHDRAWN}


def test_what_was_consented_to_again_before_it_was_handed_out_is_not_listed(
    training: Domicile, tenant: BoundTenant
) -> None:
    """By the subject, or by the tenant: the run knew the withdrawal."""
    consent(training)
    consent(training, subject="ann")
    tenant.put(PROMPT, b"of ann", subject="ann")
    for subject in ("ann", None):
        withdraw(training, subject=subject)
        training.pass_time(seconds=10)
        assert bodies(train(training, "run-0")) == []
        consent(training, subject=subject)
        training.pass_time(seconds=10)
    assert bodies(train(training)) == [b"of ann"]
    assert listed(training) == {}
