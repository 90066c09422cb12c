"""Wrong input over HTTP: one documented error in the shape of the API, and nothing left behind."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from storage.model import KeyScope
from storage.testing import Domicile
from tests.support.refusals import finish_all_work, ready_tenant
from tests.support.serving import SETTINGS, Service, left, service, serving

__all__ = ["service"]

pytestmark = pytest.mark.one_region

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "serve-http.md"
MARK = b"planted-content"
Send = Callable[[httpx.Client], httpx.Response]


def form(*parts: tuple[str, bytes], end: bytes = b"--b--\r\n") -> bytes:
    """Return a multipart form of parts: what is after ``form-data``, and the body."""
    written = [
        b"--b\r\nContent-Disposition: form-data" + what.encode() + b"\r\n\r\n" + body + b"\r\n"
        for what, body in parts
    ]
    return b"".join(written) + end


PURPOSE = ('; name="purpose"', b"fine-tune")
FILE = ('; name="file"; filename="a.jsonl"', MARK * 100)
ANCHOR = ('; name="expires_after[anchor]"', b"created_at")
SECONDS = ('; name="expires_after[seconds]"', b"3600")
WRONG_END = (400, "invalid_parameter", "expires_after")
KIND = "multipart/form-data; boundary=b"


def post(body: bytes, kind: str | None = KIND, **headers: str) -> Send:
    """Return what sends an upload."""
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    if kind is not None:
        given["content-type"] = kind
    return lambda client: client.post("/v1/files", content=body, headers=given)


def get(url: str, **headers: str) -> Send:
    """Return what sends a GET."""
    return lambda client: client.get(url, headers=headers)


def sends(method: str, url: str) -> Send:
    """Return what sends a request without a body."""
    return lambda client: client.request(method, url)


LATE = form(PURPOSE, FILE, ('; name="purpose"', b"batch"))
WRONG: dict[str, tuple[Send, int, str, str | None]] = {
    "no route": (get("/v1/models"), 404, "unknown_url", None),
    "a slash at the end": (get("/v1/files/"), 404, "unknown_url", None),
    "no page of documentation": (get("/docs"), 404, "unknown_url", None),
    "no method": (sends("PUT", "/v1/files"), 405, "method_not_allowed", None),
    "no method of a file": (sends("PATCH", "/v1/files/x"), 405, "method_not_allowed", None),
    "no key": (get("/v1/files", authorization=""), 401, "missing_api_key", None),
    "another scheme": (get("/v1/files", authorization="Basic YQ=="), 401, "missing_api_key", None),
    "an unknown key": (get("/v1/files", authorization="Bearer sk-1"), 401, "invalid_api_key", None),
    "an unknown purpose": (
        post(form(('; name="purpose"', b"vision"), FILE)),
        400,
        "invalid_purpose",
        "purpose",
    ),
    "a purpose of the list": (get("/v1/files?purpose=vision"), 400, "invalid_purpose", "purpose"),
    "a limit of 0": (get("/v1/files?limit=0"), 400, "invalid_parameter", "limit"),
    "a limit above": (get("/v1/files?limit=10001"), 400, "invalid_parameter", "limit"),
    "a limit that is no number": (get("/v1/files?limit=x"), 400, "invalid_parameter", "limit"),
    "an order": (get("/v1/files?order=random"), 400, "invalid_parameter", "order"),
    "a cursor": (get("/v1/files?after=file-1"), 400, "malformed_id", None),
    "an id": (get("/v1/files/file-1"), 400, "malformed_id", None),
    "an id to delete": (sends("DELETE", "/v1/files/file-1"), 400, "malformed_id", None),
    "no form": (post(MARK, None), 400, "invalid_content_type", "Content-Type"),
    "JSON": (post(b"{}", "application/json"), 400, "invalid_content_type", "Content-Type"),
    "no boundary": (
        post(form(PURPOSE, FILE), "multipart/form-data"),
        400,
        "invalid_content_type",
        "Content-Type",
    ),
    "a boundary of 300 characters": (
        post(form(PURPOSE, FILE), f"multipart/form-data; boundary={'b' * 300}"),
        400,
        "invalid_form",
        None,
    ),
    "another boundary": (
        post(form(PURPOSE, FILE), "multipart/form-data; boundary=c"),
        400,
        "invalid_form",
        None,
    ),
    "nothing": (post(b""), 400, "invalid_form", None),
    "an empty form": (post(b"--b--\r\n"), 400, "missing_parameter", "file"),
    "a form without its end": (post(form(PURPOSE, FILE, end=b"")), 400, "invalid_form", None),
    "a form that ends in its fields": (post(form(PURPOSE, end=b"")), 400, "invalid_form", None),
    "no file": (post(form(PURPOSE)), 400, "missing_parameter", "file"),
    "no purpose": (post(form(FILE)), 400, "missing_parameter", "purpose"),
    "a purpose after the file": (post(form(FILE, PURPOSE)), 400, "missing_parameter", "purpose"),
    "a second purpose after the file": (post(LATE), 400, "repeated_parameter", "purpose"),
    "two purposes": (post(form(PURPOSE, PURPOSE, FILE)), 400, "repeated_parameter", "purpose"),
    "two files": (post(form(PURPOSE, FILE, FILE)), 400, "repeated_parameter", "file"),
    "a field after the file": (
        post(form(PURPOSE, FILE, ('; name="note"', b"x"))),
        400,
        "unknown_parameter",
        None,
    ),
    "expires_after without seconds": (post(form(PURPOSE, ANCHOR, FILE)), *WRONG_END),
    "expires_after without an anchor": (post(form(PURPOSE, SECONDS, FILE)), *WRONG_END),
    "expires_after of another anchor": (
        post(form(PURPOSE, ('; name="expires_after[anchor]"', b"now"), SECONDS, FILE)),
        *WRONG_END,
    ),
    **{
        f"expires_after {seconds!r} seconds": (
            post(form(PURPOSE, ANCHOR, ('; name="expires_after[seconds]"', seconds), FILE)),
            *WRONG_END,
        )
        for seconds in (b"", b"3599", b"2592001", b"-3600", b"3600.5", b"9" * 99, "٣٦٠٠".encode())
    },
    "expires_after after the file": (
        post(form(PURPOSE, FILE, ('; name="expires_after[seconds]"', b"3600"))),
        400,
        "late_parameter",
        "expires_after",
    ),
    "a field without a name": (
        post(form(PURPOSE, ("", b"x"), FILE)),
        400,
        "unknown_parameter",
        None,
    ),
    "a file without a name": (
        post(form(PURPOSE, ('; name="file"', MARK))),
        400,
        "missing_file_name",
        "file",
    ),
    "a file name of 2000 bytes": (
        post(form(PURPOSE, (f'; name="file"; filename="{"n" * 2000}"', MARK))),
        400,
        "invalid_file_name",
        "file",
    ),
    "headers of a part without an end": (
        post(form(PURPOSE, (f'; name="file"; filename="{"n" * 9000}"', MARK))),
        400,
        "invalid_form",
        None,
    ),
    "a purpose of 9000 bytes": (
        post(form(('; name="purpose"', b"p" * 9000), FILE)),
        400,
        "invalid_parameter",
        "purpose",
    ),
    "a purpose that is no UTF-8": (
        post(form(('; name="purpose"', b"\xff"), FILE)),
        400,
        "invalid_charset",
        None,
    ),
    "a file name that is no UTF-8": (
        post(form(PURPOSE, FILE).replace(b"a.jsonl", b"\xff.jsonl")),
        400,
        "invalid_charset",
        None,
    ),
    "a file that is too large": (
        post(form(PURPOSE, ('; name="file"; filename="a"', MARK * 100_000))),
        413,
        "file_too_large",
        "file",
    ),
    "a file that is one byte too large": (
        post(form(PURPOSE, ('; name="file"; filename="a"', 1_000_001 * b"x"))),
        413,
        "file_too_large",
        "file",
    ),
    "a file of unknown size that is too large": (
        lambda client: client.post(
            "/v1/files",
            content=iter([form(PURPOSE, ('; name="file"; filename="a"', 2_000_000 * b"x"))]),
            headers={"content-type": KIND},
        ),
        413,
        "file_too_large",
        "file",
    ),
    "a key for idempotency of 300 characters": (
        post(form(PURPOSE, FILE), idempotency_key="k" * 300),
        400,
        "invalid_parameter",
        "idempotency-key",
    ),
}


@pytest.fixture
def small(domicile: Domicile) -> Iterator[Service]:
    """A service that takes files of 1 MB, without any work left to do."""
    ready_tenant(domicile)
    with serving(domicile, SETTINGS.model_copy(update={"file_bytes": 1_000_000})) as made:
        yield made


def test_each_is_one_error_and_leaves_nothing(small: Service) -> None:
    """In the shape of the API, with a request id, and without anything of what was sent."""
    domicile = small.domicile
    key = small.key()
    with small.http(key) as client:
        before = left(domicile)
        got = {name: send(client) for name, (send, *_) in WRONG.items()}
        finish_all_work(domicile)

    told = {
        name: (one.status_code, one.json()["error"]["code"], one.json()["error"]["param"])
        for name, one in got.items()
    }
    assert told == {name: tuple(wanted) for name, (_, *wanted) in WRONG.items()}
    for one in got.values():
        error = one.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert error["message"]
        assert MARK.decode() not in one.text
        assert re.fullmatch("req_[0-9a-f]{32}", one.headers["x-request-id"])
    assert len({one.headers["x-request-id"] for one in got.values()}) == len(got)
    assert got["no key"].headers["www-authenticate"] == "Bearer"
    assert "allow" in got["no method"].headers
    assert left(domicile) == before


def test_the_page_has_each_error() -> None:
    """Its table names every code that the table above has, with its status."""
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)

    wanted = {(code, str(status)) for _, status, code, _ in WRONG.values()}
    assert wanted - set(rows) == set()
    assert len(rows) == len(set(rows))


def test_a_body_whose_length_says_that_it_is_too_large_is_not_read(small: Service) -> None:
    """The answer comes before the body does."""
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {small.key()}\r\n"
        f"content-type: {KIND}\r\ncontent-length: 99999999\r\n\r\n"
    )
    with small.connect() as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + 20_000 * b"x",
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ],
)
def test_what_is_no_http(service: Service, sent: bytes) -> None:
    """One error in the shape of the API, and the connection ends."""
    with service.connect() as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as answered:
            answer = answered.read()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: req_" in head
    assert b'"code":"invalid_http"' in body


def test_a_revoked_key(service: Service) -> None:
    """401 from the next request on."""
    keys = service.domicile.store.admin.api_keys
    new = keys.create("acme-eu", KeyScope.READ)
    with service.http(new.secret) as client:
        before = client.get("/v1/files").status_code
        keys.revoke(new.key.id)
        after = client.get("/v1/files")

    assert (before, after.status_code) == (200, 401)
    assert after.json()["error"]["code"] == "invalid_api_key"


def test_a_tenant_at_home_elsewhere_is_sent_home(service: Service) -> None:
    """421 with the home region: never a redirect, which clients would follow with the content."""
    with service.http("dmc_us-east-1_" + 43 * "A") as client:
        got = client.get("/v1/files", follow_redirects=False)

    assert got.status_code == 421
    assert got.headers["domicile-home"] == "us-east-1"
    assert got.json()["error"]["code"] == "wrong_region"
    assert "us-east-1" in got.json()["error"]["message"]
    assert "location" not in got.headers


def test_an_outage_is_told_without_its_details(service: Service) -> None:
    """503 with ``retry-after``. Which companies and backends there are stays with us."""
    with service.http() as client:
        made = client.post(
            "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("a", b"x" * 300_000)}
        ).json()
        service.domicile.take_down("eu-a", "eu-b")
        got = client.get(f"/v1/files/{made['id']}/content")

    assert got.status_code == 503
    assert got.headers["retry-after"] == "1"
    assert got.json()["error"]["type"] == "server_error"
    assert "eu-a" not in got.text
    assert "eu-b" not in got.text
