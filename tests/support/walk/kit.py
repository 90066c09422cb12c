"""What each callable of ``storage.testing`` is called with. Its backends hold what was stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from storage import testing
from storage.errors import BackendError
from storage.model import Scope
from storage.testing import (
    INVESTIGATOR,
    Call,
    CatalogFaults,
    Domicile,
    FaultyBackend,
    Gate,
    Server,
)
from tests.support.walk.api import NOBODY, TENANT, asked
from tests.support.walk.walking import Calls, Given, Never

SOON = timedelta(seconds=1)
NO_PID = 2**30
Some = Mapping[str, Sequence[Given] | Never]


@dataclass
class Kit:
    """What a test of a service has in its hands. ``call`` reads what is stored, at ``key``."""

    domicile: Domicile
    server: Server
    faults: CatalogFaults
    connection: Connection
    call: Call

    @property
    def backend(self) -> FaultyBackend:
        """The backend of the call."""
        return self.call.backend

    @property
    def things(self) -> Sequence[object]:
        """An object of each class."""
        d, clock = self.domicile, self.domicile.clock
        processor = next(iter(d.processors.values()))
        return (
            self.server,
            self.faults,
            self.backend,
            self.call,
            processor,
            clock,
            clock.skewed(SOON),
            opened(),
            d,  # last: it closes the store
        )


def opened() -> Gate:
    """Return a gate at which nobody waits."""
    gate = Gate()
    gate.open.set()
    return gate


def reading_call(backend: FaultyBackend) -> Call:
    """Return the call that reads the largest object of a backend."""
    key = max(backend.inner.scan(), key=lambda item: len(backend.inner.get(item.key))).key
    met: list[Call] = []

    def note(call: Call) -> object:
        met.append(call)
        return call.proceed()

    rule = backend.inject(note, "get")
    backend.get(key)
    backend.heal(rule)
    return met[0]


def calls(kit: Kit) -> Calls:
    """Return what each method is called with."""
    parts = (_domicile, _catalog, _backend, _rest)
    return {name: given for part in parts for name, given in part(kit).items()}


def _domicile(kit: Kit) -> Some:
    name = kit.backend.name
    return {
        "Domicile.bring_back": [Given(name)],
        "Domicile.catalog_faults": [Given()],
        "Domicile.close": Never("pytest does"),
        "Domicile.grant": [Given(asked(INVESTIGATOR, Scope.subject("another")))],
        "Domicile.homes": Never("it says that it is no part of the API"),
        "Domicile.open": [Given()],
        "Domicile.open_another": [Given()],
        "Domicile.pass_time": [Given(seconds=1)],
        "Domicile.run_worker": [Given()],
        "Domicile.take_down": [Given("us-b")],
        "Domicile.tenant": [Given(TENANT)],
        "KeptConnections.close": Never("pytest does"),
        "KeptConnections.keep": Never("closing a Domicile does"),
        "KeptConnections.lend": Never("opening a Domicile does"),
        "Server.close": Never("pytest does"),
        "Server.make": [Given()],
        "Server.reclaim": Never("of a Domicile that is closed"),
    }


def _catalog(kit: Kit) -> Some:
    def never(*_: object) -> bool:
        return False

    return {
        "CatalogFaults.at_commit": [Given(never)],
        "CatalogFaults.at_statement": [Given(never, print)],
        "CatalogFaults.drop_after_commit": [Given("no such statement")],
        "CatalogFaults.drop_before_commit": [Given("no such statement")],
        "CatalogFaults.kill": [Given(NO_PID)],
        "CatalogFaults.lock_waiters": [Given()],
        "CatalogFaults.lose": Never("raises what a driver raises"),
        "CatalogFaults.on_statement": [Given(kit.connection, "SELECT 1")],
        "CatalogFaults.take": [Given([]), Given([], early=True)],
        "CatalogFaults.vanish": Never("raises what a driver raises"),
    }


def _backend(kit: Kit) -> Some:
    key = kit.call.key
    soon: dict[str, Any] = {"timeout": 5.0}
    one = [Given(key)]
    identity = kit.backend.inner.identity(timeout=5.0)
    return {
        "FaultyBackend.answer_lost": one,
        "FaultyBackend.ask": [Given("probe", key, kit.call.proceed)],
        "FaultyBackend.close": Never("the Domicile does"),
        "FaultyBackend.count": [Given("get")],
        "FaultyBackend.discard_late": [Given()],
        "FaultyBackend.expect": [Given(identity)],
        "FaultyBackend.find_lock": one,
        "FaultyBackend.get": [Given(key), Given(key, 0, 9)],
        "FaultyBackend.heal": [Given()],
        "FaultyBackend.identify": [Given(identity, **soon)],
        "FaultyBackend.identity": [Given(**soon)],
        "FaultyBackend.inject": [Given(testing.duplicate, "probe")],
        "FaultyBackend.land": [Given()],
        "FaultyBackend.list_key": one,
        "FaultyBackend.pass_through": [Given(kit.call)],
        "FaultyBackend.plant": [Given("planted", **soon)],
        "FaultyBackend.postpone": [Given(kit.call.proceed)],
        "FaultyBackend.posture": [Given(**soon)],
        "FaultyBackend.preserve": one,
        "FaultyBackend.probe": [Given("probe")],
        "FaultyBackend.purge": [Given("none")],
        "FaultyBackend.put": [Given("another", b"x", **soon)],
        "FaultyBackend.release": one,
        "FaultyBackend.scan": [Given()],
        "FaultyBackend.upload": [Given("third", **soon)],
        "FaultyUpload.abort": [Given()],
        "FaultyUpload.finish": [Given()],
        "FaultyUpload.write": [Given(b"x", refused=BackendError)],  # it is finished
        "Landing.land": [Given()],
        "Landing.proceed": [Given()],
        "Rule.fault": [Given(kit.call)],
        "Rule.matches": [Given("get", key)],
    }


def _rest(kit: Kit) -> Some:
    by, now = SOON, kit.domicile.clock.now()
    return {
        "Call.postpone": [Given()],
        "Call.proceed": [Given()],
        "FakeClock.advance": [Given(by)],
        "FakeClock.ask": [Given()],
        "FakeClock.at": [Given(now, list)],
        "FakeClock.jump": [Given(by)],
        "FakeClock.now": [Given()],
        "FakeClock.skew": [Given()],
        "FakeClock.skewed": [Given(by)],
        "FakeClock.sleep": [Given(1.0)],
        "SkewedClock.ask": [Given()],
        "SkewedClock.now": [Given()],
        "SkewedClock.skew": [Given()],
        "FakeProcessor.confirm": [Given(NOBODY)],
        "FakeProcessor.deliver": [Given(NOBODY, b"x", timeout=5.0)],
        "FakeProcessor.land": [Given()],
        "FakeProcessor.postpone": [Given(NOBODY, b"x")],
        "FakeProcessor.request_deletion": [Given(NOBODY)],
        "Gate.wait": [Given()],
    }


def functions(kit: Kit) -> Mapping[str, tuple[Callable[..., object], Given]]:
    """Return each function with what it is called with: a fault with a call that reads."""
    call, failing = Given(kit.call), Given(kit.call, refused=BackendError)
    t, clock = testing, kit.domicile.clock
    return {
        "duplicate": (t.duplicate, call),
        "fail": (t.fail, failing),
        "fail_halfway": (t.fail_halfway, call),
        "fill_up": (t.fill_up, failing),
        "forbid": (t.forbid, failing),
        "ignore_purge": (t.ignore_purge, call),
        "land_after": (t.land_after(clock, SOON), failing),
        "land_late": (t.land_late, failing),
        "lose_answer": (t.lose_answer, failing),
        "new_domicile": (t.new_domicile, Given(kit.server, "memory")),
        "redirect": (t.redirect, failing),
        "refuse_locked": (t.refuse_locked, failing),
        "refuse_some": (t.refuse_some, failing),
        "stale_after_purge": (t.stale_after_purge(), call),
        "stale_listing": (t.stale_listing(kit.backend), call),
        "time_out": (t.time_out, failing),
        "wait_at": (t.wait_at(opened()), call),
    }
