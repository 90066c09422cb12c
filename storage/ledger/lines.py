"""What the log says of the events of the ledger: ids, dates and codes."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import log
from storage.events import (
    Approved,
    Event,
    HoldConfirmation,
    HoldDecision,
    HoldEvent,
    HoldNarrowing,
    HoldRelease,
    NewConsent,
    NewCopy,
    NewErasure,
    NewHold,
    NewUses,
    StoredCarveOut,
)
from storage.model import Entropy, LineKind


def note(connection: Connection, event: Event, entropy: Entropy) -> None:
    """Add the line about an event, in the transaction in which it becomes true.

    Its id comes from the event: one that is replayed after a restore has one line.
    """
    match event:
        case NewErasure() | NewConsent() | NewCopy() | NewUses():
            kind, facts, at = _line(event)
        case _:
            kind, facts, at = _line_of_hold(event)
    line = log.line_of(_identity(event), kind, at)
    log.append(connection, kind, facts, at, entropy, line=line)


def _identity(event: Event) -> UUID:
    """Return what is unique to an event: a hold may change more than once in a moment."""
    if isinstance(event, NewUses):
        return event.read  # one line for all that a read hands out
    change = getattr(event, "change", None)
    return event.id if change is None else change.id


_Line = tuple[LineKind, dict[str, str | int | list[str] | None], datetime]


def _line(event: NewErasure | NewConsent | NewCopy | NewUses) -> _Line:
    facts: dict[str, str | int | list[str] | None] = {event.kind: str(event.id)}
    facts["tenant"] = event.tenant
    match event:
        case NewErasure():
            facts |= {"scope": event.scope, "reason": event.reason}
            return LineKind.ERASURE, facts, event.requested
        case NewConsent():
            facts |= {"said": event.said, "of": "subject" if event.match_values else "tenant"}
            facts |= {"wording": event.wording, "document": event.document}
            facts |= {"classes": sorted(event.classes), "purposes": sorted(event.purposes)}
            facts |= {"given": event.given.isoformat(), "covers_from": str(event.covers_from or "")}
            return LineKind.CONSENT, facts, event.recorded
        case NewUses():
            facts = {"read": str(event.read), "tenant": event.tenant, "actor": event.actor}
            facts |= {"purpose": event.purpose, "run": event.run, "job": event.job}
            return LineKind.TRAINING, facts, event.began
        case NewCopy():
            facts |= {"processor": event.processor, "data_class": event.data_class}
            return LineKind.HAND_OVER, facts, event.announced


def _line_of_hold(event: HoldEvent) -> _Line:
    facts: dict[str, str | int | list[str] | None] = {"hold": str(event.id)}
    facts["tenant"] = event.tenant
    match event:
        case NewHold():
            facts |= {"account": event.account, "scope": event.scope}
            facts |= {"classes": sorted(event.classes), "review": event.review.isoformat()}
            facts |= {"jurisdiction": event.authority_jurisdiction, "document": event.document}
            facts |= {"sponsor": event.sponsor, "excluded": _digest(event.exclude)}
            return LineKind.HOLD_PLACED, facts, event.placed
        case HoldConfirmation():
            return LineKind.HOLD_CONFIRMED, {**facts, "by": event.by}, event.at
        case HoldRelease():
            return LineKind.HOLD_RELEASED, facts | _people(event.change), event.at
        case HoldNarrowing():
            facts |= {"change": event.kind, "excluded": _digest(event.carve_outs)}
        case HoldDecision():
            facts |= {"change": event.kind, "document": event.document}
            facts["permitted"] = int(event.permitted)
    return LineKind.HOLD_CHANGED, facts | _people(event.change), event.at


def _people(change: Approved | None) -> dict[str, str]:
    """Return who requested and who approved a change. Older versions noted nobody."""
    if change is None:
        return {}
    return {"requested_by": change.requested_by, "approved_by": change.approved_by}


def _digest(parts: Sequence[StoredCarveOut]) -> str | None:
    """Return the SHA-256 of what a hold does not keep: it may name a thousand tenants."""
    if not parts:
        return None
    stated = [part.model_dump(mode="json") for part in parts]
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
