"""How a screening runs: days, pages, packs, failures, and asyncio."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from io import BytesIO
from typing import Any

import pytest

from storage import AsyncBoundTenant, AsyncStore
from storage.client.tenant import BoundTenant
from storage.errors import BodyTooLarge, InvalidRequest, NotFound, Unavailable, UnknownClass
from storage.model import (
    Classifier,
    DataClass,
    NewFlag,
    Purpose,
    RecordId,
    Screened,
    ScreenFailure,
)
from storage.testing import Domicile
from tests.support.async_helpers import run_async
from tests.support.screening import MILL, Watchful, flagged, machine, put_all

PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    return domicile.tenant()


@pytest.fixture
def mill(domicile: Domicile, tenant: BoundTenant) -> BoundTenant:
    """The same tenant, bound to a machine of the roster."""
    return machine(domicile)


class TestPages:
    def test_a_day_is_the_utc_day_of_minting(
        self, domicile: Domicile, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """To the moment of midnight."""
        today = domicile.clock.now().date()
        midnight = datetime.combine(today, time.min, UTC) + timedelta(days=1)
        domicile.clock.advance(midnight - timedelta(seconds=1) - domicile.clock.now())
        before = put_all(tenant, b"before")
        domicile.clock.advance(midnight - domicile.clock.now())
        after = put_all(tenant, b"after")

        tomorrow = today + timedelta(days=1)
        assert [one.id for one in mill.screen(Watchful().as_classifier(), day=today)] == before
        assert [one.id for one in mill.screen(Watchful().as_classifier(), day=tomorrow)] == after
        assert list(mill.screen(Watchful().as_classifier(), day=tomorrow + timedelta(days=1))) == []

    def test_a_screening_goes_on_where_it_stopped(
        self, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """Whatever the pages, each record is seen once, in order."""
        put = put_all(tenant, *(b"%d" % n for n in range(90)))
        seen, found, after = Watchful(), list[RecordId](), None
        for limit in (1, 40, 3, None):
            some = [one.id for one in mill.screen(seen.as_classifier(), after=after, limit=limit)]
            assert limit is None or len(some) == limit
            found += some
            after = found[-1]

        assert found == put
        assert len(seen.shown) == 90

    def test_other_classes_are_not_shown(self, tenant: BoundTenant, mill: BoundTenant) -> None:
        """One class at a time; prompts unless another is named."""
        put_all(tenant, b"prompt")
        file = tenant.put_file(BytesIO(b"bad file"))
        seen = Watchful()

        assert list(flagged(mill.screen(seen.as_classifier(), data_class=FILE))) == [file.id]
        assert seen.bodies == [b"bad file"]
        assert [one.id for one in tenant.list(flagged=True)] == [file.id]

    def test_arguments_are_checked_at_once(self, mill: BoundTenant) -> None:
        """Before anything is read."""
        good: Any = Watchful().as_classifier()
        for wrong in ({"day": "2026-01-01"}, {"limit": 0}, {"limit": True}):
            with pytest.raises(InvalidRequest):
                mill.screen(good, **wrong)
        with pytest.raises(UnknownClass):
            mill.screen(good, data_class=DataClass.FLAG)
        with pytest.raises(InvalidRequest):
            mill.screen(lambda *_: [])  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            mill.list(flagged="yes")  # type: ignore[arg-type]


class TestReading:
    def test_neighbours_in_a_pack_are_read_together(
        self, domicile: Domicile, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """A pack of many records takes a few requests; the records are what they were."""
        bodies = [b"%d" % n * 50 for n in range(300)]
        put_all(tenant, *bodies)
        for backend in domicile.backends.values():
            backend.calls.clear()
        seen = Watchful()

        assert len(flagged(mill.screen(seen.as_classifier()))) == 300
        gets = [call for b in domicile.backends.values() for call in b.calls if call[0] == "get"]
        assert sorted(seen.bodies) == sorted(bodies)
        assert len(gets) < 30, len(gets)

    def test_another_replica_is_read_if_one_is_corrupt(
        self, domicile: Domicile, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """Bad bytes are shown to no classifier, and their replica is replaced."""
        bodies = [b"bad %d" % n for n in range(5)]
        put_all(tenant, *bodies)
        inner = domicile.backends["eu-a"].inner
        for trace in list(inner.scan("pack/")):
            data = inner.get(trace.key)
            inner.purge(trace.key)
            inner.put(trace.key, bytes(len(data)), timeout=1)
        seen = Watchful()

        assert len(flagged(mill.screen(seen.as_classifier()))) == 5
        assert sorted(seen.bodies) == bodies

    def test_what_cannot_be_read_does_not_stop_the_others(
        self, domicile: Domicile, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """It yields its error: too large for a classifier, or on no backend that answers."""
        small = tenant.put_file(BytesIO(b"bad")).id
        large = tenant.put_file(BytesIO(bytes(16 * 1024 * 1024 + 1))).id
        middle = tenant.put_file(BytesIO(b"bad" * 1_000_000)).id
        seen = Watchful()

        results = {one.id: one for one in mill.screen(seen.as_classifier(), data_class=FILE)}
        assert set(results) == {small, large, middle}
        failure = results[large]
        assert isinstance(failure, ScreenFailure)
        assert isinstance(failure.error, BodyTooLarge)
        assert sorted(map(len, seen.bodies)) == [3, 3_000_000]
        domicile.take_down("eu-a", "eu-b")
        again = list(mill.screen(seen.as_classifier(), data_class=FILE))
        assert all(isinstance(one, ScreenFailure) for one in again)
        errors = [one.error for one in again if isinstance(one, ScreenFailure)]
        assert sum(isinstance(error, Unavailable) for error in errors) == 2


class TestClassifiers:
    def test_what_was_done_before_an_error_is_kept(
        self, domicile: Domicile, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """The error of a classifier is raised after the results of the records before."""
        put = put_all(tenant, *(b"bad %d" % n for n in range(5)))
        seen = Watchful()

        def fail(_: bytes) -> None:
            if len(seen.shown) == 4:
                raise ZeroDivisionError

        seen.then = fail
        results = mill.screen(seen.as_classifier())
        found = [next(results).id for _ in range(3)]
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert found == put[:3]
        assert [one.id for one in tenant.list(flagged=True)] == put[:3]
        assert len(list(mill.screen(Watchful().as_classifier(), after=found[-1]))) == 2

    @pytest.mark.parametrize("answer", [None, "bad", [("bad", 1)], [NewFlag("x", 1)] * 17])
    def test_an_answer_that_is_no_list_of_flags(
        self,
        tenant: BoundTenant,
        mill: BoundTenant,
        answer: Any,  # noqa: ANN401
    ) -> None:
        """Nothing is written."""
        put_all(tenant, b"bad")

        def classify(*_: object) -> Sequence[NewFlag]:
            return answer  # type: ignore[no-any-return]

        with pytest.raises(InvalidRequest):
            list(mill.screen(Classifier("odd", "1", classify)))
        assert not tenant.list(flagged=True)

    def test_flags_of_a_record_that_is_not_there(
        self, tenant: BoundTenant, mill: BoundTenant
    ) -> None:
        """As for any record."""
        with pytest.raises(NotFound):
            mill.flags(mill.new_id(PROMPT), purpose=Purpose.ABUSE_SCREENING)


def test_asyncio(domicile: Domicile, tenant: BoundTenant, mill: BoundTenant) -> None:
    """The same results, and flags."""
    put = put_all(tenant, *(b"bad %d" % n for n in range(3)))

    async def run(_: AsyncStore, own: AsyncBoundTenant) -> None:
        bound = own.bind(MILL)
        found = [one async for one in bound.screen(Watchful().as_classifier())]
        flags = await bound.flags(put[0], purpose=Purpose.ABUSE_SCREENING)
        assert [one.id for one in found] == put
        assert found[0] == Screened(put[0], tuple(flags))
        assert [one.id for one in await bound.list(flagged=True)] == put

    run_async(domicile, run)
