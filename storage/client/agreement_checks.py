"""Checks of agreements, and of what happens at their end. No error message shows a value."""

import re
from datetime import date
from typing import get_args

from regions.fields import DIGEST
from regions.model import AgreementKind
from storage.client.validate import check_note, is_date
from storage.errors import InvalidRequest
from storage.model import Agreement, ExitKind


def check_agreement(given: object) -> None:
    """Check an agreement that is to be recorded. Raises InvalidRequest."""
    if not isinstance(given, Agreement) or given.kind not in get_args(AgreementKind):
        raise InvalidRequest(
            "An agreement must be an Agreement of a known kind.",
            advice=f"Known kinds: {', '.join(get_args(AgreementKind))}.",
        )
    check_day("signed", given.signed)
    for what, day in (("since", given.since), ("until", given.until)):
        if day is not None:
            check_day(what, day)
    check_document("agreement", given.document)
    check_note("signatory of an agreement", given.signatory)


def check_document(what: str, digest: object) -> None:
    """Check a digest of a document. Raises InvalidRequest."""
    if not isinstance(digest, str) or re.fullmatch(DIGEST, digest) is None:
        raise InvalidRequest(
            f"The document of the {what} must be a SHA-256.",
            advice="Pass the 64 hexadecimal digits of what was signed or sent.",
        )


def check_day(what: str, day: object) -> date:
    """Check a day. Raises InvalidRequest."""
    if not is_date(day):
        raise InvalidRequest(f"{what} must be a date.", advice="Pass date(2027, 1, 15).")
    assert isinstance(day, date)
    return day


def check_exit_kind(kind: object) -> None:
    """Check what a customer chose. Raises InvalidRequest."""
    if not isinstance(kind, ExitKind):
        raise InvalidRequest("Unknown choice.", advice=f"Choose one of: {', '.join(ExitKind)}.")
