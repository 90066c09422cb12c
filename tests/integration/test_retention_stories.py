"""Random lives of a tenant that shortens, lengthens and stops keeping, beside an oracle of ends.

The oracle counts in whole days from midnight, and knows no query: it has a list of records, and the
retention of now. What was over when a worker ran is gone for good; everything else is computed.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.client.tenant import BoundTenant
from storage.errors import Erased, Expired, InvalidRequest, NotFound
from storage.model import DataClass, Purpose, RecordId
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.retention import keep

pytestmark = pytest.mark.one_region

PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE
USUAL = {PROMPT: 30, FILE: None}
GONE = (Expired, NotFound, Erased)
_NUMBERS = count(1)

days = st.sampled_from([0, 2, 3, 5, 8, 30])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([PROMPT, FILE]), st.none() | days),
        st.tuples(st.just("keep"), st.sampled_from([PROMPT, FILE]), st.none() | days),
        st.tuples(st.just("wait"), st.integers(1, 60), st.none()),
        st.tuples(st.just("work"), st.none(), st.none()),
    ),
    min_size=4,
    max_size=10,
)


@dataclass
class Kept:
    """A record, for how many days its id was minted (None: for ever), and whether it is gone."""

    id: RecordId
    minted_for: int | None
    gone: bool = False

    def over(self, now: datetime, today: int | None) -> bool:
        """Return whether reading is over, if its class is kept for ``today`` days."""
        return any(
            self._midnight(days) <= now for days in (self.minted_for, today) if days is not None
        )

    def _midnight(self, days: int) -> datetime:
        first = datetime(*self.id.minted.timetuple()[:3], tzinfo=UTC)
        return first + timedelta(days=max(days - 1, 0))  # the last day is for purging


@dataclass
class Oracle:
    """What a tenant has, and how long it keeps each class."""

    days: dict[DataClass, int | None] = field(default_factory=lambda: dict(USUAL))
    kept: list[Kept] = field(default_factory=list)

    def readable(self, now: datetime) -> list[RecordId]:
        """Return what can be read."""
        found = [one for one in self.kept if not self._over(one, now)]
        return [one.id for one in found if not one.gone]

    def work(self, now: datetime) -> None:
        """Note that a worker destroys what is over."""
        for one in self.kept:
            one.gone = one.gone or self._over(one, now)

    def _over(self, one: Kept, now: datetime) -> bool:
        return one.over(now, self.days[one.id.data_class])


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=actions)
def test_a_life_ends_as_the_oracle_says(
    domicile: Domicile, story: list[tuple[str, object, int | None]]
) -> None:
    """After each action: every read, the list, and in the end that nothing is left."""
    tenant, oracle = domicile.tenant(f"life-{next(_NUMBERS)}-eu"), Oracle()
    for what, on, number in story:
        match what, on:
            case "put", DataClass() as data_class:
                put(tenant, oracle, data_class, number)
            case "keep", DataClass() as data_class:
                if data_class is PROMPT or number is not None or oracle.days[FILE] is None:
                    keep(domicile, tenant.id, **{data_class.value: number})
                    oracle.days[data_class] = USUAL[data_class] if number is None else number
            case "wait", int() as hours:
                domicile.pass_time(hours=hours)
            case _:
                work(domicile)
                oracle.work(domicile.clock.now())
        check(domicile, tenant, oracle)
    keep(domicile, tenant.id, prompt=0, fine_tuning_file=0)
    for _ in range(3):
        work(domicile, hours=49)
    assert not tenant.list()
    assert domicile.store.admin.tenants.get(tenant.id).retention == {PROMPT: 0, FILE: 0}
    for _ in range(2):
        work(domicile, hours=49)
    domicile.store.admin.tenants.remove(tenant.id)  # refused if a record had a row


def put(tenant: BoundTenant, oracle: Oracle, data_class: DataClass, keep_days: int | None) -> None:
    """Put a record for so many days, and tell the oracle, unless the tenant keeps it for less."""
    most = oracle.days[data_class]
    wrong = keep_days is not None and (keep_days == 0 or (most is not None and keep_days > most))
    try:
        result = tenant.put(data_class, b"mine", keep_days=keep_days)
    except InvalidRequest:
        assert wrong
        return
    assert not wrong
    assert result.stored == (most != 0)
    if result.stored:
        oracle.kept.append(Kept(result.id, most if keep_days is None else keep_days))


def check(domicile: Domicile, tenant: BoundTenant, oracle: Oracle) -> None:
    """Compare all reads and the list with the oracle."""
    expected = oracle.readable(domicile.clock.now())
    assert sorted(map(str, (info.id for info in tenant.list()))) == sorted(map(str, expected))
    for one in oracle.kept:
        try:
            tenant.get(one.id, purpose=Purpose.SERVE)
        except GONE:
            assert one.id not in expected
        else:
            assert one.id in expected
