"""Training reads go on past what no backend returns any more, and stop where one may again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import BackendError, BackendUnavailable, KeyAbsent, KeyUnavailable, Unavailable
from storage.evidence.manifests import verify_manifests
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.inspect.stored import home
from tests.support.screening import machine
from tests.support.training import bodies, consent, permit_training, train

pytestmark = pytest.mark.one_region

PROMPT = DataClass.PROMPT
BACKENDS = ("eu-a", "eu-b")


@pytest.fixture
def tenant(domicile: Domicile, tmp_path: Path) -> BoundTenant:
    """A tenant that consents to training, with three prompts, each in an object of its own."""
    permit_training(domicile, tmp_path)
    made = domicile.tenant()
    machine(domicile)
    consent(domicile)
    for body in (b"first", b"second", b"third"):
        made.put(PROMPT, body)
        domicile.pass_time(seconds=1)
    return made


def second(domicile: Domicile, name: str) -> str:
    """Return the key of the object of the second prompt."""
    return sorted(one.key for one in domicile.backends[name].inner.scan("pack/"))[1]


def lose(domicile: Domicile, name: str) -> None:
    """Lose it."""
    domicile.backends[name].inner.purge(second(domicile, name))


def spoil(domicile: Domicile, name: str) -> None:
    """Change its bytes."""
    inner, key = domicile.backends[name].inner, second(domicile, name)
    size = len(inner.get(key))
    inner.purge(key)
    inner.put(key, bytes(size), timeout=1)


@pytest.mark.parametrize("damage", [lose, spoil])
def test_what_no_backend_returns_is_left_out_and_counted(
    domicile: Domicile, tenant: BoundTenant, damage: Callable[[Domicile, str], None]
) -> None:
    """The others are handed out, and the manifest is theirs."""
    for name in BACKENDS:
        damage(domicile, name)

    read = train(domicile)
    with read:
        handed = list(read)

    assert [one.record.body for one in handed] == [b"first", b"third"]
    assert read.skipped == {"unreadable": 1}
    text = [*(one.entry for one in handed), *read.manifests]
    (stated,) = verify_manifests(text, home(domicile).signing.public_key())
    assert stated.records == 2


def test_another_replica_is_read(domicile: Domicile, tenant: BoundTenant) -> None:
    """Where one is left, nothing is left out."""
    lose(domicile, "eu-a")
    read = train(domicile)
    assert bodies(read) == [b"first", b"second", b"third"]
    assert read.skipped == {}


def test_what_has_lost_its_key_is_left_out(domicile: Domicile, tenant: BoundTenant) -> None:
    """On every backend: the bytes are there, and nothing opens them."""
    for name in BACKENDS:
        inner = domicile.backends[name].inner
        for one in list(inner.scan("day_key/")):
            inner.purge(one.key)
    domicile.open()  # no key is in a cache

    read = train(domicile)

    assert bodies(read) == []
    assert read.skipped == {"unreadable": 3}


def spoil_key(domicile: Domicile, name: str, byte: int) -> None:
    """Change a bit of the oldest day key."""
    inner = domicile.backends[name].inner
    key = min(one.key for one in inner.scan("day_key/"))
    sealed = bytearray(inner.get(key))
    sealed[byte] ^= 1
    inner.purge(key)
    inner.put(key, bytes(sealed), timeout=1)


@pytest.mark.parametrize("byte", [0, 1, -1])  # of the version, the nonce, the tag
@pytest.mark.parametrize("lost", [0, 1])
def test_what_has_a_spoiled_key_is_left_out(
    domicile: Domicile, tenant: BoundTenant, byte: int, lost: int
) -> None:
    """On every backend, or where one has lost it. What has another key is handed out."""
    domicile.pass_time(days=1)
    tenant.put(PROMPT, b"fourth")
    for name in BACKENDS[lost:]:
        spoil_key(domicile, name, byte)
    for name in BACKENDS[:lost]:
        inner = domicile.backends[name].inner
        inner.purge(min(one.key for one in inner.scan("day_key/")))
    domicile.open()  # no key is in a cache

    read = train(domicile)

    assert bodies(read) == [b"fourth"]
    assert read.skipped == {"unreadable": 3}


def test_a_key_that_is_spoiled_on_one_backend_is_read_from_another(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Nothing is left out."""
    spoil_key(domicile, "eu-a", -1)
    domicile.open()
    read = train(domicile)
    assert bodies(read) == [b"first", b"second", b"third"]
    assert read.skipped == {}


def test_a_spoiled_key_that_may_be_good_elsewhere_ends_the_read(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Where the other backend does not answer."""
    spoil_key(domicile, "eu-a", -1)
    domicile.open()
    domicile.backends["eu-b"].down = True
    read = train(domicile)
    with pytest.raises((Unavailable, KeyUnavailable)) as caught:
        bodies(read)
    assert caught.value.retryable
    assert read.skipped == {}


def test_a_key_service_that_cannot_open_keys_ends_the_read(
    domicile: Domicile, tenant: BoundTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are as they were written: they can be opened once it can."""
    domicile.open()

    def fail(*_: object) -> bytes:
        raise KeyUnavailable("It is down.")

    monkeypatch.setattr(home(domicile).roots, "unwrap", fail)
    read = train(domicile)
    with pytest.raises(KeyUnavailable):
        bodies(read)
    assert read.skipped == {}


@pytest.mark.parametrize("kind", ["pack/", "day_key/"])
def test_a_backend_that_is_silent_ends_the_read(
    domicile: Domicile, tenant: BoundTenant, kind: str
) -> None:
    """It may answer later: to leave the records out would hide them from the run."""
    domicile.open()
    answers: tuple[type[BackendError], type[BackendError]] = (KeyAbsent, BackendUnavailable)
    for name, answer in zip(BACKENDS, answers, strict=True):

        def fail(_: object, name: str = name, answer: type[BackendError] = answer) -> object:
            raise answer(name)

        domicile.backends[name].inject(fail, "get", prefix=kind)

    read = train(domicile)
    with pytest.raises((Unavailable, KeyUnavailable)) as caught:
        bodies(read)

    assert caught.value.retryable
    assert read.skipped == {}
