"""Who spent the time of the processor: this process, PostgreSQL, the server of S3."""

import gc
import os
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.results import Cost

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Meter:
    """Measures work that two servers have a part in. ``others``: more clients, by process id."""

    postmaster: int
    server: int
    others: tuple[int, ...] = ()

    def measure(self, work: Callable[[], object], count: int) -> Cost:
        """Return what each of ``count`` operations cost."""
        before, began = self._spent(), time.perf_counter()
        work()
        seconds, after = time.perf_counter() - began, self._spent()
        spent = [(y - x) / count for x, y in zip(before, after, strict=True)]
        return Cost(seconds / count, *spent)

    def best(self, ways: Iterable[Callable[[], object]], count: int) -> Cost:
        """Return what the fastest of some ways cost."""
        costs = [self.measure(way, count) for way in ways]
        return min(costs, key=lambda cost: cost.seconds)

    def of(self, *others: int) -> "Meter":
        """Return a meter that counts other processes with this one."""
        return replace(self, others=others)

    def _spent(self) -> tuple[float, float, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        clients = own.ru_utime + own.ru_stime + sum(map(spent_by, self.others))
        return clients, spent_by_family(self.postmaster), spent_by_family(self.server)


def spent_by(pid: int) -> float:
    """Return seconds of the processor; those of children that ended are in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def spent_by_family(pid: int) -> float:
    """Return those of a process and its children, also of those that ended.

    If one ends meanwhile, its seconds move to its parent: all are read again.
    """
    while True:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return sum(map(spent_by, [pid, *map(int, children)]))
        except (FileNotFoundError, ProcessLookupError):
            if not Path(f"/proc/{pid}").exists():
                return 0.0


def peak(pid: int | str = "self") -> float:
    """Return the most memory that a process has had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def freeze() -> None:
    """Let the garbage collector pass over what the imports and the opening of a store made."""
    gc.collect()
    gc.freeze()


def reset_peak() -> None:
    """Forget the peak of this process: from now on it counts anew."""
    Path("/proc/self/clear_refs").write_text("5")
