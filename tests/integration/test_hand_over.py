"""Copies at processors: handed over, asked back, known to be gone, and in the receipt."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import BytesIO
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from regions.model import SubProcessor
from storage.catalog import tables as t
from storage.client.tenant import Tenant
from storage.errors import (
    BodyTooLarge,
    Erased,
    Expired,
    HandOverRefused,
    InvalidRequest,
    NotFound,
    ProcessorTimeout,
    ProcessorUnavailable,
)
from storage.evidence.receipts import Acknowledgement, verify
from storage.model import Copy, CopyState, DataClass, Erasure, ProcessorState, RecordId, Scope
from storage.ports import Connector
from storage.processors.acknowledgement import public_key
from storage.processors.http import HttpConnector
from storage.testing import Domicile, FakeProcessor
from tests.support.actions import duty, erase, get, is_complete, put_prompt, work
from tests.support.inspect.rows import everything
from tests.support.inspect.stored import HOME, home
from tests.support.processors.http_server import Processor, serving

MODERATION, REVIEW = "klarblick", "vier-augen"  # lead times of 24 and 72 hours, 14 and 30 days
DIGEST = hashlib.sha256(b"we have deleted it").digest()


@pytest.fixture
def tenant(domicile: Domicile) -> Tenant:
    """A tenant in the EU."""
    return domicile.tenant()


def processor(domicile: Domicile) -> FakeProcessor:
    """The one that answers by itself."""
    return domicile.processors[MODERATION]


def open_restored(domicile: Domicile) -> list[Copy]:
    """Those that are not known to be gone."""
    return list(domicile.store.admin.processors.copies(HOME))


def one(domicile: Domicile) -> Copy:
    """The only one."""
    (copy,) = open_restored(domicile)
    return copy


def state(domicile: Domicile, name: str = MODERATION) -> ProcessorState:
    """What ``status`` says of a processor."""
    region = next(region for region in domicile.store.status() if region.region == HOME)
    return next(found for found in region.processors if found.processor == name)


def words(domicile: Domicile, erasure: Erasure) -> tuple[Acknowledgement, ...]:
    """What the receipt says of processors."""
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    return verify(token, home(domicile).signing.public_key()).processors


class TestHandingOver:
    def test_the_processor_gets_the_content_under_an_id_that_says_nothing(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """And the caller learns the id, and until when it lives; nothing is opened for it twice."""
        put = put_prompt(domicile, "u")

        made = tenant.hand_over(put, MODERATION)

        assert processor(domicile).copies == {made.copy: b"mine"}
        assert (made.processor, made.content) == (MODERATION, None)
        assert one(domicile).state is CopyState.DELIVERED
        assert one(domicile).deadline == made.deadline

    def test_people_get_it_from_the_caller(self, domicile: Domicile, tenant: Tenant) -> None:
        """Where the connector is manual, the content comes back, and is not shown by a repr."""
        made = tenant.hand_over(put_prompt(domicile, "u"), REVIEW)

        assert made.content == b"mine"
        assert "mine" not in repr(made)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("clearwater-screening", "outside_residency"),
            ("lindenhost", "no_connector"),
            ("nobody", "unknown_processor"),
        ],
    )
    def test_nobody_else_gets_it(
        self, domicile: Domicile, tenant: Tenant, name: str, reason: str
    ) -> None:
        """Another jurisdiction, a host, a stranger: refused before a row or a byte is written."""
        put = put_prompt(domicile, "u")
        before = everything(domicile)

        with pytest.raises(HandOverRefused) as caught:
            tenant.hand_over(put, name)

        assert caught.value.reasons == (reason,)
        assert everything(domicile) == before

    def test_a_class_goes_to_the_services_that_the_topology_names(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """A fine-tuning file goes to moderation, and not to human review."""
        put = tenant.put_file(BytesIO(b"a file"))

        with pytest.raises(HandOverRefused) as caught:
            tenant.hand_over(put.id, REVIEW)
        assert caught.value.reasons == ("service_not_allowed",)
        made = tenant.hand_over(put.id, MODERATION)
        assert processor(domicile).copies[made.copy] == b"a file"

    def test_what_cannot_be_read_is_not_handed_over(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """Erased, expired, another's, or too large for one request."""
        put, other = put_prompt(domicile, "u"), put_prompt(domicile, "v")
        large = tenant.put_file(BytesIO(bytes(16 * 1024 * 1024 + 1)))
        stranger = domicile.tenant("other", account="other")
        erase(tenant)

        with pytest.raises(Erased):
            tenant.hand_over(put, MODERATION)
        with pytest.raises(NotFound):
            stranger.hand_over(other, MODERATION)
        with pytest.raises(BodyTooLarge):
            tenant.hand_over(large.id, MODERATION)
        with pytest.raises(InvalidRequest):
            tenant.hand_over(other, 7)  # type: ignore[arg-type]
        domicile.pass_time(days=30)
        with pytest.raises(Expired):
            tenant.hand_over(other, MODERATION)
        assert processor(domicile).calls == []

    @pytest.mark.parametrize("outcome", ["lost", "down"])
    def test_whatever_may_have_arrived_is_asked_back(
        self, domicile: Domicile, tenant: Tenant, outcome: str
    ) -> None:
        """The answer was lost, or nothing was reached: the same to us, and it is gone soon."""
        put, there = put_prompt(domicile, "u"), processor(domicile)
        there.down = outcome == "down"
        if outcome == "lost":
            there.fail_after["deliver"] = ProcessorTimeout(MODERATION)
        error = ProcessorUnavailable if outcome == "down" else ProcessorTimeout
        with pytest.raises(error):
            tenant.hand_over(put, MODERATION)
        held = len(there.copies)
        there.down = False
        work(domicile)

        assert held == (outcome == "lost")
        assert there.copies == {}
        assert one(domicile).state is CopyState.REQUESTED  # a late delivery could still arrive
        work(domicile, minutes=20)
        assert open_restored(domicile) == []


class TestTime:
    def test_a_copy_is_asked_back_by_the_lead_time_before_its_deadline(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """A file that is kept has copies that are not: 14 days here, and a day to delete them."""
        put, now = tenant.put_file(BytesIO(b"x")), domicile.clock.now()
        made = tenant.hand_over(put.id, MODERATION)
        work(domicile, days=14, hours=-28)

        assert timedelta(days=14) <= made.deadline - now < timedelta(days=14, seconds=1)
        assert one(domicile).state is CopyState.DELIVERED
        work(domicile, hours=3)
        assert processor(domicile).copies == {}
        assert domicile.clock.now() < made.deadline - timedelta(hours=24)

    def test_a_longer_lead_time_is_asked_earlier(self, domicile: Domicile, tenant: Tenant) -> None:
        """People need three days: the copy is asked back while its record can still be read."""
        put = put_prompt(domicile, "u")
        made = tenant.hand_over(put, REVIEW)
        assert made.deadline == tenant.explain(put).deadline
        until = made.deadline - domicile.clock.now() - timedelta(hours=72)
        work(domicile, seconds=until.total_seconds() - 3 * 3600)
        before = one(domicile).state
        work(domicile, hours=2)

        assert (before, one(domicile).state) == (CopyState.DELIVERED, CopyState.REQUESTED)
        assert get(tenant, put) == b"mine"

    def test_a_copy_goes_with_its_record(self, domicile: Domicile, tenant: Tenant) -> None:
        """Gone when the record expires, though its processor might have kept it longer."""
        short = domicile.tenant("brief", retention={DataClass.PROMPT: 4})
        put = short.put(DataClass.PROMPT, b"mine")
        made = short.hand_over(put.id, MODERATION)
        readable_until = short.explain(put.id).readable_until
        assert readable_until is not None
        assert made.deadline == put.deadline

        work(domicile, seconds=(readable_until - domicile.clock.now()).total_seconds() + 60)

        assert processor(domicile).copies == {}
        assert open_restored(domicile) == []

    def test_what_has_no_time_left_is_not_handed_over(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """Its deletion would have to be asked for at once."""
        short = domicile.tenant("brief", retention={DataClass.PROMPT: 3})
        put = short.put(DataClass.PROMPT, b"mine")

        with pytest.raises(HandOverRefused) as caught:
            short.hand_over(put.id, REVIEW)
        assert caught.value.reasons == ("too_short",)
        assert open_restored(domicile) == []

    def test_what_is_overdue_is_shown_until_it_is_gone(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """With the deadline that has passed; it is asked for at least every hour, for ever."""
        made = tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        there = processor(domicile)
        there.pending = True
        work(domicile, days=13)
        assert state(domicile) == ProcessorState(MODERATION, 1, 1, 0, None)
        for _ in range(60):
            work(domicile, hours=1, minutes=1)
        asked = len(there.calls)

        assert state(domicile) == ProcessorState(MODERATION, 1, 1, 1, made.deadline)
        work(domicile, hours=1, minutes=1)
        assert len(there.calls) == asked + 2
        there.pending = False
        work(domicile, hours=1, minutes=1)
        assert state(domicile) == ProcessorState(MODERATION, 0, 0, 0, None)

    def test_an_agreement_that_ends_takes_the_copies_along(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """A date that is added later: what is there is asked back before it."""
        tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        work(domicile)
        assert len(processor(domicile).copies) == 1
        topology = home(domicile).topology
        company = topology.sub_processors[MODERATION]
        topology.sub_processors[MODERATION] = company.model_copy(update={"until": date(2026, 3, 2)})

        work(domicile)

        assert processor(domicile).copies == {}


SCOPES: dict[str, Callable[[RecordId], Scope]] = {
    "record": Scope.record,
    "subject": lambda _: Scope.subject("u"),
    "group": lambda _: Scope.group("g"),
    "tenant": lambda _: Scope.tenant(),
}


class TestErasing:
    @pytest.mark.parametrize("scope", SCOPES)
    def test_no_receipt_while_a_processor_has_a_copy(
        self, domicile: Domicile, tenant: Tenant, scope: str
    ) -> None:
        """Whatever was erased; then the receipt has the processor's word, and the row is gone."""
        put = tenant.put(DataClass.PROMPT, b"mine", subject="u", group="g").id
        made = tenant.hand_over(put, MODERATION)
        there = processor(domicile)
        there.pending = True
        erasure = erase(tenant, SCOPES[scope](put))
        work(domicile)
        left = domicile.store.erasure(erasure.id).outstanding

        assert not is_complete(domicile, erasure)
        assert [(x.backend, x.replicas) for x in left] == [(MODERATION, 1)]
        there.pending = False
        work(domicile, hours=1)
        assert there.copies == {}
        (word,) = words(domicile, erasure)
        digest = hashlib.sha256(made.copy.bytes).hexdigest()
        assert (word.copy_id, word.processor, word.how) == (made.copy, MODERATION, "acknowledged")
        assert word.digest == digest
        work(domicile)
        with home(domicile).catalog.begin() as connection:
            for table in (t.processor_copy, t.erasure_copy):
                assert connection.scalar(select(func.count()).select_from(table)) == 0

    def test_what_derives_from_it_goes_too(self, domicile: Domicile, tenant: Tenant) -> None:
        """A copy of a completion, when the prompt is erased; another subject's stays."""
        prompt = put_prompt(domicile, "u")
        answer = tenant.put(DataClass.COMPLETION, b"answer", derived_from=[prompt]).id
        other = tenant.hand_over(put_prompt(domicile, "v"), MODERATION)
        tenant.hand_over(answer, MODERATION)

        erasure = erase(tenant, Scope.record(prompt))
        work(domicile)
        work(domicile, hours=73)
        work(domicile, hours=1)

        assert set(processor(domicile).copies) == {other.copy}
        assert len(words(domicile, erasure)) == 1

    def test_a_copy_of_what_has_expired_keeps_an_erasure_open(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """Its rows are long gone; the copy knows whom it is about. Others' do not count."""
        for subject in ("u", "v"):
            tenant.hand_over(put_prompt(domicile, subject), MODERATION)
        processor(domicile).pending = True
        work(domicile, days=31)
        work(domicile, hours=1)
        erasure = erase(tenant)
        work(domicile)

        left = domicile.store.erasure(erasure.id).outstanding
        assert [(x.backend, x.replicas) for x in left] == [(MODERATION, 1)]

    def test_two_erasures_wait_for_one_copy(self, domicile: Domicile, tenant: Tenant) -> None:
        """The second finds no rows any more, and still no receipt without the processor's word."""
        put = put_prompt(domicile, "u")
        tenant.hand_over(put, MODERATION)
        processor(domicile).pending = True
        first = erase(tenant)
        work(domicile)
        second = erase(tenant, Scope.record(put))
        work(domicile, hours=1)
        assert not is_complete(domicile, first)
        assert not is_complete(domicile, second)

        processor(domicile).pending = False
        work(domicile, hours=1)

        assert len(words(domicile, first)) == len(words(domicile, second)) == 1

    def test_many_copies_are_noted_in_pieces(
        self, domicile: Domicile, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bounded number at a time, and none is forgotten."""
        monkeypatch.setattr("storage.workers.erase.ROWS", 3)
        put = put_prompt(domicile, "u")
        for _ in range(7):
            tenant.hand_over(put, MODERATION)
        erasure = erase(tenant)
        work(domicile)
        work(domicile, hours=1)

        assert processor(domicile).copies == {}
        assert len(words(domicile, erasure)) == 7


class TestAttesting:
    def test_a_persons_word_completes_an_erasure(self, domicile: Domicile, tenant: Tenant) -> None:
        """The receipt says that it is only attested, and by which document."""
        made = tenant.hand_over(put_prompt(domicile, "u"), REVIEW)
        erasure = erase(tenant)
        work(domicile)
        work(domicile, hours=2)
        assert not is_complete(domicile, erasure)

        found = domicile.store.admin.processors.attest(made.copy, digest=DIGEST, actor="officer-7")
        work(domicile)

        assert (found.state, found.how) == (CopyState.CONFIRMED, "attested")
        (word,) = words(domicile, erasure)
        assert (word.how, word.digest) == ("attested", DIGEST.hex())

    def test_the_first_word_stands(self, domicile: Domicile, tenant: Tenant) -> None:
        """To record it again changes nothing."""
        made = tenant.hand_over(put_prompt(domicile, "u"), REVIEW)
        attest = domicile.store.admin.processors.attest
        first = attest(made.copy, digest=DIGEST, actor="officer-7")

        assert attest(str(made.copy), digest=bytes(32), actor="other") == first

    def test_no_person_speaks_for_a_processor_that_signs(
        self, domicile: Domicile, tenant: Tenant
    ) -> None:
        """Nor for a copy that nobody knows, with no document, or without an id."""
        made = tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        attest = domicile.store.admin.processors.attest

        with pytest.raises(HandOverRefused) as caught:
            attest(made.copy, digest=DIGEST, actor="officer-7")
        assert caught.value.reasons == ("not_manual",)
        for unknown in (uuid4(), "nothing"):
            with pytest.raises(NotFound):
                attest(unknown, digest=DIGEST, actor="officer-7")
        with pytest.raises(InvalidRequest):
            attest(made.copy, digest=b"short", actor="officer-7")
        with pytest.raises(InvalidRequest):
            attest(made.copy, digest=DIGEST, actor="Hypatia of Alexandria")


@contextmanager
def over_http(domicile: Domicile) -> Iterator[Processor]:
    """The processor as a real server, with the clock of the test."""
    key = Ed25519PrivateKey.generate()
    made = Processor(MODERATION, domicile.clock.now, trusts=key.public_key())
    with serving(made) as there, pytest.MonkeyPatch.context() as patch:

        def connector(self: Domicile, company: SubProcessor) -> Connector:
            return HttpConnector(
                company.name,
                there.url,
                key=key,
                kid="k",
                acknowledgement_key=public_key(there.public),
                longest_request=timedelta(minutes=16),
                clock=domicile.clock,
                entropy=os.urandom,
            )

        patch.setattr(Domicile, "_connector", connector)
        domicile.open()
        yield there


class TestOverHttp:
    def test_from_hand_over_to_receipt(self, domicile: Domicile) -> None:
        """The digest in the receipt is that of the acknowledgement which the processor signed."""
        with over_http(domicile) as there:
            t = domicile.tenant()
            made = t.hand_over(put_prompt(domicile, "u"), MODERATION)
            assert there.held == {str(made.copy): b"mine"}
            erasure = erase(t)
            work(domicile)

            assert there.held == {}
            (word,) = words(domicile, erasure)
            signed = there.acknowledge(str(made.copy)).encode()
            assert word.digest == hashlib.sha256(signed).hexdigest()

    @pytest.mark.parametrize(
        "false",
        [
            {"copy": str(uuid4())},
            {"deleted_at": "2020-01-01T00:00:00+00:00"},
            {"deleted_at": "2030-01-01T00:00:00+00:00"},
        ],
        ids=["another copy", "before its delivery", "in the future"],
    )
    def test_a_false_word_keeps_the_erasure_open(
        self, domicile: Domicile, false: dict[str, object]
    ) -> None:
        """Though the processor has signed it; a true one completes the erasure."""
        with over_http(domicile) as there:
            t = domicile.tenant()
            made = t.hand_over(put_prompt(domicile, "u"), MODERATION)
            there.token = there.acknowledge(**{"copy": str(made.copy)} | false)
            erasure = erase(t)
            work(domicile)
            (left,) = domicile.store.erasure(erasure.id).outstanding

            assert left.last_error == "AcknowledgementInvalid"
            assert not is_complete(domicile, erasure)
            there.token = None
            work(domicile, hours=1)
            assert is_complete(domicile, erasure)


def test_a_processor_that_the_topology_has_forgotten_is_shown(
    domicile: Domicile, tenant: Tenant
) -> None:
    """Nobody can ask it: the erasure stays open, and says so, until it is back."""
    tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
    erasure = erase(tenant)
    connectors = home(domicile).connectors
    assert isinstance(connectors, dict)
    there = connectors.pop(MODERATION)
    work(domicile)

    (left,) = domicile.store.erasure(erasure.id).outstanding
    assert (left.backend, left.last_error) == (MODERATION, "ProcessorUnknown")
    connectors[MODERATION] = there
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)


def test_a_page_of_copies(domicile: Domicile, tenant: Tenant) -> None:
    """Oldest first, by processor, after one of them."""
    put = put_prompt(domicile, "u")
    made: list[UUID] = [
        tenant.hand_over(put, name).copy for name in (MODERATION, REVIEW, MODERATION)
    ]
    copies = domicile.store.admin.processors.copies

    assert [c.id for c in copies(HOME)] == made
    assert [c.id for c in copies(HOME, after=made[0], limit=1)] == made[1:2]
    assert [c.id for c in copies(HOME, processor=REVIEW)] == [made[1]]
    duty(domicile, "request_deletion")
    assert [c.state for c in copies(HOME)] == [CopyState.DELIVERED] * 3
