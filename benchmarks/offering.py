"""Callers that do not wait for each other: they come at a rate, whatever becomes of the others."""

import asyncio
import time
from array import array
from dataclasses import dataclass, field

from benchmarks.results import percentile
from benchmarks.setting import bodies_of
from storage.client.aio.store import AsyncStore
from storage.client.aio.tenant import AsyncTenant
from storage.client.homes import Homes
from storage.client.store import Store
from storage.errors import Busy
from storage.model import DataClass

_TICK = 0.005
CALLED = "called"  # the tenant that they write for; no other writer has it


@dataclass
class Offered:
    """What became of the callers, in seconds since each came."""

    took: "array[float]" = field(default_factory=lambda: array("d"))
    refused: "array[float]" = field(default_factory=lambda: array("d"))
    offered: int = 0
    seconds: float = 0.0  # for which callers came
    drained: float = 0.0  # until the last was answered

    def shown(self) -> dict[str, float]:
        """Return it for a line of JSON."""
        return {
            "offered": self.offered,
            "seconds": self.seconds,
            "drained": self.drained,
            "accepted": len(self.took),
            "refused": len(self.refused),
            "median": percentile(self.took, 0.5),
            "p99": percentile(self.took, 0.99),
            "refused_after": percentile(self.refused, 0.5) if self.refused else 0.0,
        }


def offer(homes: Homes, rate: float, seconds: float) -> Offered:
    """Have callers of ``put`` come to one event loop. Return when all are answered."""
    found, bodies = Offered(), bodies_of(1000)

    async def one(tenant: AsyncTenant, body: bytes) -> None:
        came = time.perf_counter()
        try:
            result = await tenant.put(DataClass.PROMPT, body, subject="u")
        except Busy:
            found.refused.append(time.perf_counter() - came)
            return
        found.took.append(time.perf_counter() - came)
        assert result.stored

    async def run() -> None:
        store = AsyncStore(Store(homes, sleep=time.sleep))
        tenant, began = await store.tenant(CALLED), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while (now := time.perf_counter() - began) < seconds:
                for n in range(found.offered, int(now * rate)):
                    group.create_task(one(tenant, bodies[n % len(bodies)]))
                found.offered, found.seconds = max(found.offered, int(now * rate)), now
                await asyncio.sleep(_TICK)
        found.drained = time.perf_counter() - began
        await store.close()

    asyncio.run(run())
    return found
