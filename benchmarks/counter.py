"""A server before the S3 server, in a process of its own: it counts, and delays if it is told to.

It is a KMS too, which wraps with a key of its own. So what is counted is what two servers were
asked, whatever the client thinks that it has sent. The first line of stdin has the URL of the S3
server; each further one is an order, and is answered by a line.
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from storage.crypto.kms import KmsKey
from storage.testing.s3 import Answer, LoopbackServer, Request

_ARN = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000"
_TIMEOUT = 60.0
_NONCE = 12
_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}  # of one connection


def kind_of(method: str, query: Mapping[str, str]) -> str:
    """Return under which name S3 charges for a request."""
    if method == "POST":
        return "DELETE" if "delete" in query else "PUT"
    if method == "GET" and {"list-type", "versions", "uploads"} & query.keys():
        return "LIST"
    return "GET" if method == "HEAD" else method


@dataclass(frozen=True)
class Counted:
    """What was asked for: requests by kind, with the bytes of bodies sent and received."""

    requests: Counter[str]
    sent: int
    received: int

    def since(self, before: "Counted") -> "Counted":
        """Return what came after another count."""
        return Counted(
            self.requests - before.requests,
            self.sent - before.sent,
            self.received - before.received,
        )


class Tally:
    """Requests so far. Safe for many threads."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._requests = Counter[str]()
        self._sent = self._received = 0
        self._lock = Lock()

    def add(self, kind: str, sent: int, received: int) -> None:
        """Count a request."""
        with self._lock:
            self._requests[kind] += 1
            self._sent += sent
            self._received += received

    def shown(self) -> dict[str, Any]:
        """Return all, for a line of JSON."""
        with self._lock:
            sums = {"sent": self._sent, "received": self._received}
            return {"requests": dict(self._requests), **sums}


class CountingServer(LoopbackServer):
    """Passes requests on to another server. ``slow``: seconds that a PUT to a bucket takes more."""

    def __init__(self, url: str) -> None:
        """``url``: of the other server."""
        super().__init__(self._counted)
        self.tally, self.slow = Tally(), dict[str, float]()
        self._to, self._kms = urlsplit(url).netloc, AESGCM(os.urandom(32))

    def _counted(self, request: Request) -> Answer:
        self.requests.clear()  # it keeps the bodies
        target = request.headers.get("X-Amz-Target")
        if target is not None:
            answer, kind = self._wrap(target, request), f"KMS {target.rpartition('.')[2]}"
        else:
            kind = kind_of(request.method, request.query)
            if request.method == "PUT":
                time.sleep(self.slow.get(request.path.split("/")[1], 0.0))
            answer = self._passed_on(request)
        self.tally.add(kind, len(request.body), len(answer.body))
        return answer

    def _passed_on(self, request: Request) -> Answer:
        link = http.client.HTTPConnection(self._to, timeout=_TIMEOUT)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        try:
            link.request(request.method, request.target, request.body or None, headers)
            found = link.getresponse()
            body = found.read()
        finally:
            link.close()
        kept = {k: v for k, v in found.getheaders() if k.lower() not in _HOP}
        announced = int(kept.get("Content-Length", 0)) if request.method == "HEAD" else None
        return Answer(found.status, kept, body, announced)

    def _wrap(self, target: str, request: Request) -> Answer:
        """Do what KMS does for ``Encrypt`` and ``Decrypt``."""
        asked = json.loads(request.body)
        bound = json.dumps(asked.get("EncryptionContext"), sort_keys=True).encode()
        if target.endswith(".Encrypt"):
            nonce = os.urandom(_NONCE)
            plain = base64.b64decode(asked["Plaintext"])
            name, found = "CiphertextBlob", nonce + self._kms.encrypt(nonce, plain, bound)
        else:
            blob = base64.b64decode(asked["CiphertextBlob"])
            name, found = "Plaintext", self._kms.decrypt(blob[:_NONCE], blob[_NONCE:], bound)
        body = json.dumps({name: base64.b64encode(found).decode(), "KeyId": _ARN}).encode()
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, body)


class Counting:
    """The running process. ``url``: of the server in it, for S3 and for KMS."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        """Use ``counting`` instead."""
        self._process, self.url = process, url

    def counted(self) -> Counted:
        """Return what was asked for so far."""
        found = self._order()
        return Counted(Counter(found["requests"]), found["sent"], found["received"])

    def delay(self, bucket: str, seconds: float) -> None:
        """Let each PUT to a bucket take longer from now on."""
        self._order(delay=bucket, seconds=seconds)

    def kms(self) -> KmsKey:
        """Return the settings of its KMS key."""
        secret = SecretStr("not looked at")
        return KmsKey(key=_ARN, endpoint_url=self.url, access_key=secret, secret_key=secret)

    def _order(self, **order: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def counting(url: str) -> Iterator[Counting]:
    """Start the process before a server of S3, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.counter"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(url + "\n")
        process.stdin.flush()
        yield Counting(process, process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main() -> None:
    """Serve until stdin ends."""
    with CountingServer(sys.stdin.readline().strip()) as server:
        print(server.url, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if "delay" in order:
                server.slow[order["delay"]] = order["seconds"]
            print(json.dumps(server.tally.shown()), flush=True)


if __name__ == "__main__":
    main()
