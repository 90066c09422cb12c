"""What the log says of the events of the ledger: ids, dates and codes."""

from datetime import datetime

from sqlalchemy import Connection

from storage.catalog import log
from storage.events import Event, HoldRelease, NewCopy, NewErasure, NewHold
from storage.model import Entropy, LineKind


def note(connection: Connection, event: Event, entropy: Entropy) -> None:
    """Add the line about an event, in the transaction in which it becomes true.

    Its id comes from the event: one that is replayed after a restore has one line.
    """
    kind, facts, at = _line(event)
    line = log.line_of(event.id, kind, at)
    log.append(connection, kind, facts, at, entropy, line=line)


def _line(event: Event) -> tuple[LineKind, log.Facts, datetime]:
    facts: dict[str, str | int | list[str] | None] = {event.kind: str(event.id)}
    facts["tenant"] = event.tenant
    match event:
        case NewErasure():
            facts |= {"scope": event.scope, "reason": event.reason}
            return LineKind.ERASURE, facts, event.requested
        case NewHold():
            facts |= {"scope": event.scope, "classes": sorted(event.classes)}
            facts["review"] = event.review.isoformat()
            return LineKind.HOLD_PLACED, facts, event.placed
        case HoldRelease():
            return LineKind.HOLD_RELEASED, facts, event.at
        case NewCopy():
            facts |= {"processor": event.processor, "data_class": event.data_class}
            return LineKind.HAND_OVER, facts, event.announced
