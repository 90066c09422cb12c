"""An S3 server that answers one operation wrongly, in each of many ways.

The server is moto's; a lie changes its answer to one operation. ``Liar.met`` counts the answers
that were changed: a test that never met its lie shows nothing.
"""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from storage.testing.s3 import Answer, Request, S3Server
from tests.support.backends.s3 import uploading

Lie = Callable[[Answer, Request], Answer]

_DRIPS = 400  # pieces of an answer that drips, 50 ms apart


QUESTIONS = {
    "acl": "GetBucketAcl",
    "inventory": "ListBucketInventoryConfigurations",
    "lifecycle": "GetBucketLifecycleConfiguration",
    "logging": "GetBucketLogging",
    "notification": "GetBucketNotificationConfiguration",
    "policy": "GetBucketPolicy",
    "policyStatus": "GetBucketPolicyStatus",
    "publicAccessBlock": "GetPublicAccessBlock",
    "replication": "GetBucketReplication",
    "versioning": "GetBucketVersioning",
}
"""The operations that ask what a bucket does, by the word in their query."""


def operation(request: Request) -> str:
    """Return the name that AWS gives to the operation of a request."""
    has_key = "/" in request.path.strip("/")
    named = {
        ("GET", "location"): "GetBucketLocation",
        ("GET", "object-lock"): "GetObjectLockConfiguration",
        ("GET", "versions"): "ListObjectVersions",
        ("GET", "uploads"): "ListMultipartUploads",
        ("GET", "list-type"): "ListObjectsV2",
        **{("GET", word): name for word, name in QUESTIONS.items()},
        ("POST", "delete"): "DeleteObjects",
        ("POST", "uploads"): "CreateMultipartUpload",
        ("POST", "uploadId"): "CompleteMultipartUpload",
        ("PUT", "uploadId"): "UploadPart",
        ("PUT", "legal-hold"): "PutObjectLegalHold",
        ("DELETE", "uploadId"): "AbortMultipartUpload",
    }
    found = [name for (method, word), name in named.items() if _is(request, method, word)]
    if found:
        return found[0]
    plain = {
        "GET": "GetObject",
        "HEAD": "HeadObject",
        "PUT": "PutObject",
        "DELETE": "DeleteObject",
    }
    return plain.get(request.method, "-") if has_key else "-"


def _is(request: Request, method: str, word: str) -> bool:
    return request.method == method and word in request.query


@dataclass
class Liar:
    """Has a server lie about one operation, until ``stop``."""

    server: S3Server
    about: str
    lie: Lie
    met: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Change the answers from now on."""
        honest = self.server.answer

        def answer(request: Request) -> Answer:
            if operation(request) != self.about or self._over.is_set():
                return honest(request)
            self.met += 1
            truth = Answer() if self.lie is without_effect else honest(request)
            return self.lie(truth, request)

        self.server.answer = answer

    def stop(self) -> None:
        """Tell the truth again."""
        self._over.set()


def _text(change: Callable[[str], str]) -> Lie:
    return lambda truth, _: replace(truth, body=change(truth.body.decode()).encode())


def _value(name: str, value: str) -> Lie:
    """Replace the text of every element of that name, and the header of that name."""

    def lie(truth: Answer, _: Request) -> Answer:
        body = re.sub(rf"<{name}>[^<]*</{name}>", f"<{name}>{value}</{name}>", truth.body.decode())
        headers = {k: value if k.lower() == name.lower() else v for k, v in truth.headers.items()}
        return replace(truth, body=body.encode(), headers=headers)

    return lie


def _without(name: str) -> Lie:
    """Leave out every element, and the header, of that name."""

    def lie(truth: Answer, _: Request) -> Answer:
        body = re.sub(rf"<{name}>[^<]*</{name}>|<{name}/>", "", truth.body.decode())
        headers = {k: v for k, v in truth.headers.items() if k.lower() != name.lower()}
        return replace(truth, body=body.encode(), headers=headers)

    return lie


def _sent(pieces: Callable[[bytes], Iterator[bytes]]) -> Lie:
    """Send the whole answer in another way."""
    return lambda truth, _: Answer(raw=pieces(_wire(truth)))


def _wire(answer: Answer) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    start = f"HTTP/1.1 {answer.status} -\r\n{headers}".encode()
    return start + b"Content-Length: %d\r\n\r\n" % len(answer.body) + answer.body


def _drip(wire: bytes) -> Iterator[bytes]:
    wait = threading.Event()
    for n in range(_DRIPS):
        yield wire[n : n + 1] or b" "
        wait.wait(0.05)


def _drip_headers(_: bytes) -> Iterator[bytes]:
    wait = threading.Event()
    yield b"HTTP/1.1 200 OK\r\n"
    for n in range(_DRIPS):
        yield b"x-%d: y\r\n" % n if n < 90 else b"z"
        wait.wait(0.05)


def _drip_body(wire: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    yield from _drip(wire)


def _endless(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n"
    for _n in range(2048):
        yield bytes(1024 * 1024)


def _continue(_: bytes) -> Iterator[bytes]:
    for _n in range(10_000):
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def _continue_and_end(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 100 Continue\r\n"


def _status(status: int, body: bytes = b"") -> Lie:
    return lambda truth, _: Answer(status, truth.headers, body)


def without_effect(_: Answer, request: Request) -> Answer:
    """Report a success of what was not done."""
    if "delete" in request.query:
        return Answer(body=b"<DeleteResult/>")
    return Answer(204) if request.method == "DELETE" else uploading(request)


def _circular(truth: Answer, request: Request) -> Answer:
    """Say that more follows after the same marker, for ever, or after another one each time."""
    body = truth.body.decode().replace("<IsTruncated>false", "<IsTruncated>true")
    prefix = request.query.get("prefix", "")
    markers = "".join(
        f"<Next{name}>{prefix}</Next{name}>" for name in ("KeyMarker", "ContinuationToken")
    )
    return replace(truth, body=re.sub(r"(</IsTruncated>)", rf"\1{markers}", body).encode())


LIES: dict[str, Lie] = {
    "no body": _text(lambda _: ""),
    "not XML": _text(lambda _: "<html>a portal"),
    "another root": _text(lambda body: re.sub(r"(</?)\w+Result", r"\1ListBucketOther", body)),
    "objects for versions": _text(lambda b: b.replace("ListVersionsResult", "ListBucketResult")),
    "cut off": _text(lambda body: body[: len(body) // 2]),
    "twice": _text(lambda body: body + body),
    "entities": _text(lambda body: '<!DOCTYPE a [<!ENTITY b "c">]>' + body.split("?>")[-1]),
    "another encoding": _text(lambda _: '<?xml version="1.0" encoding="x-none"?><a/>'),
    "an error as a success": _status(200, b"<Error><Code>InternalError</Code></Error>"),
    "an error without a code": _status(400, b"<Error/>"),
    "an error that is no XML": _status(503, b"\xff\xfe not XML"),
    "a server error after the effect": _status(500, b"<Error><Code>InternalError</Code></Error>"),
    "no content": _status(204),
    "a part": _status(206, b"x" * 100),
    "moved without a place": _status(301),
    "not found": _status(404),
    "an unknown status": _status(999),
    "a larger length": lambda truth, _: replace(truth, announced=len(truth.body) + 10),
    "closed at once": _sent(lambda _: iter(())),
    "no HTTP": _sent(lambda _: iter([b"\x00\x01\x02 no HTTP\r\n\r\n"])),
    "a wrong length": _sent(lambda _: iter([b"HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n<a/>"])),
    "a wrong chunk": _sent(
        lambda _: iter([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<a/>"])
    ),
    "no gzip": lambda truth, _: replace(
        truth, headers={**truth.headers, "Content-Encoding": "gzip"}
    ),
    "long headers": _sent(lambda _: iter([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n"])),
    "drips": _sent(_drip),
    "drips headers": _sent(_drip_headers),
    "drips a body": _sent(_drip_body),
    "2 GiB": _sent(_endless),
    "continues for ever": _sent(_continue),
    "continues and ends": _sent(_continue_and_end),
    "circles": _circular,
    "IsTruncated maybe": _value("IsTruncated", "maybe"),
    "IsTruncated True": _value("IsTruncated", "True"),
    "IsLatest maybe": _value("IsLatest", "maybe"),
    "Size negative": _value("Size", "-1"),
    "Size 3 GB": _value("Size", "3000000000"),
    "Size huge": _value("Size", "9" * 400),
    "Size no number": _value("Size", "many"),
    "LastModified never": _value("LastModified", "never"),
    "Last-Modified never": _value("last-modified", "never"),
    "lock end never": _value("x-amz-object-lock-retain-until-date", "never"),
    "Initiated never": _value("Initiated", "never"),
    "Key of another": _value("Key", "other/key"),
    "Name of another": _value("Name", "another-bucket"),
    "Bucket of another": _value("Bucket", "another-bucket"),
    "Prefix of another": _value("Prefix", "other/"),
    "UploadId empty": _value("UploadId", ""),
    "ETag empty": _value("ETag", ""),
    "LocationConstraint of another": _value("LocationConstraint", "us-east-1"),
    "Content-Range of another": _value("content-range", "bytes 7-9/10"),
    **{
        f"no {name}": _without(name)
        for name in (
            *("UploadId", "ETag", "IsLatest", "IsTruncated", "Key", "Size", "VersionId", "Name"),
            *("Bucket", "Prefix", "LastModified", "Code", "ObjectLockEnabled", "content-range"),
        )
    },
}
"""Ways to answer wrongly."""

READS = (
    "GetBucketLocation",
    "GetObject",
    "GetObjectLockConfiguration",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjectsV2",
    *QUESTIONS.values(),
)
WRITES = (
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "PutObject",
    "PutObjectLegalHold",
    "UploadPart",
)
PAIRS = {
    **{(about, name): lie for about in (*READS, *WRITES) for name, lie in LIES.items()},
    **{(about, "a success without the effect"): without_effect for about in WRITES},
}
"""Each operation with each lie. What is not done can be a lie about a write alone."""


def summary_of(met: list[int]) -> str:
    """Return a line about tests that told lies. ``met``: how many answers each of them changed."""
    return (
        f"{len(met)} of {len(PAIRS)} pairs of an operation of S3 and a lie: "
        f"{sum(met)} answers were lies, and {met.count(0)} pairs never met theirs"
    )
