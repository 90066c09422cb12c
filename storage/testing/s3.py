"""S3 over real HTTP on loopback, from moto; and a server with scripted responses.

The server of moto needs Flask and dozens of other packages; this one needs moto's S3 alone.
"""

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import Request as MotoRequest
from moto.core.utils import unix_time_millis
from moto.s3.models import S3Backend as MotoBuckets
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from pydantic import SecretStr

from storage.backends.s3 import S3Credentials

CREDENTIALS = S3Credentials(
    access_key=SecretStr("AKIAIOSFODNN7EXAMPLE"), secret_key=SecretStr("a secret that moto ignores")
)
"""Credentials for the server, which accepts any."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a server. ``query`` has the parameters after the question mark."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    target: str = field(repr=False)  # path and query as sent


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. The server closes early if it ``announced`` more than the body has.

    ``raw``: what is sent instead, piece by piece, before the connection is closed.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced: int | None = None
    raw: Iterable[bytes] | None = None

    @classmethod
    def error(cls, status: int, code: str, headers: Mapping[str, str] | None = None) -> "Answer":
        """Return an S3 error response."""
        body = f"<Error><Code>{code}</Code><Message>-</Message></Error>".encode()
        return cls(status, headers or {}, body)


class LoopbackServer:
    """An HTTP server on a free port of this machine, for the context.

    ``requests`` has the requests so far. ``answer`` may be replaced at any time; if it raises
    ConnectionError, the connection is closed without a response.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._server = _Server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """The port of the server."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The URL of the server, if it has no TLS."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class S3Server(LoopbackServer):
    """The S3 of moto. ``instead`` may respond to a request; None passes it to moto."""

    def __init__(self) -> None:
        super().__init__(self._from_moto)
        self.instead: Callable[[Request], Answer | None] = lambda _: None
        self._names: list[str] = []
        self._one_at_a_time = threading.Lock()  # moto does not expect threads

    def make_bucket(
        self, name: str, region: str, *, versioned: bool = False, locks: bool = False
    ) -> None:
        """Create a bucket, optionally with object lock. Closing the server removes it."""
        self._buckets.create_bucket(name, region)
        if versioned:
            self._buckets.put_bucket_versioning(name, "Enabled")
        self._buckets.buckets[name].object_lock_enabled = locks
        self._names.append(name)

    def store(self, bucket: str, key: str, data: bytes) -> None:
        """Store an object as another client would, without HTTP."""
        with self._one_at_a_time:
            self._buckets.put_object(bucket, key, data)

    def close(self) -> None:
        super().close()
        for name in self._names:
            self._buckets.buckets.pop(name).keys.clear()
            s3_backends.bucket_accounts.pop(name)

    @property
    def _buckets(self) -> MotoBuckets:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def _from_moto(self, request: Request) -> Answer:
        if answer := self.instead(request):
            return answer
        host = "s3.eu-central-1.amazonaws.com"  # moto looks at the bucket, not at the region
        asked = MotoRequest.from_primitives(
            request.method,
            f"https://{host}{self._target(request)}",
            {**request.headers, "Host": host},
            request.body,
        )
        of_bucket = "/" not in request.path.strip("/")
        handle = S3Response.bucket_dispatch if of_bucket else S3Response.key_dispatch
        with self._one_at_a_time:
            try:
                status, headers, body = handle(asked, asked.raw_url, asked.headers)
            except KeyError:  # moto fails for a part of an aborted upload
                return Answer.error(404, "NoSuchUpload")
            except AttributeError:  # and for a legal hold of an absent object
                return Answer.error(404, "NoSuchKey")
        data = body.encode() if isinstance(body, str) else bytes(body)
        return Answer(status, {name: str(value) for name, value in headers.items()}, data)

    def _target(self, request: Request) -> str:
        """Return the target of the request to moto.

        After a key without a version, S3 continues after all its versions; moto skips one arbitrary
        entry. So this names the last version to skip.
        """
        query = dict(request.query)
        if "versions" not in query or "key-marker" not in query or "version-id-marker" in query:
            return request.target
        after = query.pop("key-marker")
        with self._one_at_a_time:
            present = list(self._buckets.buckets[request.path.strip("/")].keys.iterlists())
        before = [version for key, versions in present for version in versions if key <= after]
        if before:
            before.sort(key=lambda v: (v.name, -unix_time_millis(v.last_modified)))
            last = before[-1]
            query |= {"key-marker": last.name, "version-id-marker": str(last.version_id)}
        return f"{request.path}?{urlencode(query)}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: LoopbackServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client closed, or the test closes on purpose
            self.close_connection = True

    def _handle(self) -> None:
        assert isinstance(self.server, _Server)
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError  # a server creates no object from a part of a body
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(
            self.command, url.path, query, dict(self.headers.items()), body, self.path
        )
        owner = self.server.owner
        owner.requests.append(request)
        self._send(owner.answer(request))

    def _send(self, answer: Answer) -> None:
        if answer.raw is not None:
            self.close_connection = True
            for piece in answer.raw:
                self.wfile.write(piece)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        length = len(answer.body) if answer.announced is None else answer.announced
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection |= length > len(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
