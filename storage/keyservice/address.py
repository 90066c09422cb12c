"""Where a key service is: a Unix socket on this machine, or TLS with a certificate on both sides.

The folder of a side of TLS has three files in PEM: ``ca.pem``, the authority that signed the
certificates of both sides and no others; ``cert.pem``, the own certificate; ``key.pem``, its key.
"""

import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from storage.errors import SettingsError

_REFUSED = re.compile(r"_ALERT_((?:[A-Z]+_)*CERTIFICATE(?:_[A-Z]+)*|UNKNOWN_CA)$")
_FORM = "Give it as unix:/run/domicile/keys.sock or tls://keys.example.net:7443."


@dataclass(frozen=True, slots=True)
class Address:
    """An address. ``path``: of a Unix socket; otherwise ``host`` and ``port``, with TLS."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``unix:/path`` or ``tls://host:port``. Raises SettingsError."""
        scheme, _, rest = text.partition(":")
        if scheme == "unix" and rest.startswith("/"):
            return cls(path=Path(rest))
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        found = cls(host=host or "", port=port or 0)
        if scheme != "tls" or not found.host or not found.port or str(found) != text.lower():
            raise SettingsError("The address of the key service is none.", advice=_FORM)
        return found

    def __str__(self) -> str:
        """Return the text form."""
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tls://{host}:{self.port}"


def server_tls(folder: Path) -> ssl.SSLContext:
    """Return the TLS 1.3 of a key service. Raises SettingsError."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), folder)


def client_tls(folder: Path) -> ssl.SSLContext:
    """Return the TLS 1.3 of a service, which checks the host of the key service too.

    Raises SettingsError.
    """
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), folder)


@dataclass(frozen=True, slots=True)
class CertificateProblem:
    """Why two sides did not agree on TLS. ``of_peer``: the certificate is not ours."""

    of_peer: bool
    reason: str


def certificate_problem(error: Exception) -> CertificateProblem | None:
    """Return which certificate was refused, and why. None: it was something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateProblem(True, error.verify_message.rstrip("."))
    found = _REFUSED.search(getattr(error, "reason", None) or "")
    if not isinstance(error, ssl.SSLError) or found is None:
        return None
    return CertificateProblem(False, found.group(1).replace("_", " ").lower())


def _loaded(context: ssl.SSLContext, folder: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    key = folder / "key.pem"
    try:
        if stat.S_IMODE(key.stat().st_mode) & 0o077:
            raise SettingsError(f"Other users can access {key}.", advice=f"Run: chmod 600 {key}.")
        context.load_verify_locations(folder / "ca.pem")
        context.load_cert_chain(folder / "cert.pem", key)
    except OSError as error:  # an SSLError is one
        raise SettingsError(
            f"The certificates in {folder} cannot be used: {error.strerror or error}.",
            advice="It needs ca.pem, cert.pem and key.pem.",
        ) from error
    return context
