"""Request deletion: of due copies at processors, until each deletion is confirmed."""

from datetime import datetime, timedelta

from structlog.typing import FilteringBoundLogger

from storage.catalog import copies
from storage.catalog.copies import Due
from storage.errors import AcknowledgementInvalid, ProcessorError, ProcessorTimeout, Refused
from storage.policy import (
    HELD_AT_PROCESSORS,
    LEASE,
    DeletionReason,
    confirm_deletion,
    may_destroy,
    retry_after,
)
from storage.ports import Acknowledgement, Connector
from storage.region import OpenRegion
from storage.workers.due import cutoffs

BATCH = 64


def request_deletion(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Request the deletion of a batch of due copies. Return how many; unconfirmed ones stay due.

    A processor that times out gets no more requests in this batch, and the rest of the batch waits
    for the next round, so that the other duties are not delayed.
    """
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        claimed = copies.claim(connection, at.now, at.now + LEASE, BATCH, ending=at.ending)
    silent: set[str] = set()
    asked = region.pool.map(lambda due: _ask_one(region, due, silent), claimed)
    for failed in filter(None, asked):
        log.warning("copy_not_deleted", region=region.name, **failed)
    return 0 if silent else len(claimed)


def _ask_one(region: OpenRegion, due: Due, silent: set[str]) -> dict[str, object] | None:
    """Process one copy. Return what failed, for the log; the request is then repeated later."""
    now = region.clock.now()
    connector = region.connectors.get(due.processor)
    if connector is None:
        return _again(region, due, "ProcessorUnknown", now + retry_after(due.attempts))
    if due.processor in silent:
        return _again(region, due, ProcessorTimeout.__name__, now + retry_after(due.attempts))
    try:
        confirmed = _confirmation(connector, due, now)
    except (ProcessorError, Refused) as error:
        if isinstance(error, ProcessorTimeout):
            silent.add(due.processor)
        return _again(region, due, error.code, now + retry_after(due.attempts))
    if confirmed is not None:
        with region.catalog.begin() as connection:
            copies.confirm(connection, due.id, "acknowledged", confirmed.digest, region.clock.now())
        return None
    # A delivery that may still arrive is checked again when it no longer can.
    landed, retry = due.land_by + timedelta(milliseconds=1), now + retry_after(due.attempts)
    waits = landed if now <= due.land_by else retry
    _again(region, due, None, waits)
    return None


def _confirmation(connector: Connector, due: Due, now: datetime) -> Acknowledgement | None:
    """Request deletion, and return the acknowledgement that proves it. None: not yet.

    Raises ProcessorError, and Refused if the policy does not allow the request.
    """
    may_destroy(what="copy", state=due.state, held=HELD_AT_PROCESSORS, now=now).demand()
    connector.request_deletion(due.id)
    answer = connector.confirm(due.id)
    if answer is None:
        return None
    verdict = confirm_deletion(
        deleted_at=answer.deleted_at, announced=due.announced, land_by=due.land_by, asked=now
    )
    if verdict.done:
        return answer
    if verdict.reason is DeletionReason.MAY_STILL_LAND:
        return None
    raise AcknowledgementInvalid(
        due.processor, f"Its deletion time is impossible: {verdict.reason}."
    )


def _again(region: OpenRegion, due: Due, code: str | None, at: datetime) -> dict[str, object]:
    with region.catalog.begin() as connection:
        copies.ask_later(connection, due.id, code, at)
    return {"processor": due.processor, "copy": str(due.id), "error": code}
