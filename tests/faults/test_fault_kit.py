"""Each fault of the kit, on a store that puts, reads, erases and purges."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import CatalogUnavailable, Erased, Expired, NotFound, Unavailable
from storage.model import DataClass, Erasure, Scope
from storage.testing import (
    SERVICE,
    Domicile,
    Fault,
    duplicate,
    fail,
    fail_halfway,
    fill_up,
    forbid,
    ignore_purge,
    land_after,
    land_late,
    lose_answer,
    redirect,
    refuse_locked,
    refuse_some,
    stale_after_purge,
    stale_listing,
    time_out,
)
from tests.support.actions import GONE, erase, get, is_complete, work
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    object_states,
    orphans_on_backends,
)

pytestmark = pytest.mark.one_region

WRITES = ("put", "upload.finish")
SECONDS = timedelta(seconds=8)  # writes may still land until then

Make = Callable[[Domicile], Fault]


def always(fault: Fault) -> Make:
    """Return a fault that does not depend on the Domicile."""
    return lambda _: fault


FAULTS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "fail": (always(fail), ()),
    "fail writes": (always(fail), WRITES),
    "fill up": (always(fill_up), ("put", "upload.write")),
    "time out": (always(time_out), ()),
    "lose answer": (always(lose_answer), (*WRITES, "purge", "list_key")),
    "land late": (always(land_late), WRITES),
    "purge late": (always(land_late), ("purge",)),
    "land after": (lambda d: land_after(d.clock, SECONDS), WRITES),
    "duplicate": (always(duplicate), (*WRITES, "purge")),
    "half": (always(fail_halfway), ("put", "upload.write", "get", "purge")),
    "refuse some": (always(refuse_some), ("purge",)),
    "keep bytes": (always(ignore_purge), ("purge",)),
    "object lock": (always(refuse_locked), ("purge",)),
    "no right to purge": (always(forbid), ("purge",)),
    "no right to write": (always(forbid), WRITES),
    "no right to list": (always(forbid), ("list_key", "scan")),
    "redirect": (always(redirect), ()),
    "stale listing": (lambda d: stale_listing(d.backends["eu-a"]), ("list_key", "scan")),
    "lingering": (lambda _: stale_after_purge(), ("purge", "list_key", "get")),
}


@dataclass
class Story:
    """Three records of three subjects, put under a fault; one is erased."""

    domicile: Domicile
    t: BoundTenant
    samples: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str) -> None:
        """Put, and read what was acknowledged. Repeat failed puts with the same id."""
        minted = self.t.new_id(DataClass.PROMPT)
        for _ in range(2):
            with suppress(Unavailable):
                self.t.put(DataClass.PROMPT, name.encode(), id=minted, subject=name)
                break
        else:
            return
        assert get(self.t, minted) == name.encode()
        (self.samples[name],) = ciphertexts(self.domicile, minted)

    def truthful(self, erasure: Erasure, name: str) -> None:
        """Require that erased records are unreadable, without a receipt while a byte is left."""
        for info in self.t.list():
            assert get(self.t, info.id) != name.encode()
        if is_complete(self.domicile, erasure):
            assert backends_with(self.domicile, self.samples.get(name, b"-")) == set()
        assert orphans_on_backends(self.domicile) == []


@pytest.mark.parametrize("name", FAULTS)
def test_the_store_keeps_its_promises(domicile: Domicile, name: str) -> None:
    """The invariants hold under the fault, and all work finishes after it."""
    story = Story(domicile, domicile.tenant())
    make, methods = FAULTS[name]
    bad = domicile.backends["eu-a"]
    bad.inject(make(domicile), *methods)
    for person in ("ann", "ben", "eve"):
        story.put(person)
    erasure = erase(story.t, Scope.subject("ann"))
    story.truthful(erasure, "ann")
    for minutes in (0, 0, 5):
        domicile.pass_time(seconds=2 if not minutes else 0, minutes=minutes)
        domicile.run_worker()
        if bad.late and not minutes:
            bad.land()
        story.truthful(erasure, "ann")
    bad.land()
    bad.heal()
    for hours in (1, 73, 1, 1):
        work(domicile, hours=hours)
        story.truthful(erasure, "ann")

    assert is_complete(domicile, erasure)
    for person in {"ben", "eve"} & story.samples.keys():
        assert backends_with(domicile, story.samples[person]) == {"eu-a", "eu-b"}
    assert len(story.t.list()) == len({"ben", "eve"} & story.samples.keys())
    assert object_states(home(domicile)).keys() <= {"stored"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_drops_at_a_commit(domicile: Domicile, moment: str) -> None:
    """The put's answer is true, and a repeated put succeeds."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    with domicile.catalog_faults() as faults:
        drop = faults.drop_before_commit if moment == "before" else faults.drop_after_commit
        drop("INSERT INTO record")
        if moment == "before":
            with pytest.raises(CatalogUnavailable):
                t.put(DataClass.PROMPT, b"mine", id=minted)
            with pytest.raises(NotFound):
                get(t, minted)
        else:
            t.put(DataClass.PROMPT, b"mine", id=minted)

    assert t.put(DataClass.PROMPT, b"mine", id=minted).stored
    assert get(t, minted) == b"mine"


@pytest.mark.parametrize("ahead", [-0.04, 0.04])
def test_a_process_whose_clock_differs(domicile: Domicile, ahead: float) -> None:
    """Records put before an erasure are erased, and those put after it are kept."""
    domicile.tenant()
    with domicile.open_another(domicile.clock.skewed(timedelta(seconds=ahead))) as other:
        theirs = other.tenant("acme-eu").bind(SERVICE)
        ours = domicile.store.tenant("acme-eu").bind(SERVICE)
        before = theirs.put(DataClass.PROMPT, b"before", subject="ann").id
        erasure = erase(ours, Scope.subject("ann"))
        after = theirs.put(DataClass.PROMPT, b"after", subject="ann").id
        with pytest.raises(Erased):
            get(theirs, before)
        work(domicile, hours=1)
        work(domicile, hours=73)

        assert is_complete(domicile, erasure)
        assert get(ours, after) == b"after"


def test_a_clock_that_is_set_back(domicile: Domicile) -> None:
    """An erasure stays in force: puts of the subject are refused until time has caught up."""
    t = domicile.tenant()
    before = t.put(DataClass.PROMPT, b"before", subject="ann").id
    erasure = erase(t, Scope.subject("ann"))
    domicile.clock.jump(timedelta(hours=-2))
    with pytest.raises(GONE):
        get(t, before)
    with pytest.raises(Erased):
        t.put(DataClass.PROMPT, b"too early", subject="ann")
    work(domicile, hours=3)

    assert is_complete(domicile, erasure)
    kept = t.put(DataClass.PROMPT, b"after", subject="ann").id
    assert get(t, kept) == b"after"


def test_a_clock_that_is_set_forward(domicile: Domicile) -> None:
    """Records of days that seem over are unreadable, and stay so."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"mine").id
    domicile.clock.jump(timedelta(days=31))
    with pytest.raises(Expired):
        get(t, put)
    work(domicile)
    domicile.clock.jump(timedelta(days=-31))

    with pytest.raises(NotFound):
        get(t, put)
