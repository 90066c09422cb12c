"""Names and ids have a length limit of 1024 bytes, wherever they are given."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import BytesIO

import pytest

from storage import DataClass, HoldSpec, InvalidRequest, NewRecord, Purpose, Reason, Scope, Store
from storage.cli.exit_codes import Exit
from storage.testing import SERVICE, Domicile
from tests.support.cli_harness import CommandLine, ensure_tenant
from tests.support.inspect.rows import all_state
from tests.support.refusals import PLANTED, PROMPT, SPEC

pytestmark = pytest.mark.one_region

EU = "eu-central-1"
LONG = PLANTED + "\u00e9" * 512  # fewer than 1024 characters
CONTRACT = Reason.CONTRACT_END
HOLD = HoldSpec(
    SPEC.id,
    Scope.tenant(),
    matter="m",
    authority="a",
    authority_jurisdiction="EU",
    document="0" * 64,
    issuer="i",
    review=date(2027, 1, 15),
    future=False,
)

CALLS: dict[str, Callable[[Store], object]] = {
    "tenant": lambda s: s.tenant(LONG),
    "new_id, key": lambda s: s.tenant(SPEC.id).new_id(PROMPT, key=LONG),
    "put, subject": lambda s: s.tenant(SPEC.id).put(PROMPT, b"", subject=LONG),
    "put, group": lambda s: s.tenant(SPEC.id).put(PROMPT, b"", group=LONG),
    "submit": lambda s: s.tenant(SPEC.id).submit(NewRecord(PROMPT, b"", subject=LONG)),
    "put_file, subject": lambda s: s.tenant(SPEC.id).put_file(BytesIO(), subject=LONG),
    "capture": lambda s: s.tenant(SPEC.id).capture(PROMPT, group=LONG),
    "get": lambda s: s.tenant(SPEC.id).bind(SERVICE).get(LONG * 2, purpose=Purpose.SERVE),
    "explain": lambda s: s.tenant(SPEC.id).explain(LONG * 2),
    "list, subject": lambda s: s.tenant(SPEC.id).list(subject=LONG),
    "list, group": lambda s: s.tenant(SPEC.id).list(group=LONG),
    "hand_over": lambda s: (
        s.tenant(SPEC.id).bind(SERVICE).hand_over(s.tenant(SPEC.id).new_id(DataClass.PROMPT), LONG)
    ),
    "erase, subject": lambda s: s.tenant(SPEC.id).erase(Scope.subject(LONG), reason=CONTRACT),
    "erase, group": lambda s: s.tenant(SPEC.id).erase(Scope.group(LONG), reason=CONTRACT),
    "erase, account": lambda s: s.erase(Scope.account(LONG), reason=CONTRACT),
    "erasure": lambda s: s.erasure(LONG),
    "erasures, region": lambda s: s.erasures(LONG),
    "erasures, after": lambda s: s.erasures(EU, after=LONG),
    "ensure, id": lambda s: s.admin.tenants.ensure(replace(SPEC, id=LONG)),
    "ensure, account": lambda s: s.admin.tenants.ensure(replace(SPEC, account=LONG)),
    "ensure, home": lambda s: s.admin.tenants.ensure(replace(SPEC, home=LONG)),
    "ensure, residency": lambda s: s.admin.tenants.ensure(replace(SPEC, residency=LONG)),
    "ensure, service": lambda s: s.admin.tenants.ensure(replace(SPEC, service=LONG)),
    "admin, get": lambda s: s.admin.tenants.get(LONG),
    "admin, list": lambda s: s.admin.tenants.list(EU, after=LONG),
    "admin, region": lambda s: s.admin.tenants.list(LONG),
    "hold, tenant": lambda s: s.admin.holds.place(replace(HOLD, tenant=LONG)),
    "hold, scope": lambda s: s.admin.holds.place(replace(HOLD, scope=Scope.subject(LONG))),
    "hold, show": lambda s: s.admin.holds.show(LONG),
    "holds, tenant": lambda s: s.admin.holds.list(EU, tenant=LONG),
    "copies, processor": lambda s: s.admin.processors.copies(EU, processor=LONG),
    "copies, after": lambda s: s.admin.processors.copies(EU, after=LONG),
}
FORM = {"get", "explain"}  # an id has one length, which the error shows


def test_a_long_name_is_refused(domicile: Domicile, subtests: pytest.Subtests) -> None:
    """The error says the limit, never the name, and nothing is done."""
    domicile.tenant()
    domicile.store.tenant(SPEC.id).put(PROMPT, b"the day has its key")
    before = all_state(domicile)
    for name, call in CALLS.items():
        with subtests.test(msg=name):
            with pytest.raises(InvalidRequest) as caught:
                call(domicile.store)

            assert ("39 characters" if name in FORM else "1024 bytes") in str(caught.value)
            assert PLANTED not in f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"
            assert "\u00e9" not in str(caught.value)
    assert all_state(domicile) == before


def test_a_name_of_1024_bytes_is_taken(domicile: Domicile) -> None:
    """The limit itself is allowed."""
    t = domicile.tenant()
    name = "\u00e9" * 512
    t.put(PROMPT, b"body", id=t.new_id(PROMPT, key=name), subject=name, group=name)

    assert len(t.list(subject=name, group=name)) == 1


COMMANDS = (
    ("list", SPEC.id, "--subject", LONG),
    ("list", LONG),
    ("erase", SPEC.id, "--subject", LONG, "--reason", "subject_request", "--yes"),
    ("erase", SPEC.id, "--subject", LONG, "--reason", "subject_request", "--dry-run"),
    ("hold", "list", "--tenant", LONG),
)


def test_a_long_name_is_refused_by_commands(line: CommandLine, subtests: pytest.Subtests) -> None:
    """As by the API."""
    ensure_tenant(line, SPEC.id, SPEC.home, SPEC.residency)
    for args in COMMANDS:
        with subtests.test(msg=args[0]):
            code, error = line.error(*args)

            assert code == Exit.INVALID
            assert "1024 bytes" in error["message"]
            assert PLANTED not in str(error)
