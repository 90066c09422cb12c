"""Key services for tests: with a register to change, in this process and behind sockets."""

import io
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

from storage.clock import SimulatedClock, steady
from storage.crypto.root import LocalRootKeys
from storage.keyservice.address import Address, client_tls, server_tls
from storage.keyservice.client import RemoteKeyService
from storage.keyservice.local import LocalKeyService
from storage.keyservice.server import KeyServer, Limits, listening
from storage.logs import make_logger
from storage.ports import KeyService, RootKeys
from tests.support.catalogs.tls_server import Authority
from tests.support.keyservice.permits import (
    ENTRY,
    KEPT,
    NOW,
    PINNED,
    REGION,
    TOPOLOGY,
    Register,
    signed,
)
from tests.support.keyservice.permits import unsigned as unsigned_grant


class StandingClock(SimulatedClock):
    """A clock that stands still."""

    def now(self) -> datetime:
        """Return NOW."""
        return NOW


def root_keys() -> LocalRootKeys:
    """Return root keys of version 1."""
    return LocalRootKeys(REGION, {"root": {1: b"0" * 32}}, os.urandom)


def in_order() -> Register:
    """Return a register in which all is in order."""
    return Register(signed(unsigned_grant()), ENTRY, KEPT)


@dataclass
class Case:
    """A key service, and what a test changes around it."""

    keys: KeyService
    register: Register
    log: io.StringIO = field(default_factory=io.StringIO)


def local(roots: RootKeys, register: Register, *, started: bool = False) -> LocalKeyService:
    """Return the key service in this process. ``started``: it has just begun to remember."""
    since = timedelta() if started else timedelta(days=2)
    return LocalKeyService(
        roots,
        register,
        PINNED,
        region=REGION,
        topology=TOPOLOGY,
        clock=StandingClock(),
        entropy=os.urandom,
        uptime=lambda: since,
    )


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder with a short path: that of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dk-") as folder:
        yield Path(folder)


@contextmanager
def serving(
    keys: KeyService,
    address: Address,
    *,
    tls: Path | None = None,
    log: io.StringIO | None = None,
    limits: Limits | None = None,
) -> Iterator[Address]:
    """Serve in a thread. Yield the address, with the port that was free for port 0."""
    with listening(address) as listener:
        server = KeyServer(
            listener,
            keys,
            make_logger(log or io.StringIO()),
            region=REGION,
            clock=steady,
            tls=None if tls is None else server_tls(tls),
            limits=limits,
        )
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield _bound(address, listener)
        finally:
            server.stop()
            thread.join()


def _bound(address: Address, listener: socket.socket) -> Address:
    if address.path is not None:
        return address
    return Address(host=address.host, port=listener.getsockname()[1])


def remote(address: Address, *, tls: Path | None = None, timeout: float = 5.0) -> RemoteKeyService:
    """Return the client of a key service."""
    context = None if tls is None else client_tls(tls)
    return RemoteKeyService(address, region=REGION, clock=steady, tls=context, timeout=timeout)


def certificates(folder: Path, authority: Authority, name: str, *, ended: bool = False) -> Path:
    """Make the folder of one side: its certificate, its key, and the authority."""
    made = folder / name
    made.mkdir()
    both = authority.certificate(name, ended=ended).read_bytes()
    (made / "ca.pem").write_bytes(authority.root.read_bytes())
    for file in ("cert.pem", "key.pem"):
        (made / file).touch(mode=0o600)
        (made / file).write_bytes(both)
    return made
