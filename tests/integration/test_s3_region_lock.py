"""No byte leaves for a region that the topology does not name.

Real HTTP to servers on loopback, one of which is *elsewhere* and must get no request.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.upload import PART
from storage.errors import (
    BackendForbidden,
    BackendMisplaced,
    BackendUnavailable,
)
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.backends.s3 import (
    CALLS,
    HOME,
    KEY,
    OTHER,
    at_home,
    backend_at,
    is_location,
    location,
    put,
    region_header,
    upload,
    uploading,
)


@pytest.fixture
def elsewhere() -> Iterator[LoopbackServer]:
    """A server that must get no request. It would accept everything."""
    with LoopbackServer(lambda _: Answer(headers={"ETag": '"e"'})) as server:
        yield server
        assert server.requests == []


@pytest.fixture
def home() -> Iterator[LoopbackServer]:
    """The server of the topology. The test sets its answers."""
    with LoopbackServer(lambda _: Answer()) as server:
        yield server


@pytest.fixture
def backend(home: LoopbackServer) -> Iterator[S3Backend]:
    """A backend in its own region."""
    made = backend_at(home.url)
    yield made
    made.close()


def endpoint_in_body(elsewhere: str) -> Answer:
    """The redirect as S3 words it, without the header: boto3 then asks HeadBucket."""
    body = f"<Error><Code>PermanentRedirect</Code><Endpoint>{elsewhere}</Endpoint></Error>"
    return Answer(301, {}, body.encode())


def region_in_body(_: str) -> Answer:
    """S3's answer to a signature for the wrong region."""
    body = f"<Error><Code>AuthorizationHeaderMalformed</Code><Region>{OTHER}</Region></Error>"
    return Answer(400, {}, body.encode())


def temporary(elsewhere: str) -> Answer:
    """S3's answer for a new bucket until its name is known everywhere."""
    body = f"<Error><Code>TemporaryRedirect</Code><Endpoint>{elsewhere}</Endpoint></Error>"
    return Answer(307, {"Location": f"{elsewhere}/domicile-eu/{KEY}"}, body.encode())


REDIRECTS = {
    "301-region": region_header(301, "PermanentRedirect"),
    "301-endpoint": endpoint_in_body,
    "302-location": lambda elsewhere: Answer(302, {"Location": elsewhere}),
    "307-location": temporary,
    "308-location": lambda elsewhere: Answer(308, {"Location": elsewhere}),
    "400-region": region_in_body,
    "400-opt-in": region_header(400, "IllegalLocationConstraintException"),
    "403-region": region_header(403, "AccessDenied"),
    "200-region": lambda _: Answer(200, {"x-amz-bucket-region": OTHER, "ETag": '"e"'}, b"<Any/>"),
}


@pytest.mark.parametrize("redirect", REDIRECTS.values(), ids=REDIRECTS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_redirect_is_not_followed(
    home: LoopbackServer,
    elsewhere: LoopbackServer,
    backend: S3Backend,
    call: Callable[[S3Backend], object],
    redirect: Callable[[str], Answer],
) -> None:
    """Neither with another signature, nor after a request for the new location."""
    home.answer = at_home(lambda _: redirect(elsewhere.url))

    with pytest.raises(BackendMisplaced):
        call(backend)

    assert len([r for r in home.requests if not is_location(r)]) == 1
    assert {r.method for r in home.requests} <= {"GET", "PUT", "POST"}  # no HEAD


@pytest.mark.parametrize("step", ["part", "complete", "abort"])
def test_an_upload_is_not_redirected_midway(
    home: LoopbackServer, elsewhere: LoopbackServer, backend: S3Backend, step: str
) -> None:
    """Later requests of an upload do not follow a redirect either."""
    steps = {"POST uploads": "create", "PUT": "part", "POST": "complete", "DELETE": "abort"}

    def answer(request: Request) -> Answer:
        which = request.method + (" uploads" if "uploads" in request.query else "")
        if steps[which] == step:
            return temporary(elsewhere.url)
        if steps[which] == "complete":
            return Answer.error(400, "InvalidPart")
        return uploading(request)

    home.answer = at_home(answer)

    def call() -> None:
        if step == "abort":
            started = backend.upload(KEY, timeout=10)
            started.write(b"x" * PART)
            started.abort()
        else:
            upload(backend)

    with pytest.raises(BackendMisplaced):
        call()


@pytest.mark.parametrize(("found", "own"), [("", "us-east-1"), ("EU", "eu-west-1"), (HOME, HOME)])
def test_legacy_locations_are_understood(home: LoopbackServer, found: str, own: str) -> None:
    """Old buckets answer an empty location, or EU."""
    home.answer = lambda _: location(found)
    bucket = Bucket(
        "s3",
        "bucket",
        own,
        endpoint_url=home.url,
        credentials=CREDENTIALS,
        timeout=10,
        clock=time.monotonic,
    )

    bucket.check_place()

    bucket.close()


@pytest.mark.parametrize("found", ["", "EU", OTHER, "eu-central-2"])
@pytest.mark.parametrize("name", ["put", "upload", "probe"])
def test_a_bucket_elsewhere_gets_no_byte(
    home: LoopbackServer, backend: S3Backend, name: str, found: str
) -> None:
    """The location is asked for before the first write, also without a probe."""
    home.answer = lambda _: location(found)

    with pytest.raises(BackendMisplaced):
        CALLS[name](backend)

    assert all(is_location(request) for request in home.requests)


def test_a_bucket_that_moved_in_elsewhere_fails_its_probe() -> None:
    """The same with moto: the bucket is there, under our name, in another region."""
    with S3Server() as server:
        server.make_bucket("domicile-eu", OTHER)
        backend = backend_at(server.url)

        with pytest.raises(BackendMisplaced, match="not in eu-central-1"):
            backend.probe("canary/1")
        with pytest.raises(BackendMisplaced):
            put(backend)

        assert list(backend.scan()) == []
        backend.close()


def test_the_location_is_asked_for_once(home: LoopbackServer, backend: S3Backend) -> None:
    """It is asked again only after a wrong answer."""
    answers = [Answer.error(503, "SlowDown"), location(HOME), Answer(), Answer()]
    home.answer = lambda _: answers.pop(0)

    with pytest.raises(BackendUnavailable):
        put(backend)
    put(backend)
    put(backend)

    assert [r.method for r in home.requests] == ["GET", "GET", "PUT", "PUT"]


def test_a_probe_asks_for_the_location_again(home: LoopbackServer, backend: S3Backend) -> None:
    """A bucket may be deleted, and made again elsewhere under the same name."""
    home.answer = at_home(lambda _: Answer())
    put(backend)
    home.requests.clear()
    home.answer = lambda _: location(OTHER)

    with pytest.raises(BackendMisplaced):
        backend.probe("canary/1")
    with pytest.raises(BackendMisplaced):
        put(backend)

    assert all(is_location(request) for request in home.requests)


def test_without_the_right_to_ask_for_the_location_nothing_is_written(
    home: LoopbackServer, backend: S3Backend
) -> None:
    """Without s3:GetBucketLocation the location is unknown, so nothing is sent."""
    home.answer = lambda _: Answer.error(403, "AccessDenied")

    with pytest.raises(BackendForbidden):
        put(backend)

    assert [r.method for r in home.requests] == ["GET"]


def test_a_body_stays_until_the_server_asks_for_it() -> None:
    """Who redirects or refuses gets the headers alone."""
    start, place = (
        b"HTTP/1.1 %d -\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
        location(HOME),
    )
    answers = [start % (200, len(place.body)) + place.body, start % (307, 0)]
    got: list[tuple[bytes, bytes]] = []

    def serve() -> None:
        for answer in answers:
            link, _ = listener.accept()
            link.settimeout(20)
            with link, link.makefile("rb") as stream:
                head = b"".join(iter(stream.readline, b"\r\n"))
                link.sendall(answer)
                got.append((head[:4], stream.read()))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        backend = backend_at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(BackendMisplaced):
            put(backend)
        backend.close()
        thread.join()

    assert got == [(b"GET ", b""), (b"PUT ", b"")]
