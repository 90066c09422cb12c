"""A service in a process of its own, which does what it is told and says what it took.

The first line of stdin has its settings, each further one something to do.
"""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import offering, ours, probe
from benchmarks.cost import freeze, peak, reset_peak
from benchmarks.setting import CHAT, HOME, TENANT, Place, bodies_of
from storage.bootstrap import open_homes, worker_of
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.tenant import Tenant
from storage.logs import make_logger
from storage.model import Purpose
from storage.settings import Settings

_BLOCK = 1 << 20


class Child:
    """A running process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Use ``children`` instead."""
        self._process = process
        self.pid = process.pid

    def tell(self, **order: object) -> None:
        """Have it begin with something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait until it is done."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@contextmanager
def children(place: Place, number: int) -> Iterator[Sequence[Child]]:
    """Start processes that have opened the store."""
    made = [
        Child(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        for _ in range(number)
    ]
    try:
        backends = place.settings().backends
        keys = {
            name: {
                "access_key": place.server.access_key,
                "secret_key": place.server.secret_key,
            }
            for name in backends
        }
        for one in made:
            one.tell(home=str(place.home), topology=str(place.topology), backends=keys)
        for one in made:
            one.answer()
        yield made
    finally:
        for one in made:
            one.end()


def blocks(size: int) -> Iterator[bytes]:
    """Yield a file of text, a block at a time, out of little memory."""
    block = b"".join(bodies_of(_BLOCK // 2048))
    for start in range(0, size, _BLOCK):
        yield block[: min(_BLOCK, size - start)]


def put_file(tenant: Tenant, order: dict[str, Any]) -> str:
    """Store a file of the disk, or one that is made meanwhile. Return its id."""
    if "path" not in order:
        return str(tenant.put_file(blocks(order["size"])).id)
    with Path(order["path"]).open("rb") as file:
        return str(tenant.put_file(file).id)


def read_file(tenant: Tenant, record: str) -> int:
    """Read a file. Return its size."""
    with tenant.bind(CHAT).open(record, purpose=Purpose.SERVE) as file:
        return sum(len(chunk) for chunk in file.chunks())


def read_many(tenant: Tenant, ids: Sequence[str], threads: int) -> None:
    """Read records from some threads."""
    bound = tenant.bind(CHAT)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda one: bound.get(one, purpose=Purpose.SERVE), ids):
            pass


def put_many(tenant: Tenant, count: int) -> list[str]:
    """Write in bulk. Return some of the ids."""
    return [str(one) for one in ours.put_many(tenant, bodies_of(count))][:1000]


def do(homes: Homes, store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """Do one thing."""
    tenant, bodies = store.tenant(TENANT), bodies_of(order.get("count", 0))
    ways: dict[str, Callable[[], object]] = {
        "put_many": lambda: put_many(tenant, order["count"]),
        "async": lambda: ours.put_async(homes, [TENANT], bodies),
        "threads": lambda: ours.put_from_threads(tenant, bodies),
        "get": lambda: read_many(tenant, order["ids"], 16),
        "put_file": lambda: put_file(tenant, order),
        "read_file": lambda: read_file(tenant, order["id"]),
        "list": lambda: len(tenant.list(subject="user-7", limit=1000)),
        "ready": lambda: probe.ready(tenant, order["probe"]),
        "probe": lambda: probe.took(tenant, order["probe"]),
        "offer": lambda: offering.offer(homes, order["rate"], order["seconds"]).shown(),
        "work": lambda: worker_of(homes, make_logger(io.StringIO())).run_once(),
    }
    reset_peak()
    began, used = time.perf_counter(), time.process_time()
    found = ways[order["do"]]()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {"found": found, "seconds": seconds, "cpu": cpu, "peak": peak()}


def main() -> None:
    """Serve until stdin ends."""
    settings = Settings(**json.loads(sys.stdin.readline()))
    with open_homes(settings) as homes, Store(homes) as store:
        homes.served(HOME)
        freeze()
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            print(json.dumps(do(homes, store, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
