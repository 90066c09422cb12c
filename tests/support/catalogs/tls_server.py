"""A server that begins to speak PostgreSQL's protocol, with the certificate that a test wants."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Authority:
    """A certificate authority of a test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._folder = folder
        authority = x509.BasicConstraints(ca=True, path_length=None)
        made = self._build(self._name, self._key.public_key(), authority)
        self.root = folder / f"{name}.crt"
        self.root.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def context(self, name: str) -> ssl.SSLContext:
        """Return the TLS of a server whose certificate is for that name or address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate(name))
        return context

    def certificate(self, name: str, *, ended: bool = False) -> Path:
        """Make a certificate for that name or address; return a file with it and its key.

        ``ended``: it has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            general: x509.GeneralName = x509.IPAddress(ip_address(name))
        except ValueError:
            general = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([general])
        made = self._build(subject, key.public_key(), names, ended=ended)
        file = self._folder / f"{name}.pem"
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        return file

    def _build(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        more: x509.ExtensionType,
        *,
        ended: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC) - timedelta(days=10 if ended else 0)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(more, critical=False)
            .sign(self._key, hashes.SHA256())
        )


@dataclass
class TlsServer:
    """What clients sent. ``plain``: before TLS. ``secret``: inside of it."""

    port: int
    plain: list[bytes] = field(default_factory=list)
    secret: list[bytes] = field(default_factory=list)


@contextmanager
def listening(tls: ssl.SSLContext | None) -> Iterator[TlsServer]:
    """Serve on loopback. None: answer that there is no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = TlsServer(listener.getsockname()[1])
        thread = Thread(target=_serve, args=(listener, server, tls))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, server: TlsServer, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError):  # an SSLError is one
            connection.settimeout(5)
            server.plain.append(connection.recv(8))
            connection.sendall(b"N" if tls is None else b"S")
            if tls is None:
                server.plain.append(connection.recv(1024))
                continue
            with tls.wrap_socket(connection, server_side=True) as inner:
                server.secret.append(inner.recv(1024))
