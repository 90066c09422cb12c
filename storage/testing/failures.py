"""What can go wrong with a call of a backend: the faults to choose from, and to combine.

    backend.inject(lose_answer, "put", prefix="pack/", nth=2, times=1)

Each is a function of the call that it stands in for, so that a test can write its own.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Never

from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.ports import ItemKind, StoredItem
from storage.testing.clock import FakeClock
from storage.testing.faults import Call, Fault, FaultyBackend, Gate


def fail(call: Call) -> Never:
    """It fails before anything happens, and says so."""
    raise BackendUnavailable(call.backend.name)


def fill_up(call: Call) -> Never:
    """There is no room for it."""
    raise BackendFull(call.backend.name)


def time_out(call: Call) -> Never:
    """No answer comes, and nothing happens: which of the two, the client cannot tell."""
    raise BackendTimeout(call.backend.name)


def lose_answer(call: Call) -> Never:
    """It happens, and the answer is lost."""
    call.proceed()
    raise BackendTimeout(call.backend.name)


def land_late(call: Call) -> Never:
    """The client gives up, and it happens when the test calls ``FaultyBackend.land``."""
    call.postpone()
    raise BackendTimeout(call.backend.name)


def land_after(clock: FakeClock, by: timedelta) -> Fault:
    """The client gives up, and it happens when the clock has gone on by so much."""

    def fault(call: Call) -> Never:
        clock.at(clock.now() + by, call.postpone().land)
        raise BackendTimeout(call.backend.name)

    return fault


def duplicate(call: Call) -> object:
    """It happens, and is answered; and it happens once more when it lands."""
    answer = call.proceed()
    call.postpone()
    return answer


def wait_at(gate: Gate) -> Fault:
    """It waits until the test opens the gate, a minute at most, and then happens."""

    def fault(call: Call) -> object:
        gate.wait()
        return call.proceed()

    return fault


def fail_halfway(call: Call) -> object:
    """Half of it happens: then the connection breaks. A read gives half of what was asked for.

    Of a put an unfinished upload is left, of an upload a part, of a purge the newest version.
    """
    match call.method:
        case "put":
            call.inner.upload(call.key, timeout=1).write(call.data[: len(call.data) // 2])
        case "upload.write":
            pass  # a part that has not come whole is none
        case "purge":
            _purge_all_but_newest(call)
        case "get":
            data = call.inner.get(call.key, call.start, call.stop)
            return data[: len(data) // 2]
        case _:
            return fail(call)
    raise BackendTimeout(call.backend.name)


def refuse_some(call: Call) -> Never:
    """A purge is answered with success, but for some of its versions: the newest is still there."""
    _purge_all_but_newest(call)
    raise PurgeIncomplete(call.backend.name, "1 of what is left of a key could not be removed")


def ignore_purge(call: Call) -> None:
    """A purge claims success, and everything is still there."""


def refuse_locked(call: Call) -> Never:
    """An object lock forbids to delete it."""
    refused = BackendForbidden(call.backend.name, "it answers AccessDenied to a delete")
    raise PurgeIncomplete(call.backend.name, "an object lock keeps a version") from refused


def forbid(call: Call) -> Never:
    """We have lost the right to do that."""
    raise BackendForbidden(call.backend.name)


def redirect(call: Call) -> Never:
    """The server sends us to another region; the backend refuses to follow."""
    raise BackendMisplaced(call.backend.name, "it answers PermanentRedirect (301)")


def stale_listing(backend: FaultyBackend) -> Fault:
    """Listings tell what was there when this was called. For ``traces`` and ``scan``."""
    then = list(backend.inner.scan())

    def fault(call: Call) -> object:
        if call.method == "scan":
            return iter([t for t in then if t.key.startswith(call.key) and t.key > call.after])
        return [trace for trace in then if trace.key == call.key]

    return fault


def stale_after_purge() -> Fault:
    """What is purged is still listed and read, until the rule is taken back.

    For ``purge``, ``traces`` and ``get`` together.
    """
    deleted: dict[str, bytes] = {}

    def fault(call: Call) -> object:
        if call.method == "purge":
            with suppress(BackendError):
                deleted[call.key] = call.inner.get(call.key)
        elif call.key in deleted and call.method == "list_key":
            size = len(deleted[call.key])
            return [StoredItem(call.key, ItemKind.OBJECT, size)]
        elif call.key in deleted and call.method == "get":
            return deleted[call.key][call.start : call.stop]
        return call.proceed()

    return fault


def _purge_all_but_newest(call: Call) -> None:
    """Everything of the key but what a plain read gives."""
    with suppress(KeyAbsent):
        newest = call.inner.get(call.key)
        call.inner.purge(call.key)
        call.inner.put(call.key, newest, timeout=1, urgent=True)


EVERY: dict[str, Callable[[Call], object]] = {
    f.__name__: f
    for f in (
        fail,
        fill_up,
        time_out,
        lose_answer,
        land_late,
        duplicate,
        fail_halfway,
        refuse_some,
        ignore_purge,
        refuse_locked,
        forbid,
        redirect,
    )
}
"""All that need nothing but the call, by name: for a test that tries each."""
