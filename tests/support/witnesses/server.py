"""A witness as somebody else builds it: an HTTP server, and the ways in which one can lie.

It is written from c2sp.org/tlog-witness, tlog-cosignature and RFC 9162 alone, without our code.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.foreign_log import Wrong, opened

Answer = tuple[int, bytes]
EMPTY = hashlib.sha256(b"").digest()


@dataclass
class Witness:
    """Its key, the logs that it knows (verifier keys by origin), and what it saw of each.

    ``lie``: what it makes of its honest answer. ``hang``: it says nothing. ``drip``: it answers a
    byte at a time. ``cut``: it sends less than it says. ``endless``:
    it does not say how much it sends. ``place``: where a redirect leads.
    """

    name: str
    clock: Callable[[], float]
    logs: dict[str, str]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seen: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    lie: "Callable[[Witness, Answer, str], Answer] | None" = None
    hang: bool = False
    cut: bool = False
    endless: bool = False
    drip: bool = False
    place: str = ""
    url: str = ""
    over: Event = field(default_factory=Event)
    turn: Lock = field(default_factory=Lock)

    @property
    def vkey(self) -> str:
        """Return its verifier key, as it publishes it."""
        key = b"\x04" + self.key.public_key().public_bytes_raw()
        return f"{self.name}+{self._id(key).hex()}+{base64.b64encode(key).decode()}"

    def line(self, text: str, seconds: int | None = None) -> str:
        """Return its cosignature of the text of a checkpoint."""
        now = int(self.clock()) if seconds is None else seconds
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        key_id = self._id(b"\x04" + self.key.public_key().public_bytes_raw())
        value = key_id + now.to_bytes(8, "big") + signature
        return f"\u2014 {self.name} {base64.b64encode(value).decode()}\n"

    def answer(self, body: bytes) -> Answer:
        """Answer ``add-checkpoint``."""
        head, _, note = body.decode().partition("\n\n")
        first, *hashes = head.split("\n")
        text, _, _ = note.partition("\n\n")
        origin, number, root, *_ = text.split("\n")
        size, old = int(number), int(first.removeprefix("old "))
        if not self._trusts(origin, note):
            return 403 if origin in self.logs else 404, b""
        if old > size or len(hashes) > 63:
            return 400, b""
        with self.turn:
            seen, seen_root = self.seen.get(origin, (0, EMPTY))
            if old != seen:
                return 409, b"%d\n" % seen
            path = [base64.b64decode(each) for each in hashes]
            new = base64.b64decode(root)
            if not _grew(seen, seen_root, size, new, path):
                return 422, b""
            self.seen[origin] = (size, new)
        return 200, self.line(text + "\n").encode()

    def _trusts(self, origin: str, note: str) -> bool:
        try:
            return origin in self.logs and bool(opened(note.encode(), [self.logs[origin]])[1])
        except Wrong:
            return False

    def _id(self, key: bytes) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]


def _grew(old: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> bool:
    """Verify consistency as RFC 9162, section 2.1.4.2, says it."""
    if old in (0, size):
        return not path and (root == old_root if old == size else True)
    if old & (old - 1) == 0:
        path = [old_root, *path]
    if not path:
        return False
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for each in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = _node(each, first), _node(each, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = _node(second, each)
        fn, sn = fn >> 1, sn >> 1
    return (first, second, sn) == (old_root, root, 0)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    witness: Witness


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer as the witness does."""
        assert isinstance(self.server, _Server)
        witness = self.server.witness
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        witness.requests.append(body)
        if witness.hang:
            witness.over.wait(30)
            return
        given = witness.answer(body) if self.path == "/w/add-checkpoint" else (404, b"")
        if witness.lie is not None:
            given = witness.lie(witness, given, body.decode().partition("\n\n")[2])
        with suppress(OSError):  # the client closed the connection
            self._send(witness, *given)

    def log_message(self, *given: object) -> None:
        """Log nothing."""

    def _send(self, witness: Witness, status: int, body: bytes) -> None:
        self.send_response(status)
        if witness.place:
            self.send_header("Location", witness.place)
        if not witness.endless:
            self.send_header("Content-Length", str(len(body) + witness.cut))
        self.end_headers()
        for byte in body:
            if not witness.drip:
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if witness.over.wait(0.05):
                return
        if not witness.drip:
            self.wfile.write(body)


@contextmanager
def serving(witness: Witness) -> Iterator[Witness]:
    """Serve the witness on a loopback port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.witness = witness
    witness.url = f"http://127.0.0.1:{server.server_port}/w"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield witness
    finally:
        witness.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
