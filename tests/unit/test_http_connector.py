"""The HTTP connector against a real server: what it signs, what it believes, what it refuses."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from storage.errors import (
    AcknowledgementInvalid,
    ConfigurationError,
    ProcessorError,
    ProcessorForbidden,
    ProcessorMisplaced,
    ProcessorTimeout,
    ProcessorUnavailable,
)
from storage.processors.acknowledgement import public_key
from storage.processors.http import HttpConnector
from storage.processors.signing import derive_key, parameters, signature_base
from storage.testing import FakeClock
from tests.support.processors.http_server import Processor, serving, sign

NAME, SECRET = "klarblick", b"content-of-Hypatia"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@dataclass(frozen=True)
class Line:
    """A processor, and the way to it."""

    processor: Processor
    connector: HttpConnector

    def deliver(self, timeout: float = 10) -> UUID:
        """Hand over a copy."""
        copy = uuid4()
        self.connector.deliver(copy, SECRET, timeout=timeout)
        return copy

    def deleted(self) -> UUID:
        """A copy that was deleted."""
        copy = self.deliver()
        self.connector.request_deletion(copy)
        return copy


@pytest.fixture
def line() -> Iterator[Line]:
    """One that works."""
    clock = FakeClock()
    with serving(Processor(NAME, clock.now, trusts=KEY.public_key())) as processor:
        yield Line(processor, connect(processor, clock))


def connect(processor: Processor, clock: FakeClock, key: Ed25519PrivateKey = KEY) -> HttpConnector:
    """A connector to it."""
    return HttpConnector(
        NAME,
        processor.url,
        key=key,
        kid="kid",
        acknowledgement_key=public_key(processor.public),
        longest_request=timedelta(minutes=16),
        clock=clock,
        entropy=os.urandom,
    )


def test_signatures_are_those_of_the_standard() -> None:
    """RFC 9421, appendix B.2.6: the same key, message and signature."""
    secret = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"
    key = load_der_private_key(base64.b64decode(secret), None)
    assert isinstance(key, Ed25519PrivateKey)
    message = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "@method": "POST",
        "@path": "/foo",
        "@authority": "example.com",
        "content-type": "application/json",
        "content-length": "18",
    }
    params = parameters(list(message), created=1618884473, keyid="test-key-ed25519")

    assert base64.b64encode(key.sign(signature_base(message, params))).decode() == (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )


def test_requests_are_signed_with_a_key_of_their_own() -> None:
    """Not with that of receipts, and with the same one after a restart."""
    derived = derive_key(KEY)

    assert derived.private_bytes_raw() == derive_key(KEY).private_bytes_raw()
    assert derived.private_bytes_raw() != KEY.private_bytes_raw()


def test_a_processor_can_tell_our_requests_from_others(line: Line) -> None:
    """Another key is refused; so is what was sent before, word for word."""
    line.deleted()
    stranger = connect(line.processor, FakeClock(), Ed25519PrivateKey.generate())
    with pytest.raises(ProcessorForbidden):
        stranger.deliver(uuid4(), SECRET, timeout=10)
    method, path, headers = line.processor.requests[0]

    assert line.processor.refused == ["signature"]
    assert line.processor.wrong_with(method, path, headers, SECRET) == "replayed"
    assert line.processor.wrong_with(method, path, headers, SECRET + b"!") == "digest"
    assert line.processor.wrong_with(method, path + "0", headers, SECRET) == "signature"
    assert line.processor.wrong_with("DELETE", path, headers, SECRET) == "signature"


def test_a_processor_learns_nothing_but_id_and_content(line: Line) -> None:
    """These headers, and no others: none of them names a tenant, a record or us."""
    copy = line.deliver()
    (_, path, headers), *_ = line.processor.requests

    assert path == f"/v1/{copy}"
    assert set(headers) == {
        "host",
        "accept-encoding",
        "date",
        "content-digest",
        "content-type",
        "content-length",
        "signature-input",
        "signature",
    }


FORGED: dict[str, Callable[[Processor, UUID], str]] = {
    "another copy's": lambda p, _: p.acknowledge(str(uuid4())),
    "another processor's": lambda p, copy: p.acknowledge(str(copy), processor="vier-augen"),
    "another key's": lambda _, copy: sign(
        Ed25519PrivateKey.generate(),
        {"alg": "EdDSA", "typ": "domicile-acknowledgement+jwt"},
        {"copy": str(copy), "processor": NAME, "deleted_at": "2026-03-01T12:00:00+00:00"},
    ),
    "of another type": lambda p, copy: p.acknowledge(str(copy), typ="JWT"),
    "without a zone": lambda p, copy: p.acknowledge(str(copy), deleted_at="2026-03-01T12:00:00"),
    "with more than was agreed": lambda p, copy: p.acknowledge(str(copy), note="as asked"),
    "not signed": lambda p, copy: sign(p.key, {"alg": "none"}, {"copy": str(copy)}),
    "no token": lambda *_: "deleted",
    "empty": lambda *_: "",
    "endless": lambda p, copy: p.acknowledge(str(copy)) + "A" * 20_000,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_word_that_is_not_its_own_about_this_copy_is_not_believed(
    line: Line, forge: Callable[[Processor, UUID], str]
) -> None:
    """Whatever is wrong with it: the copy counts as being there."""
    copy = line.deleted()
    line.processor.token = forge(line.processor, copy)

    with pytest.raises(AcknowledgementInvalid) as caught:
        line.connector.confirm(copy)
    assert caught.value.processor == NAME


def test_no_byte_of_an_acknowledgement_can_be_changed(line: Line) -> None:
    """Each is covered: by the signature, or because there is one way to write it."""
    copy = line.deleted()
    token = line.processor.acknowledge(str(copy))
    believed = []
    for place, character in enumerate(token[:-1]):  # the last one has bits that mean nothing
        line.processor.token = (
            token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        )
        try:
            believed.append((place, line.connector.confirm(copy)))
        except AcknowledgementInvalid:
            continue

    assert believed == []
    line.processor.token = token
    assert line.connector.confirm(copy) is not None


def test_a_redirect_is_not_followed(line: Line) -> None:
    """Nothing is sent to where it leads, neither content nor the request itself."""
    clock = FakeClock()
    with serving(Processor("elsewhere", clock.now, trusts=KEY.public_key())) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            line.processor.answers["PUT"] = (status, f"{elsewhere.url}/x")
            with pytest.raises(ProcessorMisplaced, match=str(status)):
                line.deliver()

        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProcessorForbidden),
        (404, ProcessorForbidden),
        (429, ProcessorUnavailable),
        (500, ProcessorUnavailable),
        (503, ProcessorUnavailable),
        (206, ProcessorUnavailable),
    ],
)
def test_a_failure_is_a_failure_of_every_request(
    line: Line, status: int, error: type[ProcessorError]
) -> None:
    """And each is sent once: nothing repeats itself."""
    copy = line.deleted()
    line.processor.requests.clear()
    for method in ("PUT", "DELETE", "GET"):
        line.processor.answers[method] = (status, "")
    for call in (
        line.deliver,
        lambda: line.connector.request_deletion(copy),
        lambda: line.connector.confirm(copy),
    ):
        with pytest.raises(error) as caught:
            call()
        assert SECRET.decode() not in str(caught.value)

    assert [method for method, *_ in line.processor.requests] == ["PUT", "DELETE", "GET"]


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_who_is_slow_is_not_waited_for(line: Line, how: str) -> None:
    """One that says nothing, and one that says a byte now and then, in the time that was given."""
    setattr(line.processor, how, True)
    since = time.monotonic()

    with pytest.raises(ProcessorTimeout) as caught:
        line.deliver(timeout=0.5)

    assert time.monotonic() - since < 5
    assert caught.value.outcome == "unknown"


def test_nobody_there(line: Line) -> None:
    """A refused connection is an error like others."""
    with serving(Processor(NAME, lambda: datetime.now(UTC))) as gone:
        pass
    connector = connect(gone, FakeClock())

    with pytest.raises(ProcessorUnavailable):
        connector.deliver(uuid4(), SECRET, timeout=5)


@pytest.mark.parametrize(
    "url",
    ["http://klarblick.example", "ftp://127.0.0.1", "https://u:p@h.example", "https://h/?q=1", ""],
)
def test_content_goes_encrypted_or_nowhere(url: str) -> None:
    """Plain HTTP is for this machine alone, and a URL has no secrets in it."""
    with pytest.raises(ConfigurationError):
        HttpConnector(
            NAME,
            url,
            key=KEY,
            kid="k",
            acknowledgement_key=KEY.public_key(),
            longest_request=timedelta(),
            clock=FakeClock(),
            entropy=os.urandom,
        )
