"""A listing is believed only if it is exactly one of what was asked for."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.pages import VERSIONS, read
from storage.backends.s3.responses import InvalidResponse, check_response
from storage.errors import BackendError, BackendTimeout, BackendUnavailable
from storage.testing.s3 import Answer, LoopbackServer, Request
from tests.support.backends.s3 import (
    BUCKET,
    HOME,
    KEY,
    at_home,
    backend_at,
    location,
    nothing,
    page,
    put,
    upload,
    uploading,
)

VERSION = (
    "<Version><Key>k</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><Size>1</Size></Version>"
)


def listing(inner: str = VERSION, *, name: str = BUCKET, truncated: str = "false") -> bytes:
    """Return a listing of versions."""
    return (
        f"<ListVersionsResult><Name>{name}</Name><Prefix>k</Prefix>"
        f"<IsTruncated>{truncated}</IsTruncated>{inner}</ListVersionsResult>"
    ).encode()


@pytest.mark.parametrize("body", [listing(), listing(""), listing(truncated="true")])
def test_a_listing_of_what_was_asked_for_is_believed(body: bytes) -> None:
    """With and without entries and further pages."""
    assert len(read(VERSIONS, body, BUCKET).items) == body.count(b"<Version>")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a portal",
        listing()[:-9],
        b'<!DOCTYPE x [<!ENTITY e "e">]>' + listing(),
        listing().replace(b"ListVersionsResult", b"ListBucketResult"),
        listing(name="another"),
        listing(name=""),
        listing(truncated="maybe"),
        listing(truncated="True"),
        listing(truncated=""),
        listing("<IsTruncated>false</IsTruncated>"),
        *(
            listing(VERSION.replace(f"<{name}>", "<x>").replace(f"</{name}>", "</x>"))
            for name in ("Key", "VersionId", "IsLatest", "Size")
        ),
        *(
            listing(re.sub(f"<{name}>[^<]*", f"<{name}>", VERSION))
            for name in ("Key", "VersionId", "IsLatest", "Size")
        ),
        *(
            listing(VERSION.replace("<Key>", f"<{name}>x</{name}><Key>"))
            for name in ("Key", "VersionId", "IsLatest", "Size")
        ),
        *(
            listing(VERSION.replace(f"</{name}>", f"<x/>1</{name}>"))  # its text ends earlier
            for name in ("Key", "VersionId", "IsLatest", "Size")
        ),
        listing("<NextKeyMarker>k<x/>1</NextKeyMarker>", truncated="true"),
        listing("<CommonPrefixes><Prefix>k/</Prefix></CommonPrefixes>"),  # nobody asked for groups
        listing("<Contents><Key>k</Key><Size>1</Size></Contents>"),
        listing(f"<Versions>{VERSION}</Versions>"),
        listing(VERSION.replace("true", "maybe")),
        listing(VERSION.replace("<Size>1", "<Size>-1")),
        listing(VERSION.replace("<Size>1", "<Size>" + "9" * 400)),
    ],
)
def test_any_other_answer_proves_nothing(body: bytes) -> None:
    """Botocore would read most of these as a listing without entries."""
    with pytest.raises(InvalidResponse):
        read(VERSIONS, body, BUCKET)


def test_keys_are_decoded_if_the_server_encoded_them() -> None:
    """XML cannot have every character of a key, nor the next page begin after another key."""
    inner = VERSION.replace("<Key>k", "<Key>%C3%A4%01+") + marked("k%25")
    plain = read(VERSIONS, listing(inner, truncated="true"), BUCKET)
    inner += "<EncodingType>url</EncodingType>"
    encoded = read(VERSIONS, listing(inner, truncated="true"), BUCKET)

    assert [page.items[0].key for page in (plain, encoded)] == ["%C3%A4%01+", "ä\x01+"]
    assert [(page.following or {})["key-marker"] for page in (plain, encoded)] == ["k%25", "k%"]
    with pytest.raises(InvalidResponse):
        read(VERSIONS, listing(inner.replace("%C3%A4", "%C3")), BUCKET)


def test_a_server_that_states_no_region_is_believed() -> None:
    """SeaweedFS answers with the request of another operation, and no region in it."""
    for inner in (b"", b"<LocationConstraint/>", b"<LocationConstraint></LocationConstraint>"):
        body = b"<CreateBucketConfiguration>" + inner + b"</CreateBucketConfiguration>"
        check_response("GetBucketLocation", body)


def test_a_region_that_is_not_read_is_not_believed() -> None:
    """Botocore reads the text of the root alone: it would be the default region."""
    inner = "<LocationConstraint>eu-central-1</LocationConstraint>"
    for name in ("CreateBucketConfiguration", "LocationConstraint"):
        with pytest.raises(InvalidResponse):
            check_response("GetBucketLocation", f"<{name}>{inner}</{name}>".encode())


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A server that answers what the test says."""
    with LoopbackServer(at_home(nothing)) as running:
        yield running


@pytest.fixture
def backend(server: LoopbackServer) -> Iterator[S3Backend]:
    """A backend there."""
    made = backend_at(server.url, timeout=2)
    yield made
    made.close()


def versions(*keys: str) -> str:
    """Return entries of a listing."""
    return "".join(VERSION.replace("<Key>k<", f"<Key>{key}<") for key in keys)


def marked(key: str, version: str = "v") -> str:
    """Return the markers of a page."""
    return (
        f"<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((["p/b"], "p/b"), ["p/a"]),  # back
        ((["q/a"], "q/a"), []),  # outside the prefix
        ((["p/a"], ""), []),  # more, but not where
    ],
    ids=["goes back", "outside", "no marker"],
)
def test_a_listing_that_does_not_go_on_is_refused(
    server: LoopbackServer, backend: S3Backend, first: tuple[list[str], str], second: list[str]
) -> None:
    """Its keys ascend under the prefix, and each page says where the next begins."""

    def answer(request: Request) -> Answer:
        if "versions" not in request.query:
            return nothing(request)
        if "key-marker" in request.query:
            return page(request, versions(*second))
        return page(request, versions(*first[0]), more=marked(first[1]) if first[1] else "")

    server.answer = answer

    with pytest.raises(BackendUnavailable, match="invalid list response"):
        list(backend.scan("p/"))


def test_a_listing_in_circles_ends(server: LoopbackServer, backend: S3Backend) -> None:
    """Two pages that name each other as the next."""
    turn = iter(range(1000))

    def answer(request: Request) -> Answer:
        if "versions" not in request.query:
            return nothing(request)
        return page(request, versions(KEY), more=marked(KEY, f"v-{next(turn) % 2}"))

    server.answer = answer

    with pytest.raises(BackendUnavailable, match="does not advance"):
        backend.list_key(KEY)
    assert next(turn) < 10


def test_a_listing_of_another_prefix_is_refused(server: LoopbackServer, backend: S3Backend) -> None:
    """An empty listing of another prefix says nothing of this one."""
    server.answer = lambda request: Answer(
        body=page(request).body.replace(b"<Prefix>" + KEY.encode(), b"<Prefix>other")
    )

    with pytest.raises(BackendUnavailable, match="another prefix"):
        backend.list_key(KEY)


def ranged(range_: str, body: bytes) -> Answer:
    """Return a part of an object."""
    return Answer(206, {"Content-Range": f"bytes {range_}/1000"}, body)


@pytest.mark.parametrize(
    "answer", [ranged("2-9", b"x" * 1000), ranged("7-14", b"x" * 8), Answer(206, {}, b"x" * 8)]
)
def test_a_part_is_the_part_that_was_asked_for(
    server: LoopbackServer, backend: S3Backend, answer: Answer
) -> None:
    """Not longer, and not another one."""
    server.answer = lambda _: answer

    with pytest.raises(BackendUnavailable, match="invalid response"):
        backend.get(KEY, 2, 10)


def test_a_body_of_any_length_is_read_to_a_limit(
    server: LoopbackServer, backend: S3Backend
) -> None:
    """Its announced length is the server's word."""
    sent = []

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 -\r\nContent-Length: 4294967296\r\n\r\n"
        while True:
            sent.append(1024 * 1024)
            yield bytes(1024 * 1024)

    server.answer = lambda _: Answer(raw=endless())

    with pytest.raises(BackendTimeout, match="too long"):
        backend.list_key(KEY)
    assert sum(sent) < 64 * 1024 * 1024


@pytest.mark.parametrize("call", ["list_key", "get"])
def test_a_request_has_one_deadline(server: LoopbackServer, backend: S3Backend, call: str) -> None:
    """However often a byte arrives."""

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 -\r\nContent-Length: 1000\r\n\r\n"
        for _ in range(400):
            yield b"x"
            time.sleep(0.1)

    server.answer = lambda _: Answer(raw=drip())
    began = time.monotonic()

    with pytest.raises(BackendError):
        getattr(backend, call)(KEY)

    assert time.monotonic() - began < 20


def test_a_control_has_one_deadline_for_all_its_requests(
    server: LoopbackServer, backend: S3Backend
) -> None:
    """However many they are, nothing is sent after it."""

    def answer(request: Request) -> Answer:
        time.sleep(1.5)  # less than one request may take of 4 s, and all of them more
        return Answer(headers={"ETag": '"e"', "x-amz-version-id": "v"})

    backend.put(KEY, b"the place is known", timeout=10)
    server.requests.clear()
    server.answer = answer

    with pytest.raises(BackendError):
        backend.plant("canary/kept/a", timeout=4)

    assert 1 < len(server.requests) < 4


def test_an_upload_without_an_id_is_unknown(server: LoopbackServer, backend: S3Backend) -> None:
    """It may have begun."""
    server.answer = at_home(
        lambda request: Answer(body=uploading(request).body.replace(b"u-1", b""))
    )

    with pytest.raises(BackendTimeout):
        backend.upload(KEY, timeout=5).write(bytes(9 * 1024 * 1024))


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
FAILED = b"HTTP/1.1 503 -\r\nContent-Length: 0\r\n\r\n"


UNSURE = [Answer(202), Answer(204), Answer(206), Answer(raw=[EARLY + FAILED])]


@pytest.mark.parametrize("answer", UNSURE, ids=["202", "204", "206", "103"])
@pytest.mark.parametrize("write", [(put, "PUT"), (upload, "POST")], ids=["put", "upload"])
def test_a_write_that_is_not_done_yet_is_unknown(
    server: LoopbackServer,
    backend: S3Backend,
    write: tuple[Callable[[S3Backend], None], str],
    answer: Answer,
) -> None:
    """A proxy may send a response before the final one, or accept what it is going to do."""
    call, method = write

    def last(request: Request) -> Answer:
        if request.method == method and "uploads" not in request.query:
            return answer
        return uploading(request)

    server.answer = at_home(last)

    with pytest.raises(BackendTimeout):
        call(backend)


def test_a_success_before_the_body_is_none() -> None:
    """The server has not seen what it says it has stored."""
    found = location(HOME).body
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:

        def serve(body: bytes) -> bytes:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as received:
                while received.readline().strip():
                    pass
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                connection.sendall(body)
                return b"" if body else received.read()

        threads.submit(serve, found)
        served = threads.submit(serve, b"")
        one = backend_at(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=5)
        with closing(one), pytest.raises(BackendTimeout):
            put(one)
        assert served.result() == b""


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("write", [put, upload], ids=["put", "upload"])
def test_a_write_is_stored_whatever_success_a_server_is_set_to(
    server: LoopbackServer,
    backend: S3Backend,
    write: Callable[[S3Backend], None],
    status: int,
) -> None:
    """Ceph may be: it says with an ETag what it has."""

    def kept(request: Request) -> Answer:
        answer = uploading(request)
        return replace(answer, status=status) if request.method == "PUT" else answer

    server.answer = at_home(kept)
    write(backend)


def test_an_upload_that_is_completed_later_is_unknown(
    server: LoopbackServer, backend: S3Backend
) -> None:
    """Although the body says what it would if it were done."""

    def last(request: Request) -> Answer:
        done = request.method == "POST" and "uploads" not in request.query
        return replace(uploading(request), status=202 if done else 200)

    server.answer = at_home(last)

    with pytest.raises(BackendTimeout):
        upload(backend)


def test_what_comes_before_a_response_is_not_content(
    server: LoopbackServer, backend: S3Backend
) -> None:
    """It would be an object of no bytes."""
    server.answer = lambda _: Answer(raw=[EARLY + FAILED])

    with pytest.raises(BackendUnavailable):
        backend.get(KEY)
