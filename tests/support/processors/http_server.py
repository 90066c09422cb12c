"""A processor as another company builds it: an HTTP server.

It is written from docs/howto/add-a-sub-processor.md alone. It checks signatures by RFC 9421 and
signs acknowledgements by RFC 7515, without our code.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_INPUT = re.compile(r'domicile=(\((?P<names>[^)]*)\);created=\d+;nonce="(?P<nonce>[^"]+)".*)')
_TYPE = "domicile-acknowledgement+jwt"


@dataclass
class Processor:
    """Its copies, the key that it trusts, and how it misbehaves.

    ``answers``: the status for a method, with the place that a redirect names. ``hang``: it reads a
    request and says nothing. ``drip``: it answers a byte at a time. ``pending``: nothing is deleted
    yet. ``token``: what it gives as its acknowledgement, whatever is asked.
    """

    name: str
    clock: Callable[[], datetime]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    trusts: Ed25519PublicKey | None = None
    held: dict[str, bytes] = field(default_factory=dict)
    deleted: dict[str, datetime] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    pending: bool = False
    hang: bool = False
    drip: bool = False
    token: str | None = None
    url: str = ""
    over: Event = field(default_factory=Event)

    @property
    def public(self) -> str:
        """Return its public key, as the topology has it."""
        return _base64url(self.key.public_key().public_bytes_raw())

    def acknowledge(self, copy: object, **other: object) -> str:
        """Return a signed acknowledgement. ``other`` changes claims, or the header (``typ``)."""
        header = {"alg": "EdDSA", "typ": other.pop("typ", _TYPE)}
        said = {"copy": copy, "processor": self.name} | other
        said.setdefault("deleted_at", self.deleted.get(str(copy), self.clock()).isoformat())
        return sign(self.key, header, said)

    def wrong_with(self, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        """Return why a request is not authentic, or an empty string."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if headers.get("content-digest") != f"sha-256=:{digest}:":
            return "digest"
        found = _INPUT.fullmatch(headers.get("signature-input", ""))
        if found is None:
            return "no signature"
        names = re.findall(r'"([^"]+)"', found["names"])
        if {"@method", "@path", "@authority", "date", "content-digest"} - set(names):
            return "covers too little"
        derived = {"@method": method, "@path": path, "@authority": headers["host"]}
        lines = [f'"{name}": {derived.get(name) or headers[name]}' for name in names]
        base = "\n".join([*lines, f'"@signature-params": {found[1]}'])
        signature = headers["signature"].removeprefix("domicile=:").removesuffix(":")
        assert self.trusts is not None
        try:
            self.trusts.verify(base64.b64decode(signature), base.encode())
        except InvalidSignature:
            return "signature"
        if found["nonce"] in self.nonces:
            return "replayed"
        self.nonces.add(found["nonce"])
        return ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer as a correct processor does."""
        copy = path.removeprefix("/v1/").partition("/")[0]
        if method == "PUT":
            self.held[copy] = body
            return 201, b""
        if method == "DELETE":
            if not self.pending:
                self.held.pop(copy, None)
                self.deleted[copy] = self.clock()
            return 202, b""
        if self.token is not None:
            return 200, self.token.encode()
        if copy in self.held or copy not in self.deleted:
            return 202, b""
        return 200, self.acknowledge(copy).encode()


def sign(key: Ed25519PrivateKey, header: object, payload: object) -> str:
    """Return a JWS in compact form (RFC 7515)."""
    parts = [_base64url(json.dumps(part).encode()) for part in (header, payload)]
    signature = key.sign(".".join(parts).encode())
    return ".".join([*parts, _base64url(signature)])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    processor: Processor


class _Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        """Answer every method by the same rules."""
        processor = self._processor
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        processor.requests.append((self.command, self.path, headers))
        if processor.hang:
            processor.over.wait(30)
        elif processor.drip:
            self._drip(processor.over)
        elif wrong := processor.wrong_with(self.command, self.path, headers, body):
            processor.refused.append(wrong)
            self._send(401, b"", "")
        elif self.command in processor.answers:
            status, place = processor.answers[self.command]
            self._send(status, b"no", place)
        else:
            self._send(*processor.answer(self.command, self.path, body), "")

    do_DELETE = do_GET = do_PUT  # noqa: N815 - as above

    def log_message(self, *given: object) -> None:
        """Log nothing."""

    @property
    def _processor(self) -> Processor:
        assert isinstance(self.server, _Server)
        return self.server.processor

    def _send(self, status: int, body: bytes, place: str) -> None:
        self.send_response(status)
        if place:
            self.send_header("Location", place)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, over: Event) -> None:
        with suppress(OSError):  # the client closed the connection
            for byte in b"HTTP/1.1 201 Created\r\nX-Slow: " + b"x" * 10_000:
                self.wfile.write(bytes([byte]))
                if over.wait(0.05):
                    return


@contextmanager
def serving(processor: Processor) -> Iterator[Processor]:
    """Serve the processor on a loopback port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.processor = processor
    processor.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield processor
    finally:
        processor.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
