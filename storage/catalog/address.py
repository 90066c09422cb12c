"""The address of a catalog: what libpq is given, and how the connection is protected. Pure.

libpq takes what it is not given from the environment, from service files and from files in the home
directory. Each of these could lead to another server, or turn TLS off. So everything that matters
is given, and a variable that would change the connection is refused.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from psycopg import pq
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.catalog.times import CONNECTED
from storage.errors import SettingsError

_DRIVERS = ("postgresql", "postgresql+psycopg")

_FIXED = {
    "client_encoding": "UTF8",
    "gssencmode": "disable",  # else libpq asks for it first, and sends before TLS
    "connect_timeout": round(CONNECTED),
}
"""What no URL and no variable changes."""

_DEFAULTS = {
    "sslmode": "prefer",
    "ssl_min_protocol_version": "TLSv1.2",
    "passfile": "/dev/null/none",  # no file: else ~/.pgpass
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_ALLOWED = {
    "gssencmode": ("disable",),
    "ssl_min_protocol_version": ("TLSv1.2", "TLSv1.3"),
    "service": (),
    "replication": (),
    "sslkeylogfile": (),
}
"""The values that a parameter of the URL may have; all, if it is not here."""

_LIBPQ = {option.keyword.decode(): option.envvar for option in pq.Conninfo.get_defaults()}
_VARIABLES = {
    **{variable.decode(): name for name, variable in _LIBPQ.items() if variable},
    "PGSERVICEFILE": "service",
    "PGDATESTYLE": "options",
    "PGTZ": "options",
    "PGGEQO": "options",
}
"""The variables that libpq reads, with the parameter that takes precedence over each."""

_HARMLESS = {"application_name", *_FIXED}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a catalog is.

    ``parameters``: for libpq, beside those of the URL. ``protection``: how the connection is
    protected, for people.
    """

    url: URL
    parameters: Mapping[str, object]
    protection: str


def resolve(
    region: str, given: str, *, hosts: Collection[str], environment: Mapping[str, str]
) -> Address:
    """Return the address that a ``catalog_url`` stands for. ``hosts``: those of the topology.

    Raises SettingsError if it is not a URL of PostgreSQL, if the connection would not be protected,
    or if a variable of the environment would change it.
    """
    url = _url(region, given).set(drivername="postgresql+psycopg")
    _, options = url.get_dialect()().create_connect_args(url)
    _check_parameters(region, options)
    _check_environment(region, options, environment)
    names = str(options.get("host", "")).split(",")
    _check_hosts(region, names, hosts)
    _check_numbers(region, str(options.get("hostaddr", "")))
    _check_tls(region, options, [name for name in names if not is_local(name)])
    client_certificate = "allow" if "sslcert" in options else "disable"  # else one in the home
    defaults = {**_DEFAULTS, "sslcertmode": client_certificate}
    added = {name: value for name, value in defaults.items() if name not in options}
    return Address(url, {**added, **_FIXED}, _protection(names, {**added, **options}))


def is_socket(host: str) -> bool:
    """Return whether libpq takes a host for a unix socket."""
    return host == "" or host.startswith(("/", "@"))


def is_local(host: str) -> bool:
    """Return whether what is sent to a host does not leave this machine."""
    if is_socket(host) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _url(region: str, given: str) -> URL:
    url = None
    with suppress(ArgumentError, ValueError):  # a ValueError may quote the URL
        url = make_url(given)
    if url is None or url.drivername not in _DRIVERS:
        raise SettingsError(
            f"The catalog_url of {region} is not a URL of PostgreSQL.",
            advice="Give postgresql://user@host/database.",
        )
    return url


def _check_parameters(region: str, options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if name not in _LIBPQ:
            raise _refusal(region, f"has an unknown parameter, {name}", "Remove it.")
        if isinstance(value, tuple):
            raise _refusal(region, f"gives {name} more than once", "Give it once.")
        allowed = _ALLOWED.get(name)
        if allowed is not None and value not in allowed:
            advice = f"Give {' or '.join(allowed)}." if allowed else "Remove it."
            raise _refusal(region, f"has a value of {name} that is not allowed", advice)


def _check_environment(
    region: str, options: Mapping[str, object], environment: Mapping[str, str]
) -> None:
    for variable, name in _VARIABLES.items():
        if not environment.get(variable) or name in _HARMLESS or name in options:
            continue
        instead = "" if name in ("service", "hostaddr") else f", or give {name} in catalog_url"
        raise SettingsError(
            f"{variable} is set, and would change the connection to the catalog of {region}.",
            advice=f"Unset it{instead}.",
        )


def _check_hosts(region: str, names: Collection[str], hosts: Collection[str]) -> None:
    if len(names) == 1 and (not hosts or all(map(is_local, names))):
        return
    for name in names:
        if name not in hosts:
            raise _refusal(
                region,
                f"names a host that the topology does not list: {name or 'a unix socket'}",
                "Several hosts must all be in catalog.hosts of the region's file, and so must one "
                "if the list exists.",
            )


def _check_numbers(region: str, addresses: str) -> None:
    for number in filter(None, addresses.split(",")):
        if not is_local(number):
            raise _refusal(
                region, "has a hostaddr, which bypasses the name of the host", "Remove it."
            )


def _check_tls(region: str, options: Mapping[str, object], remote: Collection[str]) -> None:
    if remote and options.get("sslmode") != "verify-full":
        raise _refusal(
            region,
            f"does not demand sslmode=verify-full, but leads to {', '.join(remote)}",
            "Add sslmode=verify-full and sslrootcert, or use a unix socket or loopback.",
        )
    if options.get("sslmode") == "verify-full" and not options.get("sslrootcert"):
        raise _refusal(
            region,
            "does not say whom to trust",
            "Add sslrootcert=FILE, or sslrootcert=system for the roots that this machine trusts.",
        )


def _refusal(region: str, what: str, advice: str) -> SettingsError:
    return SettingsError(f"The catalog_url of {region} {what}.", advice=advice)


def _protection(names: Collection[str], options: Mapping[str, object]) -> str:
    if all(map(is_socket, names)):
        return "a unix socket"
    if options["sslmode"] == "verify-full":
        return f"TLS, sslmode=verify-full, root {options['sslrootcert']}"
    return "loopback, which does not leave this machine"
