"""A key that comes after the permit to use it has ended: what was permitted is decided again."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import Erased, Unavailable
from storage.model import DataClass, LineKind, Purpose, Reason, RecordId, Scope, ScreenFailure
from storage.policy import PERMIT_LIFE
from storage.testing import INVESTIGATOR, SERVICE, Domicile
from storage.testing.faults import Call
from tests.integration.test_recorded_reads import LOOK, spec
from tests.support.actions import put_prompt
from tests.support.screening import Watchful, flagged, machine
from tests.support.training import FILES, TRAIN, bodies, consent, permit_training, train
from tests.support.transparency import lines

PROMPT, SCREENING, SERVE = DataClass.PROMPT, Purpose.ABUSE_SCREENING, Purpose.SERVE
MIB = 1024 * 1024

Late = Callable[..., list[str]]


@pytest.fixture
def late(domicile: Domicile) -> Late:
    """Have the first key come late; ``meanwhile`` something happens in another process.

    Returns the keys of the objects that were late, so far. ``times``: how many are.
    """

    def start(
        meanwhile: Callable[[Domicile], None] = lambda _: None,
        *,
        by: timedelta = PERMIT_LIFE,
        times: int = 1,
    ) -> list[str]:
        came: list[str] = []

        def slow(call: Call) -> object:
            if len(came) < times:
                came.append(call.key)
                meanwhile(domicile)
                domicile.clock.advance(by)
            return call.proceed()

        for backend in domicile.backends.values():
            backend.inject(slow, "get", prefix="day_key/")
        return came

    return start


def erased(domicile: Domicile) -> None:
    """Erase the subject of the record in another process."""
    with domicile.open_another() as store:
        own = store.tenant("acme-eu").bind(SERVICE)
        own.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)


def withdrawn(domicile: Domicile) -> None:
    """Withdraw the consent in another process."""
    with domicile.open_another() as store:
        store.consents.withdraw("acme-eu", classes=(PROMPT,), purposes=TRAIN, by="ann")


def consented_anew(domicile: Domicile) -> None:
    """Consent to another wording in another process."""
    with domicile.open_another() as store:
        since = domicile.clock.now().date() - timedelta(days=1)
        store.consents.give(
            "acme-eu", wording=FILES, classes=(PROMPT,), purposes=TRAIN, by="ann", covers_from=since
        )


def reopened(domicile: Domicile) -> BoundTenant:
    """Return the tenant for its service, with no key in memory."""
    domicile.open()
    return domicile.store.tenant("acme-eu").bind(SERVICE)


def put_bad(domicile: Domicile) -> RecordId:
    """Store what a classifier flags."""
    return domicile.tenant().put(PROMPT, b"bad", subject="u").id


READS: dict[str, Callable[[BoundTenant, RecordId], object]] = {
    "get": lambda t, record: t.get(record, purpose=SERVE).body,
    "metadata": lambda t, record: t.open(record, purpose=SERVE).metadata,
}


@pytest.mark.parametrize("what", READS)
def test_a_service_gets_nothing_that_was_erased_meanwhile(
    domicile: Domicile, late: Late, what: str
) -> None:
    """Neither a body nor metadata."""
    record = domicile.tenant().put(PROMPT, b"mine", subject="u", metadata={"n": 1}).id
    tenant, came = reopened(domicile), late(erased)
    with pytest.raises(Erased):
        READS[what](tenant, record)
    assert came


@pytest.mark.parametrize(("what", "found"), [("get", b"mine"), ("metadata", {"n": 1})])
def test_what_still_stands_is_read(
    domicile: Domicile, late: Late, what: str, found: object
) -> None:
    """The caller need not try again."""
    record = domicile.tenant().put(PROMPT, b"mine", subject="u", metadata={"n": 1}).id
    tenant, came = reopened(domicile), late()
    assert READS[what](tenant, record) == found
    assert came


def test_flags_of_what_was_erased_meanwhile_stay_shut(domicile: Domicile, late: Late) -> None:
    """For a machine, too."""
    record = put_bad(domicile)
    list(machine(domicile).screen(Watchful().as_classifier()))
    domicile.open()
    mill, came = machine(domicile), late(erased)
    with pytest.raises(Erased):
        mill.flags(record, purpose=SCREENING)
    assert came


def test_a_classifier_is_not_shown_what_was_erased_meanwhile(
    domicile: Domicile, late: Late
) -> None:
    """The result says what the matter is."""
    put_bad(domicile)
    domicile.open()
    mill, came, watchful = machine(domicile), late(erased), Watchful()
    (found,) = mill.screen(watchful.as_classifier())
    assert isinstance(found, ScreenFailure)
    assert isinstance(found.error, Erased)
    assert (len(came), watchful.bodies) == (1, [])


def test_a_classifier_is_shown_what_still_stands(domicile: Domicile, late: Late) -> None:
    """It is screened, and not left out because a backend was slow."""
    record = put_bad(domicile)
    domicile.open()
    mill, came, watchful = machine(domicile), late(), Watchful()
    assert [len(flags) for flags in flagged(mill.screen(watchful.as_classifier())).values()] == [1]
    assert mill.flags(record, purpose=SCREENING)
    assert (len(came), watchful.bodies) == (1, [b"bad"])


@pytest.mark.parametrize("seconds", [3, 60])
class TestTraining:
    @pytest.fixture
    def training(self, domicile: Domicile, tmp_path: Path) -> Domicile:
        """A Domicile whose topology permits training, with a record of a tenant that consents."""
        permit_training(domicile, tmp_path)
        domicile.tenant()
        machine(domicile)
        consent(domicile)
        domicile.tenant().put(PROMPT, b"mine", metadata={"n": 1})
        domicile.pass_time(seconds=5)
        domicile.open()  # no key is in memory
        return domicile

    def test_nothing_is_handed_out_after_a_withdrawal(
        self, training: Domicile, late: Late, seconds: int
    ) -> None:
        """Though its body was gathered before."""
        came = late(withdrawn, by=timedelta(seconds=seconds))
        read = train(training)
        assert bodies(read) == []
        assert (len(came), read.skipped) == (1, {"opted_out": 1})

    def test_what_still_stands_is_handed_out(
        self, training: Domicile, late: Late, seconds: int
    ) -> None:
        """The run need not begin again."""
        came = late(by=timedelta(seconds=seconds))
        read = train(training)
        assert bodies(read) == [b"mine"]
        assert (len(came), read.skipped) == (1, {})

    def test_the_manifest_has_the_consent_that_stands_then(
        self, training: Domicile, late: Late, seconds: int
    ) -> None:
        """Not the one that another replaced meanwhile."""
        came = late(consented_anew, by=timedelta(seconds=seconds))
        with train(training) as read:
            (record,) = read
        assert (len(came), json.loads(record.entry)["wording"]) == (1, FILES)


def test_a_person_is_told_to_try_again(domicile: Domicile) -> None:
    """The key service looked up the permit for too long: that is no refusal on record."""
    domicile.tenant()
    record = put_prompt(domicile, "u")
    granted = domicile.grant(spec(hours=24))
    tenant = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=granted.id)
    with domicile.catalog_faults() as faults:
        faults.at_statement(  # the last statement of the key service's look-up
            lambda said: "FROM access_grant" in said[0] and "grant_use" in said[-1],
            lambda _: domicile.clock.advance(PERMIT_LIFE * 2),
        )
        with pytest.raises(Unavailable, match="took too long"):
            tenant.get(record, purpose=LOOK)
    assert lines(domicile, LineKind.REFUSAL) == []
    assert tenant.get(record, purpose=LOOK).body == b"mine"
