"""A write is sent once, ends in time, and an unknown outcome is reported as unknown."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from storage.backends.s3 import S3Credentials
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.upload import PART
from storage.errors import BackendError, BackendTimeout, BackendUnavailable
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request
from tests.support.backends.s3 import BODY, CALLS, KEY, at_home, backend_at, put, uploading


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


@pytest.fixture
def hanging() -> Iterator[Callable[[Request], Answer]]:
    """Return an answer that does not come before the test is over."""
    over = threading.Event()

    def wait(_: Request) -> Answer:
        over.wait(60)
        raise ConnectionAbortedError

    with ExitStack() as stack:
        stack.callback(over.set)
        yield wait


def test_a_write_that_hangs_is_unknown_and_not_repeated(
    home: LoopbackServer, hanging: Callable[[Request], Answer]
) -> None:
    """One request, then BackendTimeout, within the timeout."""
    backend = backend_at(home.url)
    home.answer = at_home(lambda _: Answer())
    put(backend)  # asks for the place
    home.requests.clear()
    home.answer = hanging
    before = time.monotonic()

    with pytest.raises(BackendTimeout) as caught:
        backend.put(KEY, BODY, timeout=3)

    assert caught.value.outcome == "unknown"
    assert time.monotonic() - before < 3
    assert [r.method for r in home.requests] == ["PUT"]
    backend.close()


def test_an_unknown_location_leaves_no_unknown_outcome(
    home: LoopbackServer, hanging: Callable[[Request], Answer]
) -> None:
    """The location is unknown, so the write was never sent."""
    home.answer = hanging
    backend = backend_at(home.url)

    with pytest.raises(BackendUnavailable) as caught:
        backend.put(KEY, BODY, timeout=1)

    assert caught.value.outcome == "not_stored"
    assert all(request.method == "GET" for request in home.requests)
    backend.close()


@pytest.mark.parametrize("step", ["POST uploads", "PUT", "POST"])
def test_an_upload_that_hangs_is_unknown_and_not_repeated(
    home: LoopbackServer, hanging: Callable[[Request], Answer], step: str
) -> None:
    """For each request. The upload is aborted."""

    def answer(request: Request) -> Answer:
        if request.method + (" uploads" if "uploads" in request.query else "") == step:
            return hanging(request)
        return uploading(request)

    backend = backend_at(home.url)
    home.answer = at_home(lambda _: Answer())
    put(backend)  # asks for the place
    home.requests.clear()
    home.answer = answer

    def store() -> None:
        with backend.upload(KEY, timeout=3) as started:
            started.write(b"x" * PART)
            started.finish()

    with pytest.raises(BackendTimeout):
        store()

    sent = [r.method + (" uploads" if "uploads" in r.query else "") for r in home.requests]
    assert sent.count(step) == 1
    assert ("DELETE" in sent) == (step != "POST uploads")
    backend.close()


def test_a_read_that_hangs_is_a_timeout(
    home: LoopbackServer, hanging: Callable[[Request], Answer]
) -> None:
    """It is sent once. The reader can then use another replica."""
    backend = backend_at(home.url, timeout=3)
    home.answer = at_home(lambda _: Answer())
    put(backend)  # makes the connection
    home.requests.clear()
    home.answer = hanging

    with pytest.raises(BackendTimeout):
        backend.get(KEY)

    assert [r.method for r in home.requests] == ["GET"]
    backend.close()


def dropped(_: Request) -> Answer:
    """Return an answer that closes the connection."""
    raise ConnectionAbortedError


UNKNOWN: dict[str, Callable[[Request], Answer]] = {
    "500": lambda _: Answer.error(500, "InternalError"),
    "502": lambda _: Answer(502, {}, b"<html>a proxy</html>"),
    "503": lambda _: Answer.error(503, "SlowDown"),
    "504": lambda _: Answer(504),
    "400-timeout": lambda _: Answer.error(400, "RequestTimeout"),
    "dropped": dropped,
}
NO_XML: dict[str, Callable[[S3Backend], object]] = {
    "list_key": lambda backend: backend.list_key(KEY),
    "purge": lambda backend: backend.purge(KEY),
    "probe": lambda backend: backend.probe(KEY),
    "put": put,
}


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN)
def test_a_write_without_an_answer_is_unknown(
    home: LoopbackServer, backend: S3Backend, answer: Callable[[Request], Answer]
) -> None:
    """The server may have stored it. The write is not repeated."""
    home.answer = at_home(answer)

    with pytest.raises(BackendTimeout):
        put(backend)

    assert [r.method for r in home.requests] == ["GET", "PUT"]


@pytest.mark.parametrize("name", ["500", "503", "dropped"])
def test_a_read_without_an_answer_is_not_repeated(
    home: LoopbackServer, backend: S3Backend, name: str
) -> None:
    """The reader has other replicas, and its own retries."""
    home.answer = UNKNOWN[name]

    with pytest.raises(BackendUnavailable):
        backend.get(KEY)

    assert len(home.requests) == 1


@pytest.mark.parametrize("call", NO_XML.values(), ids=NO_XML)
@pytest.mark.parametrize("body", [b"", b"<html>a portal</html>", b"no XML <", b"<R><Contents>"])
def test_what_is_no_answer_of_s3_is_none(
    home: LoopbackServer, backend: S3Backend, call: Callable[[S3Backend], object], body: bytes
) -> None:
    """A proxy that answers 200 to everything does not prove absence."""
    home.answer = lambda _: Answer(body=body)

    with pytest.raises(BackendError):
        call(backend)


def test_a_server_that_is_not_there_has_stored_nothing() -> None:
    """No connection, no bytes: the outcome is known."""
    with LoopbackServer(lambda _: Answer()) as server:
        url = server.url
    backend = backend_at(url)

    with pytest.raises(BackendUnavailable) as caught:
        put(backend)

    assert caught.value.outcome == "not_stored"
    backend.close()


def test_a_body_that_ends_early_is_no_answer(home: LoopbackServer, backend: S3Backend) -> None:
    """Fewer bytes than announced are not accepted as the object."""
    home.answer = lambda _: Answer(body=b"short", announced=100)

    with pytest.raises(BackendUnavailable):
        backend.get(KEY)


def always(answer: Answer) -> Callable[[Request], Answer]:
    """Return a server's answer to every request."""
    return lambda _: answer


def test_errors_show_no_secret(home: LoopbackServer, backend: S3Backend) -> None:
    """Neither key, credentials nor body are in an error, however it is printed."""
    own = S3Credentials(
        access_key=SecretStr("AKIAPLANTED"),
        secret_key=SecretStr("planted-secret"),
        session_token=SecretStr("planted-token"),
    )
    planted = [
        "secret-name",
        "planted",
        "must not leave",
        CREDENTIALS.access_key.get_secret_value(),
    ]
    echo = (
        f"<Error><Code>SignatureDoesNotMatch</Code><Message>{KEY} planted-secret</Message>"
        f"<AWSAccessKeyId>AKIAPLANTED</AWSAccessKeyId><RequestId>planted {KEY}</RequestId></Error>"
    )
    odd = f"<Error><Code>{KEY} planted</Code><Message>planted</Message></Error>"
    answers = [Answer(403, {}, echo.encode()), Answer(400, {}, odd.encode()), Answer(500)]
    for answer in answers:
        home.answer = always(answer)
        for call in CALLS.values():
            with pytest.raises(BackendError) as caught:
                call(backend)
            shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
            assert [word for word in planted if word in shown] == []
            assert caught.value.__context__ is None
    assert "planted" not in repr(own) + str(own)
