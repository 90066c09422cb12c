"""How much is done, and how often."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The counts of a run."""

    rounds: int = 5
    records: int = 20_000  # a configuration that writes in bulk
    slow: int = 3_000  # one that waits for each record
    plain: int = 400  # the baselines that do so
    processes: int = 4
    reads: int = 1_500
    file: int = 256 << 20
    files: int = 5  # rounds
    fences: int = 300
    expiring: int = 300_000
    deleted: int = 400
    scrubbed: int = 5_000
    headed: int = 1_000
    tenants: tuple[int, ...] = (1_000, 10_000)
    grown: int = 5_000  # records that a listed subject gets
    lists: int = 50


FULL = Sizes()
QUICK = Sizes(
    rounds=2,
    records=4_000,
    slow=300,
    plain=60,
    reads=300,
    file=64 << 20,
    files=2,
    fences=30,
    expiring=20_000,
    deleted=60,
    scrubbed=300,
    headed=150,
    tenants=(500,),
    grown=2_000,
    lists=20,
)
