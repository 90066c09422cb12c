"""Training, and a withdrawal at about the same moment."""

import json
from datetime import timedelta

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import BackendUnavailable, CatalogUnavailable, PurposeRefused
from storage.ledger import journal
from storage.model import DataClass, ExclusionReason
from storage.testing import Domicile
from storage.testing.faults import Call
from tests.support.actions import work
from tests.support.training import (
    FILES,
    TRAIN,
    bodies,
    consent,
    train,
    withdraw,
)

pytestmark = pytest.mark.one_region

PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE
MIB = 1024 * 1024


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


@pytest.mark.parametrize("subject", [None, "ann"])
def test_a_withdrawal_right_after_a_consent_wins(
    training: Domicile, tenant: BoundTenant, subject: str | None
) -> None:
    """Also in a process whose clock is behind that of the consent."""
    tenant.put(PROMPT, b"of ann", subject="ann")
    consent(training)
    training.pass_time(seconds=10)
    consent(training, subject=subject)
    withdraw_elsewhere(training, subject=subject)
    assert bodies(train(training)) == []


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


class TestWhileABackendIsSlow:
    """What was decided before is decided again before it is handed out."""

    def test_a_chunk_of_a_file(self, training: Domicile, tenant: BoundTenant) -> None:
        """It is not handed out once consent is withdrawn, however long ago it was asked for."""
        consent(training, wording=FILES, classes=(FILE,))
        tenant.put_file([b"x" * MIB] * 17)
        chunks = next(iter(train(training, "run-1", "acme-eu", FILE))).chunks()
        next(chunks)
        asked: list[str] = []

        def slow(call: Call) -> object:
            if not asked:
                training.store.consents.withdraw(
                    "acme-eu", classes=(FILE,), purposes=TRAIN, by="ann"
                )
                training.pass_time(seconds=20)
            asked.append(call.key)
            return call.proceed()

        for name in ("eu-a", "eu-b"):
            training.backends[name].inject(slow, "get", prefix="pack/")
        with pytest.raises(PurposeRefused):
            next(chunks)
        assert asked

    def test_a_record_that_is_read_alone(self, training: Domicile, tenant: BoundTenant) -> None:
        """Because it came back damaged with the others of its page."""
        consent(training)
        tenant.put(PROMPT, b"mine")
        training.pass_time(seconds=5)
        asked: list[str] = []

        def slow(call: Call) -> object:
            asked.append(call.key)
            if len(asked) == 1:
                found = call.proceed()
                assert isinstance(found, bytes)
                return bytes(len(found))
            if len(asked) == 2:
                withdraw(training)
                training.pass_time(seconds=20)
            return call.proceed()

        for name in ("eu-a", "eu-b"):
            training.backends[name].inject(slow, "get", prefix="pack/")
        read = train(training)
        assert bodies(read) == []
        assert (len(asked), read.skipped) == (2, {"opted_out": 1})

    def test_the_line_names_the_consent_by_which_it_was_read(
        self, training: Domicile, tenant: BoundTenant
    ) -> None:
        """Not the one before, which was withdrawn while a backend was slow."""
        consent(training)
        tenant.put(PROMPT, b"mine")
        training.pass_time(seconds=5)
        asked: list[str] = []
        again: list[str] = []

        def slow(call: Call) -> object:
            asked.append(call.key)
            if len(asked) <= 2:  # the page is not gathered, so the record is read alone
                raise BackendUnavailable(call.backend.name)
            if len(asked) == 3:
                training.pass_time(seconds=5)
                withdraw(training)
                training.pass_time(seconds=1)
                again.append(str(consent(training, wording=FILES, classes=(PROMPT,)).id))
                training.pass_time(seconds=5)
            return call.proceed()

        for name in ("eu-a", "eu-b"):
            training.backends[name].inject(slow, "get", prefix="pack/")
        with train(training) as read:
            (line,) = [json.loads(one.entry) for one in read]
        assert ([line["consent"]], line["wording"]) == (again, FILES)
