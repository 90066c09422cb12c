"""Ready-made faults of backend calls, which can be combined.

    backend.inject(lose_answer, "put", prefix="pack/", nth=2, times=1)

A fault is a function that replaces a call, so a test can write its own.
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
    """Fail with BackendUnavailable; the call has no effect."""
    raise BackendUnavailable(call.backend.name)


def fill_up(call: Call) -> Never:
    """Fail with BackendFull; the call has no effect."""
    raise BackendFull(call.backend.name)


def time_out(call: Call) -> Never:
    """Time out; the call has no effect, which the client cannot know."""
    raise BackendTimeout(call.backend.name)


def lose_answer(call: Call) -> Never:
    """Time out after the call took effect: its response is lost."""
    call.proceed()
    raise BackendTimeout(call.backend.name)


def land_late(call: Call) -> Never:
    """Time out; the call takes effect when the test calls ``FaultyBackend.land``."""
    call.postpone()
    raise BackendTimeout(call.backend.name)


def land_after(clock: FakeClock, by: timedelta) -> Fault:
    """Time out; the call takes effect when the clock has advanced by ``by``."""

    def fault(call: Call) -> Never:
        clock.at(clock.now() + by, call.postpone().land)
        raise BackendTimeout(call.backend.name)

    return fault


def duplicate(call: Call) -> object:
    """Respond normally; the call takes effect once more when it lands."""
    answer = call.proceed()
    call.postpone()
    return answer


def wait_at(gate: Gate) -> Fault:
    """Wait until the test opens the gate, at most a minute; then proceed."""

    def fault(call: Call) -> object:
        gate.wait()
        return call.proceed()

    return fault


def fail_halfway(call: Call) -> object:
    """Time out after half of the call took effect. A read returns half of the bytes.

    A put leaves an unfinished upload, an upload a part, a purge the newest version.
    """
    match call.method:
        case "put":
            call.inner.upload(call.key, timeout=1).write(call.data[: len(call.data) // 2])
        case "upload.write":
            pass  # an incomplete part has no effect
        case "purge":
            _purge_all_but_newest(call)
        case "get":
            data = call.inner.get(call.key, call.start, call.stop)
            return data[: len(data) // 2]
        case _:
            return fail(call)
    raise BackendTimeout(call.backend.name)


def refuse_some(call: Call) -> Never:
    """Fail with PurgeIncomplete: a purge removes all but the newest version."""
    _purge_all_but_newest(call)
    raise PurgeIncomplete(call.backend.name, "1 item of a key could not be removed")


def ignore_purge(call: Call) -> None:
    """Report success of a purge that did nothing."""


def refuse_locked(call: Call) -> Never:
    """Fail with PurgeIncomplete: an object lock keeps a version."""
    refused = BackendForbidden(call.backend.name, "it answers AccessDenied to a delete")
    raise PurgeIncomplete(call.backend.name, "an object lock keeps a version") from refused


def forbid(call: Call) -> Never:
    """Fail with BackendForbidden: the credentials lost the right."""
    raise BackendForbidden(call.backend.name)


def redirect(call: Call) -> Never:
    """Fail with BackendMisplaced: the server redirects to another region."""
    raise BackendMisplaced(call.backend.name, "it answers PermanentRedirect (301)")


def stale_listing(backend: FaultyBackend) -> Fault:
    """Return listings as of the time of this call. For ``list_key`` and ``scan``."""
    before = list(backend.inner.scan())

    def fault(call: Call) -> object:
        if call.method == "scan":
            return iter([x for x in before if x.key.startswith(call.key) and x.key > call.after])
        return [item for item in before if item.key == call.key]

    return fault


def stale_after_purge() -> Fault:
    """List and return purged objects until the rule is removed.

    For ``purge``, ``list_key`` and ``get`` together.
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
    """Purge everything of the key but its newest version."""
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
"""All faults that need only the call, by name: for a test that tries each."""
