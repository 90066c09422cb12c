"""Requests to AWS itself, proxies, certificates and URLs: what leaves this machine, and how."""

import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket, TimedBody
from storage.backends.s3.listing import objects, uploads, versions
from storage.backends.s3.lock import RegionLock
from storage.backends.s3.upload import md5
from storage.errors import (
    BackendError,
    BackendMisplaced,
    BackendUnavailable,
    ConfigurationError,
)
from storage.testing.s3 import Answer, LoopbackServer, Request
from tests.support.backends.s3 import (
    BODY,
    BUCKET,
    CALLS,
    HOME,
    KEY,
    OTHER,
    at_home,
    backend_at,
    put,
    region_header,
    upload,
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


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate for every name of AWS, and its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not AWS")])
    names = [f"*.s3.{region}.amazonaws.com" for region in (HOME, OTHER)]
    names += [f"s3.{region}.amazonaws.com" for region in (HOME, OTHER)] + ["*.s3.amazonaws.com"]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(n) for n in names]
                + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    (folder / "key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context, folder / "certificate"


OWN_NAMES = {f"s3.{HOME}.amazonaws.com", f"domicile-eu.s3.{HOME}.amazonaws.com"}


class Aws:
    """Two regions of AWS on loopback, their requests, and every name that was looked up."""

    def __init__(self, home: LoopbackServer, other: LoopbackServer) -> None:
        self.home, self.other = home, other
        self.names: list[str] = []

    def getaddrinfo(self, host: str, port: int, *_: object, **__: object) -> list[object]:
        """Replace ``socket.getaddrinfo``."""
        self.names.append(host)
        server = self.home if HOME in host else self.other
        address = ("127.0.0.1", server.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]


@pytest.fixture
def aws(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Aws]:
    """AWS, with a home region that redirects every object to the other."""
    context, certificate = tls
    redirect = region_header(301, "PermanentRedirect")("")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with (
        LoopbackServer(at_home(lambda _: redirect), tls=context) as home,
        LoopbackServer(lambda _: Answer(headers={"ETag": '"e"'}), tls=context) as other,
    ):
        made = Aws(home, other)
        monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
        yield made


@contextmanager
def backend_at_aws() -> Iterator[S3Backend]:
    """A backend without endpoint_url."""
    backend = backend_at(None)
    yield backend
    backend.close()


def test_nothing_goes_from_one_region_of_aws_to_another(aws: Aws) -> None:
    """Only names of our own region are looked up, and the other region hears nothing."""
    with backend_at_aws() as backend, pytest.raises(BackendMisplaced):
        put(backend)

    assert set(aws.names) == OWN_NAMES
    assert aws.other.requests == []


@pytest.mark.parametrize("guard", ["_check_host", "_mark_redirected"])
def test_either_guard_is_enough(aws: Aws, monkeypatch: pytest.MonkeyPatch, guard: str) -> None:
    """A botocore that gets past one is stopped by the other."""
    monkeypatch.setattr(RegionLock, guard, lambda *_, **__: None)
    with backend_at_aws() as backend, pytest.raises(BackendMisplaced):
        upload(backend)

    assert aws.other.requests == []
    assert set(aws.names) == OWN_NAMES


def test_without_the_guards_the_body_goes_abroad(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap is real: if this fails, boto3 has changed, and the tests above prove less."""
    for guard in ("_check_host", "_mark_redirected", "_check_answer"):
        monkeypatch.setattr(RegionLock, guard, lambda *_, **__: None)
    with backend_at_aws() as backend:
        backend._bucket.write(
            lambda s3, _: s3.put_object(Bucket=BUCKET, Key=KEY, Body=BODY), timeout=10
        )

    assert [r.body for r in aws.other.requests] == [BODY]


def asks_head(request: Request) -> Answer:
    """The redirect without a region: boto3 then asks HeadBucket for it."""
    if request.method == "HEAD":
        return Answer(301, {"x-amz-bucket-region": OTHER})
    return Answer.error(301, "PermanentRedirect")


def names_the_region(_: Request) -> Answer:
    """The answer to a signature for the wrong region."""
    body = f"<Error><Code>AuthorizationHeaderMalformed</Code><Region>{OTHER}</Region></Error>"
    return Answer(400, {}, body.encode())


FOLLOWED: dict[str, Callable[[Request], Answer]] = {
    "301": lambda _: region_header(301, "PermanentRedirect")(""),
    "301, HeadBucket": asks_head,
    "307": lambda _: region_header(307, "TemporaryRedirect")(""),
    "400, region": names_the_region,
    "400, opt-in": lambda _: region_header(400, "IllegalLocationConstraintException")(""),
}
"""What boto3 takes for a redirect, signs again for the other region, and sends there."""


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "not locked"])
@pytest.mark.parametrize("redirect", FOLLOWED)
@pytest.mark.parametrize("call", ["put", "upload", "get", "list_key", "purge", "location"])
def test_the_other_region_hears_nothing_because_of_the_lock(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, call: str, redirect: str, *, locked: bool
) -> None:
    """With the lock the second host gets no byte; without, it gets the requests of boto3.

    Our own follow no redirect at all.
    """
    answer = FOLLOWED[redirect]
    aws.home.answer = answer if call == "location" else at_home(answer)
    if not locked:
        for guard in ("_check_host", "_mark_redirected", "_check_answer"):
            monkeypatch.setattr(RegionLock, guard, lambda *_, **__: None)
    with backend_at_aws() as backend, suppress(BackendError):
        CALLS["put" if call == "location" else call](backend)

    stays = locked or call not in ("upload", "location")
    assert (aws.other.requests == []) is stays
    assert (set(aws.names) <= OWN_NAMES) is stays


def test_settings_of_other_programs_do_not_choose_the_place(
    aws: Aws, elsewhere: LoopbackServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An endpoint in the environment, or acceleration in ~/.aws/config, is not for us."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", elsewhere.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", OTHER)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    (tmp_path / "config").write_text(
        "[default]\ns3 =\n  use_accelerate_endpoint = true\n  addressing_style = path\n"
    )
    aws.home.answer = at_home(lambda _: Answer())
    with backend_at_aws() as backend:
        put(backend)

    assert set(aws.names) == OWN_NAMES
    assert [r.method for r in aws.home.requests] == ["GET", "PUT"]


def test_loopback_does_not_go_through_a_proxy(
    home: LoopbackServer, elsewhere: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests without TLS must not leave the machine."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    home.answer = at_home(lambda _: Answer())
    backend = backend_at(home.url)
    put(backend)
    backend.close()

    assert [r.method for r in home.requests] == ["GET", "PUT"]


# --- Requests without boto3


def seen(server: LoopbackServer, call: Callable[[], object]) -> object:
    """Return what a server sees of a request, but for the time and the name of the client."""
    server.requests.clear()
    with suppress(BackendError):
        call()
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = headers.pop("authorization").partition(", Signature=")[0]
    for name in ("x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent"):
        headers.pop(name, None)
    path, _, query = request.target.partition("?")
    return request.method, path, sorted(query.split("&")), signed, headers, request.body


ODD = "pack/key=1._-"
SAME: dict[str, tuple[Callable[[S3Backend], object], Callable[[Any, str], object]]] = {
    "put": (
        lambda backend: backend.put(ODD, BODY, timeout=5),
        lambda s3, name: s3.put_object(
            Bucket=name, Key=ODD, Body=TimedBody(BODY, lambda: 0, 1), ContentMD5=md5(BODY)
        ),
    ),
    "get": (
        lambda backend: backend.get(ODD),
        lambda s3, name: s3.get_object(Bucket=name, Key=ODD),
    ),
    "a part": (
        lambda backend: backend.get(ODD, 4, 8, version="v/ +1~é"),
        lambda s3, name: s3.get_object(
            Bucket=name, Key=ODD, Range="bytes=4-7", VersionId="v/ +1~é"
        ),
    ),
    "versions": (
        lambda backend: list(versions(backend._bucket, "pack/", "pack/ +1~é")),
        lambda s3, name: s3.list_object_versions(
            Bucket=name, Prefix="pack/", KeyMarker="pack/ +1~é"
        ),
    ),
    "objects": (
        lambda backend: list(objects(backend._bucket, "", "pack/a")),
        lambda s3, name: s3.list_objects_v2(Bucket=name, Prefix="", StartAfter="pack/a"),
    ),
    "uploads": (
        lambda backend: list(uploads(backend._bucket, "pack/=")),
        lambda s3, name: s3.list_multipart_uploads(Bucket=name, Prefix="pack/="),
    ),
}
"""Requests of ours, and boto3's for the same."""


@pytest.fixture(params=["AWS", "AWS, a name with dots", "loopback"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[LoopbackServer, S3Backend, str]]:
    """A server that accepts everything, a backend there, and the name of its bucket."""
    on_aws = request.param != "loopback"
    server = request.getfixturevalue("aws").home if on_aws else request.getfixturevalue("home")
    server.answer = at_home(lambda _: Answer(headers={"ETag": '"e"'}))
    name = "domicile.eu" if "dots" in request.param else BUCKET
    backend = backend_at(None if on_aws else server.url, bucket=name)
    put(backend)  # asks for the place
    yield server, backend, name
    backend.close()


@pytest.mark.parametrize(("own", "boto"), SAME.values(), ids=SAME)
def test_a_server_sees_what_boto3_would_send(
    place: tuple[LoopbackServer, S3Backend, str],
    own: Callable[[S3Backend], object],
    boto: Callable[[Any, str], object],
) -> None:
    """Host, path, query and headers, what is signed, and whether the body is part of it."""
    server, backend, name = place

    ours = seen(server, lambda: own(backend))

    assert ours == seen(server, lambda: backend._bucket.ask(lambda s3: boto(s3, name)))


def test_an_untrusted_certificate_ends_it(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not AWS. Nothing was sent, so nothing was stored."""
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with backend_at_aws() as backend, pytest.raises(BackendUnavailable, match="certificate"):
        put(backend)

    assert aws.home.requests == []


# --- What may be opened at all


@pytest.mark.parametrize(
    "url",
    [
        "http://s3.example.com",
        "http://10.0.0.1:9000",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "http://0.0.0.0:9000",
        "http://[2001:db8::1]:9000",
        "127.0.0.1:9000",
        "https://",
        "",
        "https://user:secret@s3.example.com",
    ],
)
def test_only_https_leaves_the_machine(url: str) -> None:
    """Refused before anything is sent, and the text shows no secret."""
    with pytest.raises(ConfigurationError) as caught:
        backend_at(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000",
        "http://127.8.9.10",
        "http://[::1]:9000",
        "http://localhost:9000",
        "https://s3.example.com",
    ],
)
def test_loopback_may_do_without_tls(url: str) -> None:
    """For tests and laptops."""
    backend_at(url).close()


@pytest.mark.parametrize(
    "bucket",
    ["arn:aws:s3:us-east-1:123456789012:accesspoint/x", "name--use1-az4--x-s3", "a", "A-b", "a/b"],
)
def test_only_the_name_of_a_bucket_is_one(bucket: str) -> None:
    """An ARN may name a bucket, or many, in any region."""
    with pytest.raises(ConfigurationError):
        Bucket(
            "s3",
            bucket,
            HOME,
            endpoint_url=None,
            credentials=None,
            timeout=1,
            clock=time.monotonic,
        )
