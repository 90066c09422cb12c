"""Refusals of the store and of its administration: bad terms, and what is not there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from storage import (
    Agreement,
    ConsumerTenant,
    DataClass,
    DomicileError,
    Dpa,
    InvalidRequest,
    NotFound,
    Reason,
    ResidencyUnsatisfied,
    Scope,
    Store,
    TenantConflict,
    TenantSpec,
    UnknownClass,
    UnknownTenant,
    WrongRegion,
)
from storage.testing import Domicile
from tests.support.inspect.rows import all_state, ill_typed
from tests.support.refusals import PLANTED, SPEC, SURROGATE

PROMPT = DataClass.PROMPT

SPECS: dict[str, tuple[type[DomicileError], Callable[[], TenantSpec]]] = {
    "no spec": (InvalidRequest, lambda: ill_typed({"id": "acme-eu"})),
    "an id that is no text": (InvalidRequest, lambda: replace(SPEC, id=ill_typed(7))),
    "an id with an address in it": (
        InvalidRequest,
        lambda: replace(SPEC, id=f"{PLANTED}@example.com"),
    ),
    "an id with a null": (InvalidRequest, lambda: replace(SPEC, id="acme\0")),
    "an empty account": (InvalidRequest, lambda: replace(SPEC, account="")),
    "a home that is a list": (
        InvalidRequest,
        lambda: replace(SPEC, home=ill_typed(["eu-central-1"])),
    ),
    "no residency": (InvalidRequest, lambda: replace(SPEC, residency=ill_typed(None))),
    "an agreement with a time": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=[Dpa(signed=datetime(2026, 1, 5))]),  # noqa: DTZ001
    ),
    "an agreement that ends at a time": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=[Dpa(signed=date(2026, 1, 5), until=datetime.now(UTC))]),
    ),
    "an agreement with a date in text": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=[Dpa(signed=ill_typed("2026-01-05"))]),
    ),
    "an agreement of no kind": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=[Agreement(ill_typed("nda"), date(2026, 1, 5))]),
    ),
    "an agreement that is none": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=[ill_typed("dpa")]),
    ),
    "agreements that are one": (
        InvalidRequest,
        lambda: replace(SPEC, agreements=ill_typed(Dpa(signed=date(2026, 1, 5)))),
    ),
    "retention of a class in text": (
        UnknownClass,
        lambda: replace(SPEC, retention={ill_typed("prompt"): 5}),
    ),
    "retention in hours": (
        InvalidRequest,
        lambda: replace(SPEC, retention={PROMPT: ill_typed(0.5)}),
    ),
    "retention that is a flag": (InvalidRequest, lambda: replace(SPEC, retention={PROMPT: False})),
    "retention below zero": (InvalidRequest, lambda: replace(SPEC, retention={PROMPT: -1})),
    "retention over the ceiling": (InvalidRequest, lambda: replace(SPEC, retention={PROMPT: 31})),
    "retention too short to be read": (
        InvalidRequest,
        lambda: replace(SPEC, retention={PROMPT: 1}),
    ),
    "retention that is a number": (InvalidRequest, lambda: replace(SPEC, retention=ill_typed(30))),
    "dedicated as text": (InvalidRequest, lambda: replace(SPEC, dedicated=ill_typed("no"))),
    "a consumer product": (ConsumerTenant, lambda: replace(SPEC, service="chat")),
    "a home outside its residency": (ResidencyUnsatisfied, lambda: replace(SPEC, home="us-east-1")),
    "a home that nobody knows": (ResidencyUnsatisfied, lambda: replace(SPEC, home="moon-1")),
    "a residency that nobody knows": (
        ResidencyUnsatisfied,
        lambda: replace(SPEC, residency="MOON"),
    ),
    "another account than before": (TenantConflict, lambda: replace(SPEC, account="other")),
    "another home than before": (
        TenantConflict,
        lambda: replace(SPEC, home="us-east-1", residency="US"),
    ),
}


def test_bad_terms_are_refused_and_change_nothing(
    domicile: Domicile, subtests: pytest.Subtests
) -> None:
    """``ensure`` refuses bad terms; an existing tenant keeps its terms."""
    ensure = domicile.store.admin.tenants.ensure
    ensure(SPEC)
    before = all_state(domicile)
    for name, (error, make) in SPECS.items():
        with subtests.test(msg=name):
            with pytest.raises(DomicileError) as caught:
                ensure(make())

            assert caught.type is error
            assert PLANTED not in str(caught.value)
    assert all_state(domicile) == before


def test_ensure_again_changes_nothing_and_other_terms_do(domicile: Domicile) -> None:
    """``ensure`` is idempotent in any order of agreements; ``get`` returns the terms."""
    tenants = domicile.store.admin.tenants
    tenants.ensure(SPEC)
    before = all_state(domicile)

    tenants.ensure(replace(SPEC, agreements=tuple(SPEC.agreements)))
    assert all_state(domicile) == before

    tenants.ensure(replace(SPEC, retention={PROMPT: 7}))
    assert tenants.get("acme-eu").retention == {PROMPT: 7}
    assert [spec.id for spec in tenants.list("eu-central-1")] == ["acme-eu"]
    assert tenants.list("eu-central-1", after="acme-eu") == []
    assert tenants.list("us-east-1") == []


STORE_CALLS: dict[str, tuple[type[DomicileError], Callable[[Store], object]]] = {
    "unknown tenant": (UnknownTenant, lambda s: s.tenant("nobody")),
    "a tenant with a null": (UnknownTenant, lambda s: s.tenant(f"{PLANTED}\0")),
    "half a surrogate": (UnknownTenant, lambda s: s.tenant(SURROGATE)),
    "an empty tenant": (UnknownTenant, lambda s: s.tenant("")),
    "a tenant that is no text": (InvalidRequest, lambda s: s.tenant(ill_typed(None))),
    "admin, unknown tenant": (UnknownTenant, lambda s: s.admin.tenants.get("nobody")),
    "admin, no text": (InvalidRequest, lambda s: s.admin.tenants.get(ill_typed(7))),
    "tenants of no region": (WrongRegion, lambda s: s.admin.tenants.list("moon-1")),
    "tenants after no text": (
        InvalidRequest,
        lambda s: s.admin.tenants.list("eu-central-1", after=ill_typed(None)),
    ),
    "tenants, limit": (InvalidRequest, lambda s: s.admin.tenants.list("eu-central-1", limit=1001)),
    "unknown erasure": (NotFound, lambda s: s.erasure("0199c9d3-0000-7000-8000-000000000000")),
    "no erasure id": (InvalidRequest, lambda s: s.erasure(PLANTED)),
    "erasure id of another type": (InvalidRequest, lambda s: s.erasure(ill_typed(7))),
    "erasures of no region": (WrongRegion, lambda s: s.erasures("moon-1")),
    "erasures, limit": (InvalidRequest, lambda s: s.erasures("eu-central-1", limit=0)),
    "erasures after no id": (InvalidRequest, lambda s: s.erasures("eu-central-1", after=PLANTED)),
    "erase an unknown account": (
        UnknownTenant,
        lambda s: s.erase(Scope.account("nobody"), reason=Reason.CONTRACT_END),
    ),
    "erase an empty account": (
        InvalidRequest,
        lambda s: s.erase(Scope.account(""), reason=Reason.CONTRACT_END),
    ),
    "erase a subject of no tenant": (
        InvalidRequest,
        lambda s: s.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST),
    ),
    "erase for no reason": (
        InvalidRequest,
        lambda s: s.erase(Scope.account("acme"), reason=ill_typed(None)),
    ),
}


def test_the_store_refuses_what_is_not_there(domicile: Domicile, subtests: pytest.Subtests) -> None:
    """Unknown tenants, regions, accounts and erasures have their own errors, without values."""
    domicile.tenant()
    before = all_state(domicile)
    for name, (error, call) in STORE_CALLS.items():
        with subtests.test(msg=name):
            with pytest.raises(DomicileError) as caught:
                call(domicile.store)

            assert caught.type is error
            assert PLANTED not in str(caught.value)
    assert all_state(domicile) == before
