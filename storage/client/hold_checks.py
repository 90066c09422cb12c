"""Checks of legal holds and of their changes. No error message shows a value."""

import re

from regions.fields import DIGEST, JURISDICTION
from storage.client.validate import (
    check_class,
    check_length,
    check_note,
    check_scope,
    check_span,
    check_tenant_id,
    check_text,
    is_date,
)
from storage.errors import InvalidRequest
from storage.model import CarveOut, HoldSpec, ScopeKind
from storage.policy import well_formed

MOST_NAMES = 1000  # tenants or accounts in one carve-out: each record is compared with all
_WIDE = (ScopeKind.ACCOUNT, ScopeKind.REGION)


def check_hold(spec: object) -> None:
    """Check a hold. Raises InvalidRequest, MalformedId, UnknownClass or NaiveDatetime."""
    if not isinstance(spec, HoldSpec):
        raise InvalidRequest(
            "A hold must be a HoldSpec.", advice="Pass HoldSpec(tenant, scope, ...)."
        )
    check_scope(spec.scope)
    _check_whose(spec)
    for what in ("matter", "authority", "issuer"):
        check_note(f"{what} of a hold", getattr(spec, what))
    if not _matches(JURISDICTION, spec.authority_jurisdiction):
        raise InvalidRequest(
            "The jurisdiction of the authority must be its code.", advice="Give one such as EU."
        )
    check_document(spec.document)
    if not is_date(spec.review):
        raise InvalidRequest("review must be a date.", advice="Pass date(2027, 1, 15).")
    if not isinstance(spec.future, bool):
        raise InvalidRequest(
            "future must be True or False: whether records minted later are covered."
        )
    _check_classes(spec.classes)
    check_span(spec.minted_from, spec.minted_to)
    check_carve_outs(spec.exclude)


def _check_whose(spec: HoldSpec) -> None:
    """Check that the hold names a tenant or, if it is about several, a region."""
    if spec.scope.kind in _WIDE:
        if spec.tenant is not None or not isinstance(spec.region, str):
            raise InvalidRequest(
                "A hold on an account or a whole region names a region, and no tenant.",
                advice="Pass tenant=None and region=...; place one in each region.",
            )
        check_length("region", spec.region)
        return
    if spec.tenant is None or spec.region is not None:
        raise InvalidRequest(
            "A hold of that scope is on one tenant, whose home says where it is placed.",
            advice="Pass the tenant, and no region.",
        )
    check_tenant_id(spec.tenant)


def check_carve_outs(parts: object) -> None:
    """Check what a hold is not to keep. Raises InvalidRequest, UnknownClass or NaiveDatetime."""
    if not isinstance(parts, tuple) or not all(isinstance(part, CarveOut) for part in parts):
        raise InvalidRequest(
            "Carve-outs must be given as a tuple.", advice="Pass (CarveOut(tenants=(...)),)."
        )
    for part in parts:
        _check_carve_out(part)


def _check_carve_out(part: CarveOut) -> None:
    if part == CarveOut():
        raise InvalidRequest(
            "A carve-out must say what it is about.",
            advice="To let go everything, release the hold.",
        )
    for what in ("tenant", "account"):
        names: object = getattr(part, f"{what}s")
        if not isinstance(names, tuple) or len(names) > MOST_NAMES:
            raise InvalidRequest(
                f"The {what}s of a carve-out must be a tuple of at most {MOST_NAMES} names.",
                advice="Use several carve-outs.",
            )
        for name in names:
            _check_name(what, name)
    _check_classes(part.classes)
    check_span(part.minted_from, part.minted_to)


def _check_name(what: str, name: object) -> None:
    check_text(f"{what} of a carve-out", name)
    if not well_formed(str(name)):
        raise InvalidRequest(
            f"The {what} of a carve-out is not the id of any: it has characters that no id has.",
            advice="Give it as domicile tenant list shows it.",
        )


def check_document(document: object) -> None:
    """Check the digest of a document. Raises InvalidRequest."""
    check_digest("document", document)


def check_digest(what: str, digest: object) -> None:
    """Check a SHA-256. Raises InvalidRequest."""
    if not _matches(DIGEST, digest):
        raise InvalidRequest(
            f"The {what} must be a SHA-256.", advice="Pass the 64 hexadecimal digits."
        )


def _check_classes(classes: object) -> None:
    if not isinstance(classes, tuple):
        raise InvalidRequest("classes must be a tuple.", advice="Pass () for all classes.")
    for data_class in classes:
        check_class(data_class)


def _matches(pattern: str, text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern, text) is not None
