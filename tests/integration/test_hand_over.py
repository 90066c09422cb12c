"""Copies at processors: handed over, asked back in time, and shown."""

from datetime import date, timedelta
from io import BytesIO
from uuid import UUID

import pytest

from storage.client.tenant import BoundTenant
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
from storage.model import CopyState, DataClass, ProcessorState
from storage.testing import Domicile
from tests.support.actions import duty, erase, get, is_complete, put_prompt, work
from tests.support.inspect.rows import all_state
from tests.support.inspect.stored import HOME, home
from tests.support.processors.copies import (
    BY_HAND,
    MODERATION,
    REVIEW,
    copies_left,
    only_copy,
    processor,
    processor_state,
)

pytestmark = pytest.mark.one_region


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU."""
    return domicile.tenant()


class TestHandingOver:
    def test_the_processor_gets_the_content_under_an_id_that_says_nothing(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """The caller gets the id and its deadline."""
        put = put_prompt(domicile, "u")

        made = tenant.hand_over(put, MODERATION)

        assert processor(domicile).copies == {made.copy: b"mine"}
        assert (made.processor, made.content) == (MODERATION, None)
        assert only_copy(domicile).state is CopyState.DELIVERED
        assert only_copy(domicile).deadline == made.deadline

    def test_a_manual_connector_returns_the_content(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """With a manual connector the call returns the content, and no repr shows it."""
        made = tenant.hand_over(put_prompt(domicile, "u"), BY_HAND)

        assert made.content == b"mine"
        assert "mine" not in repr(made)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("clearwater-screening", "outside_residency"),
            ("lindenhost", "no_connector"),
            ("nobody", "unknown_processor"),
            (REVIEW, "form_not_available"),
        ],
    )
    def test_other_companies_are_refused(
        self, domicile: Domicile, tenant: BoundTenant, name: str, reason: str
    ) -> None:
        """Another jurisdiction, a host, an unknown company, people who would see raw content."""
        put = put_prompt(domicile, "u")
        before = all_state(domicile)

        with pytest.raises(HandOverRefused) as caught:
            tenant.hand_over(put, name)

        assert caught.value.reasons == (reason,)
        assert all_state(domicile) == before

    def test_a_class_goes_to_the_services_that_the_topology_names(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """A fine-tuning file goes to moderation, and not to human review."""
        put = tenant.put_file(BytesIO(b"a file"))

        with pytest.raises(HandOverRefused) as caught:
            tenant.hand_over(put.id, REVIEW)
        assert caught.value.reasons == ("service_not_allowed",)
        made = tenant.hand_over(put.id, MODERATION)
        assert processor(domicile).copies[made.copy] == b"a file"

    def test_what_cannot_be_read_is_not_handed_over(
        self, domicile: Domicile, tenant: BoundTenant
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
        self, domicile: Domicile, tenant: BoundTenant, outcome: str
    ) -> None:
        """A lost answer and a failed connection alike: the copy is asked back at once."""
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
        assert only_copy(domicile).state is CopyState.REQUESTED  # it may arrive late
        work(domicile, minutes=20)
        assert copies_left(domicile) == []


class TestTime:
    def test_a_copy_is_asked_back_by_the_lead_time_before_its_deadline(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """The copy of a kept file lives for 14 days here, with a day to delete it."""
        put, now = tenant.put_file(BytesIO(b"x")), domicile.clock.now()
        made = tenant.hand_over(put.id, MODERATION)
        work(domicile, days=14, hours=-28)

        assert timedelta(days=14) <= made.deadline - now < timedelta(days=14, seconds=1)
        assert only_copy(domicile).state is CopyState.DELIVERED
        work(domicile, hours=3)
        assert processor(domicile).copies == {}
        assert domicile.clock.now() < made.deadline - timedelta(hours=24)

    def test_a_longer_lead_time_is_asked_earlier(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Human review needs three days: the copy is asked back while its record is readable."""
        put = put_prompt(domicile, "u")
        made = tenant.hand_over(put, BY_HAND)
        assert made.deadline == tenant.explain(put).deadline
        until = made.deadline - domicile.clock.now() - timedelta(hours=72)
        work(domicile, seconds=until.total_seconds() - 3 * 3600)
        before = only_copy(domicile).state
        work(domicile, hours=2)

        assert (before, only_copy(domicile).state) == (CopyState.DELIVERED, CopyState.REQUESTED)
        assert get(tenant, put) == b"mine"

    def test_a_copy_goes_with_its_record(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """It is gone when the record expires, though the processor might keep it longer."""
        short = domicile.tenant("brief", retention={DataClass.PROMPT: 4})
        put = short.put(DataClass.PROMPT, b"mine")
        made = short.hand_over(put.id, MODERATION)
        readable_until = short.explain(put.id).readable_until
        assert readable_until is not None
        assert made.deadline == put.deadline

        work(domicile, seconds=(readable_until - domicile.clock.now()).total_seconds() + 60)

        assert processor(domicile).copies == {}
        assert copies_left(domicile) == []

    def test_what_has_no_time_left_is_not_handed_over(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Its deletion would be due at once."""
        short = domicile.tenant("brief", retention={DataClass.PROMPT: 3})
        put = short.put(DataClass.PROMPT, b"mine")

        with pytest.raises(HandOverRefused) as caught:
            short.hand_over(put.id, BY_HAND)
        assert caught.value.reasons == ("too_short",)
        assert copies_left(domicile) == []

    def test_what_is_overdue_is_shown_until_it_is_gone(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """The status shows the deadline, and the worker asks at least every hour without end."""
        made = tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        there = processor(domicile)
        there.pending = True
        work(domicile, days=13)
        assert processor_state(domicile) == ProcessorState(MODERATION, 1, 1, 0, None)
        for _ in range(26):
            work(domicile, hours=1, minutes=1)
        asked = len(there.calls)

        assert processor_state(domicile) == ProcessorState(MODERATION, 1, 1, 1, made.deadline)
        work(domicile, hours=1, minutes=1)
        assert len(there.calls) == asked + 2
        there.pending = False
        work(domicile, hours=1, minutes=1)
        assert processor_state(domicile) == ProcessorState(MODERATION, 0, 0, 0, None)

    def test_an_agreement_that_ends_takes_the_copies_along(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """An end date is added later: the copies are asked back before it."""
        tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
        work(domicile)
        assert len(processor(domicile).copies) == 1
        topology = home(domicile).topology
        company = topology.sub_processors[MODERATION]
        topology.sub_processors[MODERATION] = company.model_copy(update={"until": date(2026, 3, 2)})

        work(domicile)

        assert processor(domicile).copies == {}


def test_a_processor_that_the_topology_does_not_name_any_more_is_shown(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """No worker can ask it: the erasure stays open and shows why until it is back."""
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


def test_a_page_of_copies(domicile: Domicile, tenant: BoundTenant) -> None:
    """Oldest first, by processor, after one of them."""
    put = put_prompt(domicile, "u")
    made: list[UUID] = [
        tenant.hand_over(put, name).copy for name in (MODERATION, BY_HAND, MODERATION)
    ]
    copies = domicile.store.admin.processors.copies

    assert [c.id for c in copies(HOME)] == made
    assert [c.id for c in copies(HOME, after=made[0], limit=1)] == made[1:2]
    assert [c.id for c in copies(HOME, processor=BY_HAND)] == [made[1]]
    duty(domicile, "request_deletion")
    assert [c.state for c in copies(HOME)] == [CopyState.DELIVERED] * 3
