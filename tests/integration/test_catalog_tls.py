"""A catalog behind a wrong certificate, or none: it learns neither user nor password."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.catalog.engine import Catalog
from storage.errors import CatalogUnavailable, SettingsError
from tests.support.catalogs.tls_server import SSL_REQUEST, Authority, TlsServer, listening

NOT_TRUSTED: dict[str, Callable[[Authority, Authority], ssl.SSLContext | None]] = {
    "no TLS": lambda _ours, _other: None,
    "another authority": lambda _ours, other: other.context("127.0.0.1"),
    "another name": lambda ours, _other: ours.context("db.example"),
}


def connect(server: TlsServer, root: Path) -> None:
    """Begin a transaction."""
    query = f"sslmode=verify-full&sslrootcert={root}"
    url = f"postgresql://the-user:the-password@127.0.0.1:{server.port}/the-database?{query}"
    catalog = Catalog("eu-central-1", url)
    try:
        with catalog.begin():
            pass
    finally:
        catalog.close()


@pytest.mark.parametrize("kind", NOT_TRUSTED)
def test_a_server_that_cannot_be_trusted_is_told_nothing(kind: str, tmp_path: Path) -> None:
    """It sees that somebody wants TLS, and no more; the error says what to check."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    refused = pytest.raises(SettingsError, match=r"eu-central-1 has no certificate.*sslrootcert")
    with listening(NOT_TRUSTED[kind](ours, other)) as server, refused:
        connect(server, ours.root)

    assert set(server.plain) <= {SSL_REQUEST, b""}
    assert SSL_REQUEST in server.plain
    assert b"".join(server.secret) == b""


def test_a_server_that_can_be_trusted_is_told_all_inside_of_tls(tmp_path: Path) -> None:
    """So the tests above would see a user name."""
    ours = Authority(tmp_path, "ours")
    with listening(ours.context("127.0.0.1")) as server, pytest.raises(CatalogUnavailable):
        connect(server, ours.root)

    assert server.plain == [SSL_REQUEST]
    assert b"the-user" in server.secret[0]


@pytest.mark.parametrize(("variable", "value"), [("PGGSSENCMODE", "prefer"), ("PGAPPNAME", "mine")])
def test_a_variable_that_has_no_effect_is_allowed(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may have it for a database of its own."""
    monkeypatch.setenv(variable, value)
    ours = Authority(tmp_path, "ours")
    with listening(None) as server, pytest.raises(SettingsError):
        connect(server, ours.root)

    assert SSL_REQUEST in server.plain
