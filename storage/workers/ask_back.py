"""Ask back: copies at processors whose time has come, until each is known to be gone."""

from datetime import datetime, timedelta

from structlog.typing import FilteringBoundLogger

from storage.catalog import copies
from storage.catalog.copies import Due
from storage.errors import AcknowledgementInvalid, ProcessorError, ProcessorTimeout, Refused
from storage.policy import (
    FIRST_RETRY,
    HELD_AT_PROCESSORS,
    LAST_RETRY,
    LEASE,
    DeletionReason,
    agreement_ending,
    confirm_deletion,
    may_destroy,
)
from storage.ports import Acknowledgement, Connector
from storage.region import OpenRegion

BATCH = 64


def ask_back(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Ask for a batch of due copies. Says how many; each is gone, or due again later.

    A processor that hangs is not waited for again in the same batch, and what else is due comes in
    the next round: the worker has other duties.
    """
    now = region.clock.now()
    ending = [
        company.name
        for company in region.topology.sub_processors.values()
        if company.connector is not None and agreement_ending(company, now)
    ]
    with region.catalog.begin() as connection:
        claimed = copies.claim(connection, now, now + LEASE, BATCH, ending=ending)
    silent: set[str] = set()
    asked = region.pool.map(lambda due: _ask_one(region, due, silent), claimed)
    for failed in filter(None, asked):
        log.warning("copy_not_gone", region=region.name, **failed)
    return 0 if silent else len(claimed)


def _ask_one(region: OpenRegion, due: Due, silent: set[str]) -> dict[str, object] | None:
    """What went wrong, if anything did; it is asked for again then. There is no last time."""
    now = region.clock.now()
    connector = region.connectors.get(due.processor)
    if connector is None:
        return _again(region, due, "ProcessorUnknown", now + _delay(due))
    if due.processor in silent:
        return _again(region, due, ProcessorTimeout.__name__, now + _delay(due))
    try:
        said = _word(connector, due, now)
    except (ProcessorError, Refused) as error:
        if isinstance(error, ProcessorTimeout):
            silent.add(due.processor)
        return _again(region, due, error.code, now + _delay(due))
    if said is not None:
        with region.catalog.begin() as connection:
            copies.confirm(connection, due.id, "acknowledged", said.digest, region.clock.now())
        return None
    # what may still arrive is asked for again when it cannot any more
    waits = due.land_by + timedelta(milliseconds=1) if now <= due.land_by else now + _delay(due)
    _again(region, due, None, waits)
    return None


def _word(connector: Connector, due: Due, now: datetime) -> Acknowledgement | None:
    """The processor's word, asked for now, that settles the matter; None: not yet.

    Raises ProcessorError, and Refused if it may not be asked for.
    """
    may_destroy(what="copy", state=due.state, held=HELD_AT_PROCESSORS, now=now).demand()
    connector.request_deletion(due.id)
    said = connector.confirm(due.id)
    if said is None:
        return None
    verdict = confirm_deletion(
        deleted_at=said.deleted_at, announced=due.announced, land_by=due.land_by, asked=now
    )
    if verdict.done:
        return said
    if verdict.reason is DeletionReason.MAY_STILL_LAND:
        return None
    raise AcknowledgementInvalid(due.processor, f"Its time cannot be right: {verdict.reason}.")


def _again(region: OpenRegion, due: Due, code: str | None, at: datetime) -> dict[str, object]:
    with region.catalog.begin() as connection:
        copies.ask_later(connection, due.id, code, at)
    return {"processor": due.processor, "copy": str(due.id), "error": code}


def _delay(due: Due) -> timedelta:
    """Longer each time, up to an hour."""
    grown: timedelta = FIRST_RETRY * 2 ** min(due.attempts, 12)
    return min(LAST_RETRY, grown)
