"""The address of a catalog: the connection is protected, and only catalog_url says where to."""

import pytest
from psycopg import pq

from storage.catalog.address import is_local, resolve
from storage.errors import SettingsError

FULL = "sslmode=verify-full&sslrootcert=/ca.crt"
REMOTE = f"postgresql://u:hunter2@db.example/d?{FULL}"

LOOPBACK = "loopback, which does not leave this machine"

PROTECTED = {
    "postgresql:///d": "a unix socket",
    "postgresql://u@/d?host=/run/postgresql": "a unix socket",
    "postgresql://u@/d?host=@abstract": "a unix socket",
    "postgresql://u@localhost/d": LOOPBACK,
    "postgresql://u@127.3.2.1:6432/d?sslmode=disable": LOOPBACK,
    "postgresql://u@[::1]/d": LOOPBACK,
    REMOTE: "TLS, sslmode=verify-full, root /ca.crt",
    f"postgresql://u@127.0.0.1/d?{FULL}": "TLS, sslmode=verify-full, root /ca.crt",
    f"{REMOTE}&hostaddr=127.0.0.1": "TLS, sslmode=verify-full, root /ca.crt",  # a tunnel
    "postgresql://u@db.example/d?sslmode=verify-full&sslrootcert=system": (
        "TLS, sslmode=verify-full, root system"
    ),
}

REFUSED = {
    **{
        f"postgresql://u:hunter2@{host}/d{query}": "sslmode=verify-full"
        for host in ("db.example", "192.0.2.1", "127.1", "2130706433", "localhost.db.example")
        for query in ("", *(f"?sslmode={m}" for m in ("disable", "allow", "prefer", "require")))
    },
    "postgresql://u:hunter2@db.example/d?sslmode=verify-ca&sslrootcert=/ca": "sslmode=verify-full",
    "postgresql://u@/d?host=db.example": "sslmode=verify-full",
    "postgresql://u@localhost/d?host=db.example": "sslmode=verify-full",
    "postgresql://u@db.example/d?sslmode=verify-full": "sslrootcert",
    f"{REMOTE}&sslmode=disable": "sslmode more than once",
    f"{REMOTE}&hostaddr=192.0.2.1": "hostaddr",
    "postgresql://u@localhost/d?hostaddr=192.0.2.1": "hostaddr",
    "postgresql://u@localhost/d?hostaddr=127.0.0.1,192.0.2.1": "hostaddr",
    f"postgresql://u@/d?host=a.example&host=b.example&{FULL}": "does not list: a.example",
    f"postgresql://u@/d?host=a.example,b.example&{FULL}": "does not list: a.example",
    f"postgresql://u@localhost,b.example/d?{FULL}": "does not list: localhost",
    f"{REMOTE}&service=other": "service",
    f"{REMOTE}&gssencmode=prefer": "gssencmode",
    f"{REMOTE}&ssl_min_protocol_version=TLSv1": "ssl_min_protocol_version",
    f"{REMOTE}&sslkeylogfile=/tmp/keys": "sslkeylogfile",
    f"{REMOTE}&autocommit=true": "unknown parameter, autocommit",
    "mysql://u:hunter2@db.example/d": "not a URL of PostgreSQL",
}


def protection(url: str, *hosts: str, **environment: str) -> str:
    """Return how the connection to a URL is protected."""
    return resolve("eu", url, hosts=hosts, environment=environment).protection


@pytest.mark.parametrize("url", PROTECTED)
def test_what_is_connected_to_is_protected(url: str) -> None:
    """By the machine itself, or by TLS with a verified name; ``doctor`` says which."""
    assert protection(url) == PROTECTED[url]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_protected_is_refused(url: str) -> None:
    """The error names the reason, and shows no password."""
    with pytest.raises(SettingsError) as caught:
        protection(url)

    assert REFUSED[url] in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_several_hosts_are_those_of_the_topology() -> None:
    """After a failover the database is on another of them, and never elsewhere."""
    several = f"postgresql://u@/d?host=a.example&host=b.example&{FULL}"

    assert protection(several, "a.example", "b.example", "c.example").startswith("TLS")
    with pytest.raises(SettingsError, match=r"does not list: b\.example"):
        protection(several, "a.example")
    with pytest.raises(SettingsError, match=r"does not list: db\.example"):
        protection(REMOTE, "a.example")
    assert protection("postgresql://u@localhost/d", "a.example").startswith("loopback")


VARIABLES = {
    option.envvar.decode(): option.keyword.decode()
    for option in pq.Conninfo.get_defaults()
    if option.envvar
} | {"PGSERVICEFILE": "service", "PGDATESTYLE": "", "PGTZ": "", "PGGEQO": ""}
FIXED = {"PGAPPNAME", "PGCLIENTENCODING", "PGCONNECT_TIMEOUT", "PGGSSENCMODE"}


@pytest.mark.parametrize("variable", sorted(VARIABLES.keys() - FIXED))
def test_a_variable_that_would_change_the_connection_is_refused(variable: str) -> None:
    """Every one that libpq knows, by its name, also for a socket; its value is not shown."""
    with pytest.raises(SettingsError, match=rf"^{variable} is set.*Unset it") as caught:
        protection("postgresql:///", **{variable: "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_variable_does_not_count_beside_the_parameter_of_the_url() -> None:
    """A service may have variables for a database of its own."""
    own = {"PGHOST": "db.other", "PGUSER": "v", "PGPASSWORD": "x", "PGDATABASE": "e"}
    own |= {"PGSSLMODE": "disable", "PGSSLROOTCERT": "/other", "PGCLIENTENCODING": "LATIN1"}

    assert protection(REMOTE, **own).startswith("TLS")
    assert protection(REMOTE, PGHOST="").startswith("TLS")


def test_libpq_is_told_all_that_matters() -> None:
    """What it is told comes before variables and files."""
    told = resolve("eu", "postgresql:///d", hosts=(), environment={}).parameters

    assert told["gssencmode"] == "disable"
    assert told["sslmode"] == "prefer"
    assert told["sslcertmode"] == "disable"
    assert told["passfile"] == "/dev/null/none"
    assert {"keepalives", "tcp_user_timeout", "connect_timeout"} <= told.keys()


@pytest.mark.parametrize("host", ["", "/run", "@x", "localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_what_stays_on_this_machine(host: str) -> None:
    """Sockets and loopback."""
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["db", "0.0.0.1", "127.1", "localhost.", "LOCALHOST.example", "::", "10.0.0.1"]
)
def test_what_may_leave_this_machine(host: str) -> None:
    """A name that somebody else may resolve, or a number that is not plainly loopback."""
    assert not is_local(host)
