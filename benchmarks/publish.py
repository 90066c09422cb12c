"""How long a reader of content waits for the log: from the committed line to its checkpoint.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. Each caller adds a line in a
transaction of its own and waits for a checkpoint that holds it, one after the other. Beside it
stands what the line alone takes, which is one commit.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from storage.bootstrap import open_homes
from storage.catalog import log
from storage.client.regions import ServedRegion
from storage.model import LineKind
from storage.settings import Settings
from storage.transparency.files import published

HOME = "eu-central-1"


def call(served: ServedRegion, waits: list[float], commits: list[float]) -> None:
    """Add a line, and wait for its checkpoint."""
    region, began = served.region, time.perf_counter()
    with region.catalog.begin() as connection:
        now = region.clock.now()
        line = log.append(connection, LineKind.OPENING, {"actor": "a"}, now, region.entropy)
    committed = time.perf_counter()
    served.log.publish(line)
    commits.append(committed - began)
    waits.append(time.perf_counter() - committed)


def measure(served: ServedRegion, callers: int, rounds: int) -> None:
    """Let some callers wait at once, and print how long they did."""
    waits, commits = list[float](), list[float]()

    def work() -> None:
        for _ in range(rounds):
            call(served, waits, commits)

    before = published(served.region)
    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = published(served.region)
    assert after is not None
    grown = after.root.size - (before.root.size if before is not None else 0)
    waits.sort()
    print(
        f"  {callers:3} callers: commit {statistics.median(commits) * 1e3:6.1f} ms, "
        f"publish {statistics.median(waits) * 1e3:6.1f} ms "
        f"(95 %: {waits[int(len(waits) * 0.95)] * 1e3:6.1f} ms), {grown} lines",
        file=sys.stdout,
        flush=True,
    )


def run(directory: Path, rounds: int) -> None:
    """Measure one caller, and sixteen."""
    with open_homes(Settings(home=directory)) as homes:
        served = homes.served(HOME)
        measure(served, 1, 5)
        for callers in (1, 16, 1, 16):
            measure(served, callers, rounds)


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=given.directory))
    try:
        run(directory, given.rounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
