"""No answer of a server is a bug of ours: each operation of S3, answered in each wrong way.

``make test`` tries one of eighty pairs; ``make test-servers`` and ``make deep`` try all.
"""

import re
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import storage.backends.s3
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.posture import read_posture
from storage.backends.s3.upload import PART
from storage.errors import BackendError
from storage.testing.s3 import CREDENTIALS, S3Server
from tests.support.backends.lies import PAIRS, Liar
from tests.support.backends.s3 import BODY, BUCKET, HOME, KEY

PATIENT, SHORT = 30.0, 1.5  # seconds for a call; the short one, if the lie is never to end
_SHARE = 80


def call_all(
    backend: S3Backend, other: S3Backend, timeout: float
) -> Iterator[Callable[[], object]]:
    """Yield calls that use every operation. ``other`` cannot list versions."""

    def upload() -> None:
        with backend.upload(KEY, timeout=timeout) as started:
            started.write(b"x" * (PART + 1))
            started.finish()

    yield lambda: backend.probe("canary/1")
    yield lambda: backend.put(KEY, BODY, timeout=timeout)
    yield upload
    yield lambda: backend.get(KEY)
    yield lambda: backend.get(KEY, 2, 9)
    yield lambda: backend.preserve(KEY)
    yield lambda: backend.find_lock(KEY)
    yield lambda: backend.release(KEY)
    yield lambda: backend.plant("canary/kept/1", timeout=timeout)
    yield lambda: list(backend.scan("pack/"))
    yield lambda: other.list_key(KEY)
    yield lambda: read_posture(
        backend._bucket, sees_versions=True, crosses_network=True, timeout=timeout
    )
    yield lambda: backend.purge(KEY)


def sampled() -> list[object]:
    """Return the pairs, all but a fixed share of them marked as deep."""
    return [
        pytest.param(
            *pair, marks=() if zlib.crc32(repr(pair).encode()) % _SHARE == 0 else pytest.mark.deep
        )
        for pair in PAIRS
    ]


def opened(server: S3Server, timeout: float, *, versions: bool = True) -> S3Backend:
    """Return a backend that knows the location of its bucket."""
    bucket = Bucket(
        "s3",
        BUCKET,
        HOME,
        endpoint_url=server.url,
        credentials=CREDENTIALS,
        timeout=timeout,
        clock=time.monotonic,
    )
    bucket.check_place(timeout=PATIENT)
    return S3Backend(bucket, attested_off=set() if versions else {"versions"})


@pytest.fixture
def server() -> Iterator[S3Server]:
    """The S3 of moto, with a bucket with versions and locks."""
    with S3Server() as running:
        running.make_bucket(BUCKET, HOME, versioned=True, locks=True)
        yield running


def test_every_operation_is_lied_about() -> None:
    """The methods of boto3 that our source calls, and what it sends itself, are those of the list.

    But for those that make a bucket: nothing rests on their answers. What the bucket then is and
    does is read, and a canary is tried.
    """
    package = Path(str(storage.backends.s3.__file__)).parent
    source = "".join(f.read_text() for f in package.glob("*.py") if f.name != "creation.py")
    called = {
        "".join(word.capitalize() for word in name.split("_"))
        for name in re.findall(r"\bs3\.([a-z0-9]+(?:_[a-z0-9]+)+)\(", source)
    }
    sent = set(re.findall(r'\b(?:send\(s3,|Form\()\s*"(\w+)"', source))

    assert called | sent == {about for about, _ in PAIRS}


@pytest.mark.parametrize(("about", "name"), sampled())
def test_a_lie_is_an_error_of_the_backend(
    server: S3Server, about: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    """Each call returns or raises BackendError, in time and in bounded memory.

    What it lists is never less than what is there.
    """
    timeout = SHORT if name.startswith(("drips", "continues")) else PATIENT
    honest, backend = opened(server, PATIENT), opened(server, timeout)
    other = opened(server, timeout, versions=False)
    for _ in range(2):
        honest.put(KEY, BODY, timeout=PATIENT)
    there = {item.kind for item in honest.list_key(KEY)}
    liar = Liar(server, about, PAIRS[about, name])
    liar.start()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for call in call_all(backend, other, timeout):
        began = time.monotonic()
        try:
            call()
        except BackendError as error:
            shown = str(error)
        else:
            shown = ""
        assert KEY not in shown
        assert time.monotonic() - began < 16 * timeout  # a call may need several requests
    try:
        listed = {item.kind for item in backend.list_key(KEY)}
    except BackendError:
        listed = there
    liar.stop()

    record_property("lies", liar.met)
    assert liar.met
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 300_000  # KiB
    there &= {item.kind for item in honest.list_key(KEY)}
    assert listed >= there
    for one in (honest, backend, other):
        one.close()
