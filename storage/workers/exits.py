"""At the end of a contract: carry out what the customer chose, on the day that it was told."""

import time

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import exits
from storage.catalog.exits import DueExit
from storage.errors import ExitRefused
from storage.ledger.fence import fence
from storage.model import Reason, Scope
from storage.policy import Exiting
from storage.region import OpenRegion


def carry_out(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Request the erasure of one tenant whose exit is due.

    It is decided again in the transaction of the erasure: an agreement that was recorded in the
    meantime stops it. What a hold keeps, the erasure defers.
    """
    with region.catalog.begin() as connection:
        found = exits.next_due(connection, region.clock.now().date())
    if found is None:
        return 0
    try:
        _erase(region, found)
    except ExitRefused as error:
        log.info("exit_stopped", region=region.name, reason=error.reasons[0])
        return 0
    log.info("exit_carried_out", region=region.name, erasure=str(found.erasure))
    return 1


def _erase(region: OpenRegion, found: DueExit) -> None:
    def check(connection: Connection) -> None:
        Exiting(exits.begin(connection, found.id, region.clock.now())).demand()

    fence(
        region,
        found.tenant,
        Scope.tenant(),
        reason=Reason.CONTRACT_END,
        ticket=None,
        sleep=time.sleep,
        erasure=found.erasure,
        check=check,
    )
