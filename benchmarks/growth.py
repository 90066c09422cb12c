"""What one request costs while the catalog grows: nothing should depend on the number of records.

Directories with fsync as backends. The records are doubled until the time is over; after each step
the same few requests are measured: a bulk write, reads of old and of new records, a page of a
subject that does not grow, and the erasure of one subject. Fences stay open: no worker runs.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

from benchmarks import ours
from benchmarks.results import Cost
from benchmarks.setting import CHAT, TENANT, Bench, bodies_of, on_directories
from benchmarks.upkeep import of_subject
from storage.client.tenant import BoundTenant
from storage.model import Purpose, Reason, RecordId, Scope

FIRST, READS, LISTS, ERASED = 5_000, 200, 20, 5
_FLAT = 1.3  # times what it cost at first


def fill(tenant: BoundTenant, count: int) -> list[RecordId]:
    """Add records, and return some of their ids."""
    bodies, kept = bodies_of(1000), list[RecordId]()
    for start in range(0, count, len(bodies)):
        kept += ours.put_many(tenant, bodies[: count - start])[:10]
    return kept


def measured(
    bench: Bench, tenant: BoundTenant, ids: list[RecordId], step: int
) -> Mapping[str, Cost]:
    """Measure each kind of request. ``step``: names subjects that no other step has."""
    meter, some = bench.meter, Random(step).choices(ids, k=READS)
    names = [f"gone-{step}-{n}" for n in range(ERASED)]
    for name in names:
        of_subject(tenant, name, 1)

    def erase() -> None:
        for name in names:
            tenant.erase(Scope.subject(name), reason=Reason.SUBJECT_REQUEST)

    def each(work: Callable[[RecordId], object]) -> None:
        for one in some:
            work(one)

    return {
        "put_many": meter.measure(lambda: ours.put_many(tenant, bodies_of(FIRST)), FIRST),
        "get": meter.measure(lambda: each(partial(tenant.get, purpose=Purpose.SERVE)), READS),
        "list": meter.measure(lambda: [tenant.list(subject="steady") for _ in range(LISTS)], LISTS),
        "erase": meter.measure(erase, ERASED),
    }


def run(bench: Bench, minutes: float) -> None:
    """Double the records until the time is over, and print a line for each step."""
    tenant, until = bench.store.tenant(TENANT).bind(CHAT), time.monotonic() + minutes * 60
    of_subject(tenant, "steady", 100)
    ids, count, step = fill(tenant, FIRST), FIRST, 0
    measured(bench, tenant, ids, -1)  # warms
    first: Mapping[str, Cost] = {}
    print("us an operation, and of it CPU of the client and of PostgreSQL")
    while True:
        costs = measured(bench, tenant, ids, step)
        first = first or costs
        cells = (
            f"{name} {cost.seconds * 1e6:7,.0f} ({cost.ours * 1e6:6,.0f}, "
            f"{cost.postgres * 1e6:6,.0f})"
            for name, cost in costs.items()
        )
        print(f"{count:10,} records: {'; '.join(cells)}", flush=True)
        began = time.monotonic()
        if began > until:
            break
        ids, count, step = ids + fill(tenant, count), 2 * count, step + 1
        if time.monotonic() + 2 * (time.monotonic() - began) > until:
            until = 0.0  # the next step would take too long
    for name, cost in costs.items():
        grew = cost.ours + cost.postgres, first[name].ours + first[name].postgres
        times = grew[0] / grew[1]
        print(f"  {name}: CPU {times:.2f}x of the first, flat: {'yes' if times <= _FLAT else 'no'}")


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    with on_directories(given.directory, "growth") as bench:
        run(bench, given.minutes)


if __name__ == "__main__":
    main()
