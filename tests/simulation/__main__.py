"""``python -m tests.simulation --seeds 1000``: play a story per seed; report the first that fails.

``--seed N`` plays one again. Exactly the same happens, in any process.
"""

import argparse
import gc
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event

from tests.simulation.run import Failure, Stage
from tests.simulation.story import Story, story_of


@dataclass(frozen=True)
class Done:
    """The outcome of some seeds."""

    seeds: int
    days: float
    records: int
    erasures: int
    failed: int | None


def main() -> int:
    """Play the stories and report; return 1 if a seed failed."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of the story
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--start", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--whole", action="store_true", help="tell a failure without shortening it")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed, whole=given.whole)
    failed = _many(range(given.start, given.start + given.seeds), given.workers)
    return 0 if failed is None else _one(failed, whole=given.whole)


def _many(seeds: range, workers: int) -> int | None:
    """Return the first seed that failed. An interrupt stops it after the current stories."""
    began, total, stop = time.perf_counter(), Done(0, 0, 0, 0, None), multiprocessing.Event()
    usual = signal.signal(signal.SIGINT, lambda *_: stop.set())
    stories, processes = [], []
    for n in range(workers):
        ours, theirs = Pipe(duplex=False)
        process = Process(target=_play, args=(seeds[n::workers], theirs, stop))
        process.start()
        theirs.close()
        stories.append(ours)
        processes.append(process)
    while stories:
        for ready in wait(stories):
            assert isinstance(ready, Connection)
            try:
                total = _sum(total, ready.recv())
            except EOFError:
                stories.remove(ready)
                continue
            if total.failed is not None:
                stop.set()
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{total.seeds:,} of {len(seeds):,} seeds")
    for process in processes:
        process.join()
    signal.signal(signal.SIGINT, usual)
    took = time.perf_counter() - began
    sys.stdout.write(
        f"\n{total.seeds:,} seeds, {total.days / 365.25:,.1f} simulated years, "
        f"{total.records:,} records, {total.erasures:,} erasures, "
        f"{workers * took / max(total.seeds, 1):.2f} s of a process a seed: "
        f"{'no failure' if total.failed is None else f'SEED {total.failed} FAILED'}\n"
    )
    if any(process.exitcode for process in processes):
        raise RuntimeError("a process ended before its stories did")
    return total.failed


def _play(seeds: range, tell: Connection, stop: Event) -> None:
    """Play stories in a process of their own, up to the first that fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tell, Stage() as stage, _rarely_collected() as collect:
        for seed in seeds:
            outcome = stage.run(story_of(seed))
            collect()
            failed = seed if outcome.failure else None
            tell.send(Done(1, outcome.days, outcome.records, outcome.erasures, failed))
            if stop.is_set() or failed is not None:
                break


@contextmanager
def _rarely_collected() -> Iterator[Callable[[], int]]:
    """Return a function that collects garbage, which is off otherwise. This saves a fifth."""
    gc.collect()
    gc.freeze()  # what is there stays
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()
        gc.unfreeze()


def _sum(one: Done, other: Done) -> Done:
    failed = [seed for seed in (one.failed, other.failed) if seed is not None]
    return Done(
        one.seeds + other.seeds,
        one.days + other.days,
        one.records + other.records,
        one.erasures + other.erasures,
        min(failed, default=None),
    )


def _one(seed: int, *, whole: bool) -> int:
    story = story_of(seed)
    with Stage() as stage:
        failure = stage.run(story).failure
        if failure is None:
            sys.stdout.write(f"seed {seed} does not fail\n")
            return 0
        short = story if whole else stage.shortest(story, failure)
        again = stage.run(short).failure or failure
    _tell(short, again)
    return 1


def _tell(story: Story, failure: Failure) -> None:
    where = "when all was made well" if failure.step is None else f"at step {failure.step + 1}"
    trace = "".join(traceback.format_exception(failure.error)[-3:])
    sys.stdout.write(f"{story.told()}\n{where}: {failure.kind}\n{trace}\n")


if __name__ == "__main__":
    sys.exit(main())
