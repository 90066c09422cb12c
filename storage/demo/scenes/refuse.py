"""Scene 2: a write without lawful storage is refused, and nothing is stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from storage.demo.stage import EU, NEVER, UNSIGNED, Stage
from storage.errors import DomicileError, Refused
from storage.model import DataClass, TenantSpec

_HOME: Final = "eu-central-1"
_STORED: Final = "stored"


def refuse(stage: Stage) -> None:
    """Try two writes and a tenant for which no lawful storage is available."""
    stage.narrator.section(
        "Without lawful storage a write is refused",
        stage.when(),
        "A write that its placement cannot take fails. It never goes to another region instead.",
    )
    before = stage.world.objects()
    with _unplugged(stage, "eu-a", "eu-b"):
        rows = [["both EU backends are\ndown, the US ones up", _attempt(lambda: _put(stage, EU))]]
    rows += [
        ["the tenant has signed\nno DPA", _attempt(lambda: _put(stage, UNSIGNED))],
        ["a tenant asks for CH,\nwhich has no region", _attempt(lambda: _swiss(stage))],
    ]
    stage.narrator.table(["request", "result"], rows, wide=1, gaps=(0, 1))
    after = stage.world.objects()
    counts = ", ".join(f"{name}: {count}" for name, count in after.items())
    stage.narrator.check(
        all(row[1] != _STORED for row in rows) and before == after,
        f"No backend has a new object, neither in the US ({counts})",
        f"An object was written: before {before}, after {after}",
    )


@contextmanager
def _unplugged(stage: Stage, *backends: str) -> Iterator[None]:
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


def _attempt(write: Callable[[], None]) -> str:
    """Return the name of the error, its message and its reason codes."""
    try:
        write()
    except Refused as error:
        return f"{error.code} ({', '.join(error.reasons)}): {error.message}"
    except DomicileError as error:
        return f"{error.code}: {error.message}"
    return _STORED
