"""Copies at processors: an erasure waits for them, and its receipt names each confirmation."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from regions.model import SubProcessor
from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.errors import (
    HandOverRefused,
    InvalidRequest,
    NotFound,
)
from storage.model import CopyState, DataClass, RecordId, Scope
from storage.ports import Connector
from storage.processors.acknowledgement import public_key
from storage.processors.http import HttpConnector
from storage.testing import Domicile
from tests.support.actions import erase, is_complete, put_prompt, work
from tests.support.inspect.stored import home
from tests.support.processors.copies import (
    BY_HAND,
    MODERATION,
    confirmations,
    processor,
)
from tests.support.processors.http_server import Processor, serving

pytestmark = pytest.mark.one_region

DIGEST = hashlib.sha256(b"we have deleted it").digest()


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU."""
    return domicile.tenant()


SCOPES: dict[str, Callable[[RecordId], Scope]] = {
    "record": Scope.record,
    "subject": lambda _: Scope.subject("u"),
    "group": lambda _: Scope.group("g"),
    "tenant": lambda _: Scope.tenant(),
}


class TestErasing:
    @pytest.mark.parametrize("scope", SCOPES)
    def test_no_receipt_while_a_processor_has_a_copy(
        self, domicile: Domicile, tenant: BoundTenant, scope: str
    ) -> None:
        """For each scope. Afterwards the receipt has the confirmation, and the rows are gone."""
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
        (word,) = confirmations(domicile, erasure)
        digest = hashlib.sha256(made.copy.bytes).hexdigest()
        assert (word.copy_id, word.processor, word.how) == (made.copy, MODERATION, "acknowledged")
        assert word.digest == digest
        work(domicile)
        with home(domicile).catalog.begin() as connection:
            for table in (t.processor_copy, t.erasure_copy):
                assert connection.scalar(select(func.count()).select_from(table)) == 0

    def test_what_derives_from_it_goes_too(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """The copy of a completion goes when its prompt is erased. Another subject's copy stays."""
        prompt = put_prompt(domicile, "u")
        answer = tenant.put(DataClass.COMPLETION, b"answer", derived_from=[prompt]).id
        other = tenant.hand_over(put_prompt(domicile, "v"), MODERATION)
        tenant.hand_over(answer, MODERATION)

        erasure = erase(tenant, Scope.record(prompt))
        work(domicile)
        work(domicile, hours=73)
        work(domicile, hours=1)

        assert set(processor(domicile).copies) == {other.copy}
        assert len(confirmations(domicile, erasure)) == 1

    def test_a_copy_of_what_has_expired_keeps_an_erasure_open(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """The record is gone; the row of the copy names the subject. Others do not count."""
        for subject in ("u", "v"):
            tenant.hand_over(put_prompt(domicile, subject), MODERATION)
        processor(domicile).pending = True
        work(domicile, days=31)
        work(domicile, hours=1)
        erasure = erase(tenant)
        work(domicile)

        left = domicile.store.erasure(erasure.id).outstanding
        assert [(x.backend, x.replicas) for x in left] == [(MODERATION, 1)]

    def test_two_erasures_wait_for_one_copy(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """The second finds no rows, and gets no receipt before the processor's confirmation."""
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

        assert len(confirmations(domicile, first)) == len(confirmations(domicile, second)) == 1

    def test_many_copies_are_noted_in_pieces(
        self, domicile: Domicile, tenant: BoundTenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bounded number at a time, and each of them."""
        monkeypatch.setattr("storage.workers.erase.ROWS", 3)
        put = put_prompt(domicile, "u")
        for _ in range(7):
            tenant.hand_over(put, MODERATION)
        erasure = erase(tenant)
        work(domicile)
        work(domicile, hours=1)

        assert processor(domicile).copies == {}
        assert len(confirmations(domicile, erasure)) == 7


class TestAttesting:
    def test_an_attestation_completes_an_erasure(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """The receipt says that it is attested, and by which document."""
        made = tenant.hand_over(put_prompt(domicile, "u"), BY_HAND)
        erasure = erase(tenant)
        work(domicile)
        work(domicile, hours=2)
        assert not is_complete(domicile, erasure)

        found = domicile.store.admin.processors.attest(made.copy, digest=DIGEST, actor="officer-7")
        work(domicile)

        assert (found.state, found.how) == (CopyState.CONFIRMED, "attested")
        (word,) = confirmations(domicile, erasure)
        assert (word.how, word.digest) == ("attested", DIGEST.hex())

    def test_the_first_attestation_stands(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """A second attestation changes nothing."""
        made = tenant.hand_over(put_prompt(domicile, "u"), BY_HAND)
        attest = domicile.store.admin.processors.attest
        first = attest(made.copy, digest=DIGEST, actor="officer-7")

        assert attest(str(made.copy), digest=bytes(32), actor="other") == first

    def test_a_processor_that_signs_cannot_be_attested(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Nor for an unknown copy, nor without a document or a pseudonymous actor."""
        made = tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        attest = domicile.store.admin.processors.attest

        with pytest.raises(HandOverRefused) as caught:
            attest(made.copy, digest=DIGEST, actor="officer-7")
        assert caught.value.reasons == ("not_manual",)
        for unknown, error in ((uuid4(), NotFound), ("nothing", InvalidRequest)):
            with pytest.raises(error):
                attest(unknown, digest=DIGEST, actor="officer-7")
        with pytest.raises(InvalidRequest):
            attest(made.copy, digest=b"short", actor="officer-7")
        with pytest.raises(InvalidRequest):
            attest(made.copy, digest=DIGEST, actor="Hypatia of Alexandria")


@contextmanager
def over_http(domicile: Domicile) -> Iterator[Processor]:
    """Replace the processor by a real HTTP server with the test's clock."""
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
        """The receipt has the digest of the acknowledgement that the processor signed."""
        with over_http(domicile) as there:
            t = domicile.tenant()
            made = t.hand_over(put_prompt(domicile, "u"), MODERATION)
            assert there.held == {str(made.copy): b"mine"}
            erasure = erase(t)
            work(domicile)

            assert there.held == {}
            (word,) = confirmations(domicile, erasure)
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
    def test_a_false_acknowledgement_keeps_the_erasure_open(
        self, domicile: Domicile, false: dict[str, object]
    ) -> None:
        """Though the processor signed it. A true acknowledgement completes the erasure."""
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
