"""For tests of refusals and failures: a secret that no error may show, and what is left behind."""

import os
from collections.abc import Callable
from datetime import date
from io import BytesIO

from storage.client.tenant import BoundTenant
from storage.model import DataClass, Dpa, Purpose, TenantSpec
from storage.testing import Domicile
from tests.support.inspect.rows import all_rows

PROMPT, FILE, SERVE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE, Purpose.SERVE
HOME, EU = "eu-central-1", ("eu-a", "eu-b")
PLANTED = "planted-secret-of-a-person"
SURROGATE = f"{PLANTED}\ud800"
SPEC = TenantSpec(
    "acme-eu", "acme", "eu-central-1", "EU", agreements=[Dpa(signed=date(2026, 1, 5))]
)
BODY = PLANTED.encode() * 40
MIB = 1024 * 1024


def error_text(error: BaseException) -> str:
    """Return everything that an error and its causes show."""
    shown = ""
    here: BaseException | None = error
    while here is not None:
        shown += f"{here!s} {here!r} {here.args} "
        here = here.__cause__ or here.__context__
    return shown


def all_left(domicile: Domicile) -> list[object]:
    """Return each row of each catalog, and all traces on each backend."""
    found = all_rows(domicile)
    return found + [(name, list(b.inner.scan())) for name, b in domicile.backends.items()]


def finish_all_work(domicile: Domicile) -> None:
    """Let late writes land, and a worker finish all work."""
    for _ in range(2):
        domicile.pass_time(minutes=30)
        domicile.run_worker()


def ready_tenant(domicile: Domicile) -> BoundTenant:
    """Return a tenant that has stored a record today, with no work left to do."""
    t = domicile.tenant()
    t.put(PROMPT, b"before", subject="u")
    finish_all_work(domicile)
    return t


WRITES: dict[str, Callable[[BoundTenant], object]] = {
    "put": lambda t: t.put(PROMPT, BODY, subject=PLANTED, metadata={PLANTED: PLANTED}),
    "put, large": lambda t: t.put(PROMPT, os.urandom(300 * 1024), group=PLANTED),
    "put_file": lambda t: t.put_file(BytesIO(bytes(3 * MIB)), filename=PLANTED),
}
