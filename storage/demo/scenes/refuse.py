"""Scene 2: what has no lawful place is refused, and is nowhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from storage.demo.stage import EU, NEVER, UNSIGNED, Stage
from storage.errors import DomicileError, Refused
from storage.model import DataClass, TenantSpec

_HOME: Final = "eu-central-1"
_STORED: Final = "It was stored."


def refuse(stage: Stage) -> None:
    """Three writes without a lawful place."""
    stage.tell.section(
        "No lawful place left: refused, never put elsewhere",
        stage.when(),
        "A write that its places cannot take fails; no other place is good enough.",
    )
    before = stage.world.objects()
    with _down(stage, "eu-a", "eu-b"):
        rows = [["both EU backends are\ndown, the US ones up", _ask(lambda: _put(stage, EU))]]
    rows += [
        ["the tenant has signed\nno DPA", _ask(lambda: _put(stage, UNSIGNED))],
        ["a tenant wants CH, and\nno region is there", _ask(lambda: _swiss(stage))],
    ]
    stage.tell.table(["the write", "the answer"], rows, wide=1, gaps=(0, 1))
    after = stage.world.objects()
    told = ", ".join(f"{name} {count}" for name, count in after.items())
    stage.tell.check(
        all(row[1] != _STORED for row in rows) and before == after,
        f"Objects on the backends as before, in the US too: {told}",
        f"Something was written: before {before}, after {after}",
    )


@contextmanager
def _down(stage: Stage, *backends: str) -> Iterator[None]:
    stage.world.take_down(*backends)
    try:
        yield
    finally:
        stage.world.bring_back(*backends)


def _put(stage: Stage, tenant: str) -> None:
    stage.tenant(tenant).put(DataClass.PROMPT, NEVER, subject="nobody-at-all")


def _swiss(stage: Stage) -> None:
    spec = TenantSpec("alpine-ch", account="alpine", home=_HOME, residency="CH")
    stage.world.store.admin.tenants.ensure(spec)


def _ask(write: Callable[[], None]) -> str:
    """The name of the error, what it says, and its reason codes."""
    try:
        write()
    except Refused as error:
        return f"{error.code} ({', '.join(error.reasons)}): {error.message}"
    except DomicileError as error:
        return f"{error.code}: {error.message}"
    return _STORED
