"""What a key costs: unwrapped in this process, by a key service on a Unix socket, and over TLS.

The key service is a process of its own on this machine. What counts is the ratio to the same call
in this process. A day key is unwrapped once per process and day, then it is in the cache.
"""

import argparse
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from uuid import UUID

from regions.load import load_topology
from storage.clock import SimulatedClock, steady
from storage.crypto.keyobject import key_context
from storage.crypto.record import wrap_key
from storage.crypto.root import LocalRootKeys
from storage.keyservice.address import Address, client_tls, server_tls
from storage.keyservice.client import RemoteKeyService
from storage.keyservice.local import LocalKeyService
from storage.keyservice.register import Found
from storage.keyservice.server import KeyServer, listening
from storage.logs import make_logger
from storage.model import StaffPermit
from storage.ports import KeyService
from tests.support.catalogs.tls_server import Authority
from tests.support.keyservice.serving import certificates

REGION = "eu-central-1"
CONTEXT = key_context(UUID(int=1))
DAY_KEY = b"d" * 32


class _Empty:
    """A register of nothing: permits are not measured here."""

    def find(self, permit: StaffPermit) -> Found:
        """Find nothing."""
        return Found(None, None, None, None, None, counted=False)


def _keys() -> LocalKeyService:
    roots = LocalRootKeys(REGION, {"root": {1: b"0" * 32}}, os.urandom)
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    return LocalKeyService(
        roots,
        _Empty(),
        {},
        region=REGION,
        topology=load_topology(),
        clock=clock,
        entropy=os.urandom,
        uptime=timedelta,
    )


def _serve(listener: socket.socket, tls: Path | None) -> None:
    """Serve in a process of its own until SIGTERM."""
    server = KeyServer(
        listener,
        _keys(),
        make_logger(),
        region=REGION,
        clock=steady,
        tls=None if tls is None else server_tls(tls),
    )
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.stop).start())
    server.serve_forever()


@contextmanager
def served(address: Address, own: Path | None, ours: Path | None) -> Iterator[KeyService]:
    """Yield the client of a key service in another process."""
    with listening(address) as listener:
        child = os.fork()
        if child == 0:
            _serve(listener, own)
            os._exit(0)
        if address.path is None:
            address = Address(host=address.host, port=listener.getsockname()[1])
        tls = None if ours is None else client_tls(ours)
        keys = RemoteKeyService(address, region=REGION, clock=steady, tls=tls)
        try:
            yield keys
        finally:
            keys.close()
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


def per_call(call: Callable[[], object], calls: int) -> float:
    """Return microseconds per call: the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - begun) / calls)
    return best * 1e6


def measure(name: str, keys: KeyService, calls: int) -> tuple[float, float]:
    """Print and return what unwrapping one day key and moving 1000 record keys takes."""
    sealed = keys.wrap(DAY_KEY, CONTEXT)
    target = keys.create(CONTEXT)
    wrapped = [wrap_key(DAY_KEY, n.to_bytes(32)) for n in range(1000)]
    one = per_call(lambda: keys.unwrap(sealed, CONTEXT), calls)
    many = per_call(lambda: keys.rewrap(sealed, CONTEXT, wrapped, target, CONTEXT), 5) / 1000
    print(f"{name:12} unwrap {one:8.1f} us   rewrap {many:6.2f} us a record key")
    return one, many


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory(prefix="dk-") as name:
        folder = Path(name)
        authority = Authority(folder, "authority")
        own, ours = (certificates(folder, authority, side) for side in ("127.0.0.1", "service"))
        here, _ = measure("in process", _keys(), calls)
        with served(Address(path=folder / "s"), None, None) as keys:
            unix, _ = measure("unix socket", keys, calls)
        with served(Address(host="127.0.0.1"), own, ours) as keys:
            tls, _ = measure("tls", keys, calls)
    print(f"unix / in process {unix / here:.1f}   tls / in process {tls / here:.1f}")


if __name__ == "__main__":
    main()
