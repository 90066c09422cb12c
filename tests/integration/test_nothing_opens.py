"""A walk over the whole interface: without a permit nothing gives content back."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any, cast

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import DomicileError, PurposeRefused
from storage.model import (
    Actor,
    ActorKind,
    DataClass,
    FineTuning,
    NewRecord,
    Purpose,
    Reason,
    RecordId,
    Scope,
)
from storage.testing import INVESTIGATOR, Domicile
from tests.support.async_helpers import run_async
from tests.support.cli_harness import CommandLine
from tests.support.holds import place_hold
from tests.support.screening import Watchful

SECRET = b"a secret that nobody may see"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NO_ACTOR: set[str] = {"id"}
STRANGERS = {
    "a person": INVESTIGATOR,
    "a contractor": Actor("carl", ActorKind.CONTRACTOR, "reviewers", "EU"),
    "a machine": Actor("mill", ActorKind.MACHINE, "operator", "EU"),
}
TUNING = FineTuning("job-1", "model-1")
READS = {"get", "open", "flags", "screen", "screen_batches", "hand_over"}


def pieces(value: object, depth: int = 0) -> Iterator[bytes]:
    """Yield every text and every bytes in a value."""
    if depth > 6:
        return
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from pieces(getattr(value, field.name), depth + 1)
    elif isinstance(value, Mapping):
        yield from pieces([*value.keys(), *value.values()], depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) or hasattr(value, "__next__"):
        for one in cast("Iterable[object]", value):
            yield from pieces(one, depth + 1)
    else:
        yield repr(value).encode()


def shows(call: Callable[[], object]) -> bool:
    """Return whether what a call returns, or the error that it raises, has the secret."""
    try:
        return any(SECRET in piece for piece in pieces(call()))
    except DomicileError as error:
        return SECRET in str(error).encode()


def public(thing: object) -> set[str]:
    """Return the public names of a thing."""
    return {name for name in dir(thing) if not name.startswith("_")}


def of_tenant(domicile: Domicile, record: RecordId) -> Mapping[str, Callable[[], object]]:
    """Return a call of every public method of a tenant that is not bound."""
    t = domicile.store.tenant("acme-eu")
    prompt, reason = DataClass.PROMPT, Reason.SUBJECT_REQUEST
    grant = "0199c9d3-0000-7000-8000-000000000000"
    return {
        "approve": lambda: t.approve(grant, by="chat"),
        "bind": lambda: t.bind(INVESTIGATOR),
        "capture": lambda: t.capture(prompt),
        "erase": lambda: t.erase(Scope.subject("nobody"), reason=reason),
        "explain": lambda: t.explain(record),
        "explain_purpose": lambda: t.explain_purpose(record, purpose=Purpose.SERVE),
        "list": t.list,
        "models": t.models.list,
        "new_id": lambda: t.new_id(prompt),
        "object": lambda: t.object("nobody", by="x", ticket="y"),
        "objections": t.objections,
        "put": lambda: t.put(prompt, SECRET, id=record, subject="u"),  # the same again
        "put_file": lambda: t.put_file(BytesIO(b"x")),
        "put_many": lambda: t.put_many([NewRecord(prompt, SECRET, record, "u")]),
        "submit": lambda: t.submit(NewRecord(prompt, b"x")).result(),
        "window": t.window,
        "withdraw": lambda: t.withdraw("nobody", by="x", ticket="y"),
    }


def of_admin(domicile: Domicile, record: RecordId, hold: object) -> Mapping[str, Any]:
    """Return a call of every public method of ``store.admin`` that returns anything stored."""
    admin, region, day = domicile.store.admin, "eu-central-1", timedelta(days=1)
    return {
        "access.report": lambda: admin.access.report(region, since=NOW - day, until=NOW + 9 * day),
        "grants.list": lambda: admin.grants.list(region),
        "holds.list": lambda: admin.holds.list(region),
        "holds.records": lambda: admin.holds.records(hold),  # type: ignore[arg-type]
        "holds.show": lambda: admin.holds.show(hold),  # type: ignore[arg-type]
        "log.lines": lambda: admin.log.lines(region),
        "processors.copies": lambda: admin.processors.copies(region),
        "roster.list": lambda: admin.roster.list(region),
        "tenants.get": lambda: admin.tenants.get("acme-eu"),
        "tenants.list": lambda: admin.tenants.list(region),
        "erasures": lambda: domicile.store.erasures(region),
        "status": domicile.store.status,
    }


@pytest.fixture
def record(domicile: Domicile) -> RecordId:
    """Store the secret, and hold it."""
    t = domicile.tenant()
    t.models.add(TUNING.model, by="ops")
    return t.put(DataClass.PROMPT, SECRET, subject="u").id


def test_a_tenant_without_an_actor(
    domicile: Domicile, record: RecordId, subtests: pytest.Subtests
) -> None:
    """Every public method is called, and none gives the content back."""
    calls = of_tenant(domicile, record)

    assert calls.keys() | NO_ACTOR == public(domicile.store.tenant("acme-eu"))
    for name, call in calls.items():
        with subtests.test(msg=name):
            assert not shows(call)


def test_what_operators_use(
    domicile: Domicile, record: RecordId, subtests: pytest.Subtests
) -> None:
    """Also with a hold on the record."""
    hold = place_hold(domicile).hold.id
    for name, call in of_admin(domicile, record, hold).items():
        with subtests.test(msg=name):
            assert not shows(call)


def reads(t: BoundTenant, record: RecordId) -> Mapping[str, Callable[[], object]]:
    """Return each way to open the record, for every purpose."""
    calls: dict[str, Callable[[], object]] = {
        "hand_over": lambda: t.hand_over(record, "klarblick"),
        "screen": lambda: list(t.screen(Watchful().as_classifier())),
        "screen_batches": lambda: list(t.screen_batches(Watchful().as_classifier())),
    }
    for purpose in Purpose:
        job = {"tuning": TUNING} if purpose is Purpose.FINE_TUNE else {}
        calls |= {
            f"get {purpose}": partial(t.get, record, purpose=purpose, **job),
            f"open {purpose}": partial(t.open, record, purpose=purpose, **job),
            f"flags {purpose}": lambda p=purpose: t.flags(record, purpose=p),  # type: ignore[misc]
        }
    return calls


@pytest.mark.parametrize("who", STRANGERS)
def test_who_has_no_grant(
    domicile: Domicile, record: RecordId, who: str, subtests: pytest.Subtests
) -> None:
    """Every way to read is refused, for every purpose, also while the record is held."""
    place_hold(domicile)
    t = domicile.store.tenant("acme-eu").bind(STRANGERS[who])

    assert public(t) - public(domicile.store.tenant("acme-eu")) == READS | {"actor", "grant"}
    for name, call in reads(t, record).items():
        with subtests.test(msg=name):
            assert not shows(call)
            with pytest.raises(DomicileError) as caught:
                call()
            assert isinstance(caught.value, PurposeRefused)


def test_asyncio_opens_no_more(domicile: Domicile, record: RecordId) -> None:
    """The same classes, method by method; a person is refused there too."""

    async def work(store: Any, t: Any) -> None:  # noqa: ANN401
        unbound = await store.tenant("acme-eu")
        assert public(unbound) <= public(domicile.store.tenant("acme-eu"))
        assert public(t) <= public(domicile.tenant())
        stranger = unbound.bind(INVESTIGATOR)
        for purpose in Purpose:
            with pytest.raises(PurposeRefused):
                await stranger.get(record, purpose=purpose)
            with pytest.raises(PurposeRefused):
                async with stranger.open(record, purpose=purpose):
                    pass

    run_async(domicile, work)


def test_the_command_line_opens_no_more(line: CommandLine) -> None:
    """Only ``get`` shows content; for a person's purpose it is refused without a grant."""
    put = line("put", "acme-eu", "-", "--class", "prompt", stdin=SECRET.decode()).stdout.strip()
    quiet = [
        ["list", "acme-eu"],
        ["explain", "acme-eu", put],
        ["policy", "explain", put, "--tenant", "acme-eu", "--purpose", "serve"],
        ["status"],
        ["log", "show"],
        ["access", "report", "--from", "2000-01-01"],
        ["hold", "list"],
        ["grant", "list"],
        ["roster", "list"],
        ["get", "acme-eu", put, "--purpose", "serve"],
    ]
    others = sorted(set(Purpose) - {Purpose.SERVE})
    quiet += [["get", "acme-eu", put, "--purpose", other, "--actor", "me"] for other in others]
    for command in quiet:
        with suppress(SystemExit):
            assert SECRET.decode() not in line(*command).output, command
