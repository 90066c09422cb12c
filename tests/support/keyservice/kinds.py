"""Every kind of key service, for the suite that all of them pass."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from regions.load import load_locations, load_topology
from storage.crypto.kms import open_kms
from storage.keyservice.address import Address
from tests.support.catalogs.tls_server import Authority
from tests.support.keyservice.kms_server import KmsServer
from tests.support.keyservice.permits import REGION
from tests.support.keyservice.serving import (
    Case,
    certificates,
    in_order,
    local,
    remote,
    root_keys,
    serving,
    short_folder,
)


@contextmanager
def in_process(_: Path) -> Iterator[Case]:
    """The key service in this process."""
    register = in_order()
    yield Case(local(root_keys(), register), register)


@contextmanager
def over_unix(_: Path) -> Iterator[Case]:
    """A key service behind a Unix socket."""
    register, log = in_order(), io.StringIO()
    with (
        short_folder() as folder,
        serving(
            local(root_keys(), register), Address(path=folder / "keys.sock"), log=log
        ) as address,
    ):
        keys = remote(address)
        yield Case(keys, register, log)
        keys.close()


@contextmanager
def over_tls(folder: Path) -> Iterator[Case]:
    """A key service behind TLS, with certificates on both sides."""
    register, log = in_order(), io.StringIO()
    authority = Authority(folder, "authority")
    own, ours = (certificates(folder, authority, name) for name in ("127.0.0.1", "service"))
    here = Address(host="127.0.0.1", port=0)
    with serving(local(root_keys(), register), here, tls=own, log=log) as address:
        keys = remote(address, tls=ours)
        yield Case(keys, register, log)
        keys.close()


@contextmanager
def with_kms(_: Path) -> Iterator[Case]:
    """A key service behind a Unix socket, with its root keys in KMS."""
    register, log = in_order(), io.StringIO()
    with short_folder() as folder, KmsServer() as kms:
        roots = open_kms(kms.key(), load_topology().regions[REGION], load_locations())
        here = Address(path=folder / "keys.sock")
        with serving(local(roots, register), here, log=log) as address:
            keys = remote(address)
            yield Case(keys, register, log)
            keys.close()
        roots.close()


KINDS: dict[str, Callable[[Path], AbstractContextManager[Case]]] = {
    "in process": in_process,
    "unix": over_unix,
    "tls": over_tls,
    "kms": with_kms,
}
