"""A forked process does not use the store of its parent, and a process that ends, ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import text

from storage import AsyncStore, AsyncTenant, DataClass, NewRecord, Purpose, Reason, Scope, Store
from storage.errors import DomicileError, InvalidRequest
from storage.pool import Pool
from storage.testing import Domicile, Gate, wait_at
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import home

PROMPT = DataClass.PROMPT
TENANT = "acme-eu"


def in_child(act: Callable[[], object]) -> str:
    """Fork, and return the code and text of the error that the call raises in the child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        said = "nothing"
        try:
            act()
        except DomicileError as error:
            said = f"{error.code}: {error}"
        except BaseException as error:  # noqa: BLE001 - the test sees it
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


CALLS: dict[str, Callable[[Store], object]] = {
    "tenant": lambda s: s.tenant(TENANT),
    "status": lambda s: s.status(),
    "erasures": lambda s: s.erasures("eu-central-1"),
    "erase": lambda s: s.erase(Scope.account("acme"), reason=Reason.CONTRACT_END),
    "tenants": lambda s: s.admin.tenants.list("eu-central-1"),
    "copies": lambda s: s.admin.processors.copies("eu-central-1"),
    "asyncio": lambda s: asyncio.run(_async(AsyncStore(s))),
}


async def _async(store: AsyncStore) -> None:
    await store.tenant(TENANT)


async def _put(t: AsyncTenant) -> None:
    await t.put(PROMPT, b"by a thread")


def test_a_forked_process_is_refused_and_the_parent_goes_on(
    domicile: Domicile, subtests: pytest.Subtests
) -> None:
    """Every call of the store, of a tenant and of an open record says what to do."""
    t, store = domicile.tenant(), domicile.store
    stored = t.put(PROMPT, b"before").id
    opened = t.open(stored, purpose=Purpose.SERVE)
    awaiting = asyncio.run(AsyncStore(store).tenant(TENANT))
    asyncio.run(_put(awaiting))  # by a thread that the child does not have
    calls: dict[str, Callable[[], object]] = {
        name: lambda c=call: c(store)  # type: ignore[misc]
        for name, call in CALLS.items()
    }
    calls |= {
        "put": lambda: t.put(PROMPT, b"child"),
        "submit": lambda: t.submit(NewRecord(PROMPT, b"child")),
        "put of asyncio": lambda: asyncio.run(_put(awaiting)),
        "get": lambda: t.get(stored, purpose=Purpose.SERVE),
        "list": t.list,
        "read": lambda: opened.read_range(0, 1),
    }
    for name, call in calls.items():
        with subtests.test(msg=name):
            said = in_child(call)

            assert said.startswith("InvalidRequest: ")
            assert "Open a store in this process" in said
            assert t.get(t.put(PROMPT, b"parent").id, purpose=Purpose.SERVE).body == b"parent"


def test_a_forked_process_may_leave_the_block(domicile: Domicile) -> None:
    """It waits for nothing, and closes no connection that the parent uses."""
    t = domicile.tenant()
    pending = [t.submit(NewRecord(PROMPT, b"x" * n)) for n in range(20)]

    assert in_child(domicile.store.close) == "nothing"
    assert in_child(domicile.stack.close) == "nothing"
    assert in_child(lambda: domicile.homes.regions) != "nothing"
    assert len({future.result(timeout=20).id for future in pending}) == 20
    assert len(t.list()) == 20


def test_a_result_of_the_parent_is_refused(domicile: Domicile, subtests: pytest.Subtests) -> None:
    """No thread of the child would ever give it."""
    t, gate = domicile.tenant(), Gate()
    domicile.backends["eu-a"].inject(wait_at(gate), "put", prefix="pack/")
    pending = t.submit(NewRecord(PROMPT, b"parent"))
    assert gate.reached.wait(20)

    async def awaited() -> None:
        await asyncio.wrap_future(pending)

    calls: dict[str, Callable[[], object]] = {
        "result": pending.result,
        "exception": pending.exception,
        "callback": lambda: pending.add_done_callback(print),
        "done": pending.done,
        "asyncio": lambda: asyncio.run(awaited()),
    }
    for name, call in calls.items():
        with subtests.test(msg=name):
            said = in_child(call)
            assert said.startswith("InvalidRequest: ")
            assert "Open a store in this process" in said
    gate.open.set()
    assert pending.result(timeout=20).stored


def test_a_forked_process_ends_no_connection_of_the_parent(domicile: Domicile) -> None:
    """The parent's next transaction is on the same one."""
    catalog = home(domicile).catalog

    def connection_used() -> object:
        with catalog.begin() as connection:
            return connection.scalar(text("SELECT pg_backend_pid()"))

    before = connection_used()
    assert in_child(domicile.stack.close) == "nothing"
    assert connection_used() == before


def test_a_put_that_no_thread_takes_is_refused(domicile: Domicile) -> None:
    """It leaves nothing in the queue, and the store can be closed."""
    t = domicile.tenant()
    t.put(PROMPT, b"before")
    flushers = domicile.homes.served("eu-central-1").writer._lanes._flushers
    assert isinstance(flushers, Pool)
    flushers.close(0.0)

    for body in (b"after", b"again"):
        with pytest.raises(InvalidRequest, match="The store is closed"):
            t.put(PROMPT, body)
    domicile.store.close()


ENDING = """
import os
import threading
from storage import DataClass, NewRecord, open_store

opened = open_store()
store = opened.__enter__()
tenant = store.tenant("acme-eu")
main = threading.main_thread()
begun = threading.Event()

def write():
    said = []
    for n in range(50):
        said.append(tenant.submit(NewRecord(DataClass.PROMPT, b"x")).result(timeout=20).stored)
        begun.set()
    os.write(1, f"stored {sum(said)}\\n".encode())  # whole: threads share the stream

def close():
    for thread in threads:
        thread.join()
    opened.__exit__(None, None, None)
    os.write(1, b"closed\\n")

threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads:
    thread.start()
threading.Thread(target=close).start()
begun.wait()
"""


def test_a_main_thread_may_end_during_a_put(line: CommandLine) -> None:
    """Its other threads go on to put, and the process ends when they do."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENDING],
        env={n: v for n, v in (os.environ | line.environment).items() if v is not None},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert found.stderr == ""
    assert found.stdout.count("stored 50\n") == 4
    assert found.stdout.endswith("closed\n")
