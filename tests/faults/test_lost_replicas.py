"""Backends that acknowledge what they lost: bytes are read back before anything depends on them."""

import pytest

from storage.errors import TooFewReplicas
from storage.model import DataClass
from storage.testing import SERVICE, Call, Domicile
from tests.support.actions import duty, get, put_prompt

pytestmark = pytest.mark.one_region


def forget(_: Call) -> None:
    """Make a backend acknowledge writes and lose them."""


def keys(domicile: Domicile, backend: str, prefix: str) -> list[str]:
    """Return the keys that the backend really has."""
    return [trace.key for trace in domicile.backends[backend].inner.scan(prefix)]


def test_a_key_that_no_backend_has_kept_is_not_used(domicile: Domicile) -> None:
    """No record under it could be read, so the put is not acknowledged."""
    t = domicile.tenant()
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(forget, "put", prefix="day_key/")

    with pytest.raises(TooFewReplicas):
        t.put(DataClass.PROMPT, b"mine", subject="u")
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].heal()
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    domicile.open()

    assert get(domicile.store.tenant(t.id).bind(SERVICE), put.id) == b"mine"


def test_a_key_that_one_backend_has_lost_is_on_both_in_the_end(domicile: Domicile) -> None:
    """A replica that cannot be read back does not count."""
    domicile.tenant()
    domicile.backends["eu-a"].inject(forget, "put", prefix="day_key/", times=1)

    put_prompt(domicile, "u")
    before = [len(keys(domicile, name, "day_key/")) for name in ("eu-a", "eu-b")]
    domicile.pass_time(minutes=2)
    duty(domicile, "replicate")

    assert before == [0, 1]
    assert [len(keys(domicile, name, "day_key/")) for name in ("eu-a", "eu-b")] == [1, 1]


def test_a_corrupt_replica_is_not_replicated(domicile: Domicile) -> None:
    """A corrupt replica is never the source of another one."""
    domicile.tenant()
    domicile.take_down("eu-b")
    put_prompt(domicile, "u")
    inner = domicile.backends["eu-a"].inner
    (pack,) = keys(domicile, "eu-a", "pack/")
    data = bytearray(inner.get(pack))
    data[0] ^= 1
    inner.purge(pack)
    inner.put(pack, bytes(data), timeout=1)
    domicile.bring_back("eu-b")

    domicile.pass_time(minutes=2)
    duty(domicile, "replicate")

    assert keys(domicile, "eu-b", "pack/") == []
    assert len(keys(domicile, "eu-b", "day_key/")) == 1
