"""An S3 backend whose server answers what the test wants."""

import time
from collections.abc import Callable

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.upload import PART
from storage.testing.s3 import CREDENTIALS, Answer, Request

HOME, OTHER = "eu-central-1", "us-east-1"
KEY, BODY = "pack/2026-01-02/secret-name", b"the body that must not leave"
BUCKET = "domicile-eu"


def location(region: str) -> Answer:
    """Return an answer of GetBucketLocation."""
    body = f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{region}</LocationConstraint>'
    return Answer(body=body.encode())


def page(request: Request, entries: str = "", *, more: str | None = None) -> Answer:
    """Return a page of the requested listing. ``more``: the markers of the next page, if any."""
    root, name = next(
        (_LISTINGS[kind] for kind in _LISTINGS if kind in request.query), _LISTINGS["list-type"]
    )
    prefix = request.query.get("prefix", "")
    body = (
        f"<{root}><{name}>{BUCKET}</{name}><Prefix>{prefix}</Prefix>"
        f"<IsTruncated>{str(more is not None).lower()}</IsTruncated>{more or ''}{entries}</{root}>"
    )
    return Answer(body=body.encode())


_LISTINGS = {
    "versions": ("ListVersionsResult", "Name"),
    "uploads": ("ListMultipartUploadsResult", "Bucket"),
    "list-type": ("ListBucketResult", "Name"),
}


def nothing(request: Request) -> Answer:
    """Answer a listing with an empty one, and any deletion with success."""
    return page(request) if request.method == "GET" else Answer(body=b"<DeleteResult/>")


def uploading(request: Request) -> Answer:
    """Answer the requests of an upload."""
    if request.method != "POST":
        return Answer(headers={"ETag": '"e"'})
    root = "InitiateMultipartUpload" if "uploads" in request.query else "CompleteMultipartUpload"
    key = request.path.removeprefix(f"/{BUCKET}/")
    body = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>u-1</UploadId><ETag>e</ETag>"
    return Answer(body=f"<{root}Result>{body}</{root}Result>".encode())


def is_location(request: Request) -> bool:
    """Return whether the request asks for the bucket's location."""
    return request.method == "GET" and "location" in request.query


def at_home(answer: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Answer that the bucket is in its region, and everything else as the test wants."""
    return lambda request: location(HOME) if is_location(request) else answer(request)


def backend_at(url: str | None, *, bucket: str = BUCKET, timeout: float = 10) -> S3Backend:
    """Return a backend for the URL; without one, for AWS."""
    return S3Backend(
        Bucket(
            "eu-s3",
            bucket,
            HOME,
            endpoint_url=url,
            credentials=CREDENTIALS,
            timeout=timeout,
            clock=time.monotonic,
        )
    )


def put(backend: S3Backend) -> None:
    """Put a small object."""
    backend.put(KEY, BODY, timeout=10)


def upload(backend: S3Backend) -> None:
    """Upload a large object in parts."""
    with backend.upload(KEY, timeout=10) as started:
        started.write(BODY * (PART // len(BODY) + 1))
        started.finish()


CALLS: dict[str, Callable[[S3Backend], object]] = {
    "put": put,
    "upload": upload,
    "get": lambda backend: backend.get(KEY),
    "list_key": lambda backend: backend.list_key(KEY),
    "purge": lambda backend: backend.purge(KEY),
    "scan": lambda backend: list(backend.scan()),
    "probe": lambda backend: backend.probe(KEY),
}


def region_header(status: int, code: str) -> Callable[[str], Answer]:
    """Return an answer that names the other region."""
    return lambda _: Answer.error(status, code, {"x-amz-bucket-region": OTHER})
