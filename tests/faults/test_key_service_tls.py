"""Who may speak to a key service over TLS, and where one can be."""

import io
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from storage.crypto.keyobject import key_context
from storage.errors import KeyServiceUnavailable, SettingsError
from storage.keyservice.address import Address, client_tls
from storage.keyservice.server import Limits
from tests.support.catalogs.tls_server import Authority
from tests.support.keyservice.lies import rest, said
from tests.support.keyservice.permits import KEY_ID, REGION
from tests.support.keyservice.serving import (
    certificates,
    in_order,
    local,
    remote,
    root_keys,
    serving,
)

CONTEXT = key_context(KEY_ID)
SEALED = root_keys().wrap(b"d" * 32, CONTEXT)


class TestCertificates:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        """The authority of both sides."""
        return Authority(tmp_path, "authority")

    @pytest.fixture
    def address(self, tmp_path: Path, authority: Authority) -> Iterator[Address]:
        """A key service behind TLS."""
        own = certificates(tmp_path, authority, "127.0.0.1")
        here = Address(host="127.0.0.1", port=0)
        with serving(local(root_keys(), in_order()), here, tls=own) as bound:
            yield bound

    def test_of_another_authority_opens_nothing(self, tmp_path: Path, address: Address) -> None:
        """Who has no certificate of the authority is not heard, and does not listen."""
        folder = tmp_path / "other"
        folder.mkdir()
        other = certificates(folder, Authority(folder, "other"), "service")
        with pytest.raises(KeyServiceUnavailable):
            remote(address, tls=other).unwrap(SEALED, CONTEXT)

    def test_a_stranger_whom_the_service_trusts_is_not_served(
        self, tmp_path: Path, address: Address, authority: Authority
    ) -> None:
        """The key service checks for itself: a certificate of its authority is needed."""
        folder = tmp_path / "other"
        folder.mkdir()
        other = certificates(folder, Authority(folder, "other"), "service")
        (other / "ca.pem").write_bytes(authority.root.read_bytes())
        with pytest.raises(KeyServiceUnavailable):
            remote(address, tls=other).unwrap(SEALED, CONTEXT)

    def test_a_service_is_no_key_service(self, tmp_path: Path, authority: Authority) -> None:
        """A service's own certificate, though of the same authority, names no key service."""
        ours = certificates(tmp_path, authority, "service")
        here = Address(host="127.0.0.1", port=0)
        with (
            serving(local(root_keys(), in_order()), here, tls=ours) as address,
            pytest.raises(KeyServiceUnavailable, match="not valid for"),
        ):
            remote(address, tls=ours).unwrap(SEALED, CONTEXT)

    @pytest.mark.parametrize("whose", ["service", "127.0.0.1"])
    def test_an_expired_certificate_is_named(
        self, tmp_path: Path, authority: Authority, whose: str
    ) -> None:
        """Both sides say that it has expired, and whose it is; no retry mends it."""
        here, log = Address(host="127.0.0.1", port=0), io.StringIO()
        server, client = (
            certificates(tmp_path, authority, name, ended=name == whose)
            for name in ("127.0.0.1", "service")
        )
        keys = local(root_keys(), in_order())
        with serving(keys, here, tls=server, log=log) as address:
            with pytest.raises(KeyServiceUnavailable, match="expired") as caught:
                remote(address, tls=client).unwrap(SEALED, CONTEXT)
            ours = whose == "service"
            said = "certificate of this process" if ours else "certificate of the key service"
            assert said in str(caught.value)
            assert "Renew cert.pem" in caught.value.advice
            assert not caught.value.retryable
        (logged,) = map(json.loads, log.getvalue().splitlines())
        assert logged["event"] == "key_service_certificate_refused"
        assert logged["whose"] == ("the caller's" if ours else "that of the key service")
        assert "expired" in logged["reason"]
        assert logged["address"].startswith("127.0.0.1:")

    def test_strangers_take_no_place_of_a_service(
        self, tmp_path: Path, authority: Authority
    ) -> None:
        """However many connect and say nothing: for a new handshake the oldest ends."""
        here, limits = Address(host="127.0.0.1", port=0), Limits(connections=1, handshakes=2)
        server, client = (
            certificates(tmp_path, authority, name) for name in ("127.0.0.1", "service")
        )
        with (
            serving(local(root_keys(), in_order()), here, tls=server, limits=limits) as address,
            ExitStack() as stack,
        ):
            strangers = [
                stack.enter_context(socket.create_connection((address.host, address.port)))
                for _ in range(8)
            ]
            keys = stack.enter_context(closing(remote(address, tls=client)))
            assert keys.unwrap(SEALED, CONTEXT)
            for stranger in strangers[:6]:
                stranger.settimeout(4)  # a handshake may take 5 seconds
                assert stranger.recv(10) == b""
            assert keys.unwrap(SEALED, CONTEXT)
            with pytest.raises(KeyServiceUnavailable):
                remote(address, tls=client).unwrap(SEALED, CONTEXT)

    def test_strangers_end_no_connection_of_a_service(
        self, tmp_path: Path, authority: Authority
    ) -> None:
        """Who has agreed on TLS is no stranger any more, however old its connection is."""
        here, limits = Address(host="127.0.0.1", port=0), Limits(handshakes=1)
        server, client = (
            certificates(tmp_path, authority, name) for name in ("127.0.0.1", "service")
        )
        with (
            serving(local(root_keys(), in_order()), here, tls=server, limits=limits) as address,
            ExitStack() as stack,
        ):
            where = address.host, address.port
            service = client_tls(client).wrap_socket(
                stack.enter_context(socket.create_connection(where, timeout=10)),
                server_hostname=address.host,
            )
            stack.enter_context(service)
            service.sendall(said(call="hello", region=REGION))
            assert REGION.encode() in service.recv(1000)
            strangers = [
                stack.enter_context(socket.create_connection(where, timeout=4)) for _ in range(4)
            ]
            assert [stranger.recv(10) for stranger in strangers[:3]] == [b""] * 3
            service.sendall(said(call="hello", region=REGION))
            assert REGION.encode() in service.recv(1000)

    def test_plain_text_gets_nothing(self, address: Address) -> None:
        """There is no way around TLS."""
        with socket.create_connection((address.host, address.port)) as connection:
            connection.settimeout(10)
            connection.sendall(said(call="hello", region=REGION))
            assert REGION.encode() not in rest(connection)

    def test_a_key_that_others_can_read_is_refused(
        self, tmp_path: Path, authority: Authority
    ) -> None:
        """As for the key file."""
        ours = certificates(tmp_path, authority, "service")
        (ours / "key.pem").chmod(0o644)
        with pytest.raises(SettingsError, match="chmod 600"):
            remote(Address(host="127.0.0.1", port=1), tls=ours)


@pytest.mark.parametrize(
    "text", ["unix:/run/keys.sock", "tls://keys.example:7443", "tls://[::1]:1"]
)
def test_addresses_are_read_back(text: str) -> None:
    """An address is shown as it was given."""
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "unix:", "unix:keys.sock", "tcp://keys:1", "tls://keys", "tls://:1", "tls://keys:0"),
        *("tls://keys:70000", "tls://u:p@keys:1", "tls://keys:1/path", "http://keys:1", "keys:1"),
    ],
)
def test_nothing_else_is_an_address(text: str) -> None:
    """No address without TLS but on this machine, and no secret in an address."""
    with pytest.raises(SettingsError, match="The address of the key service"):
        Address.parse(text)
