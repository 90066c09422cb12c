"""The benchmark: each of the goals beside what others do, on a real disk, with fsync on all sides.

PostgreSQL and SeaweedFS run in processes of their own, below a directory that must be on a real
disk. All configurations run in turns; of a baseline that can be tuned, the best of several counts.
The ratios are those of each round, and the table has their median. What it prints is in
build/bench.json too, with all samples.
"""

import argparse
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import machine, reads, service, table, upkeep, writes
from benchmarks.budget import budget
from benchmarks.cost import freeze
from benchmarks.peers import PYTHON
from benchmarks.results import Report, Row
from benchmarks.setting import Bench, new_directory, opened
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.weed import weed

OUT = Path("build/bench.json")
_MEMORY = ("tmpfs", "ramfs", "overlay")
Section = Callable[[], Iterable[Row]]


def sections(
    stack: ExitStack, directory: Path, sizes: Sizes, about: dict[str, Any]
) -> Iterator[tuple[str, Section]]:
    """Yield what is measured, each with a name. Erasures are last: their fences stay open."""
    server = stack.enter_context(weed(directory / "weed"))
    main = stack.enter_context(opened(directory, server, "main"))
    about.update(machine.about(directory, main.url, quick=sizes is QUICK))
    freeze()
    yield "writes", lambda: writes.measure(main, sizes)
    yield "budget", lambda: _noted(about, main, sizes)
    yield "processes", lambda: [writes.processes(main, sizes)]
    yield "reads", lambda: reads.packed(main, sizes)
    yield "files", lambda: reads.files(main, sizes)
    yield "memory", lambda: [service.memory(main, sizes)]
    yield "tenants", lambda: service.tenants(main, sizes)
    yield "lists", lambda: [upkeep.lists(main, sizes)]
    yield "fences", lambda: [upkeep.fences(main, sizes)]

    def later() -> Iterator[Row]:
        benches = [
            stack.enter_context(opened(directory, server, name, on_s3=on_s3))
            for name, on_s3 in (("disk", False), ("later", True))
        ]
        yield from upkeep.all_of(benches, sizes)

    yield "later", later


def _noted(about: dict[str, Any], bench: Bench, sizes: Sizes) -> Iterable[Row]:
    """Add the budget to ``about``. It makes no rows, because it has no goals."""
    about["budget"] = budget(bench, sizes)
    return ()


def run(directory: Path, sizes: Sizes, only: list[str]) -> Report:
    """Measure. What fails is missing from the report, and does not keep the rest from it."""
    rows, missing, about = list[Row](), dict[str, str](), dict[str, Any]()
    with ExitStack() as stack:
        for name, measure in sections(stack, directory, sizes, about):
            if only and name not in only:
                continue
            began = time.monotonic()
            try:
                for row in measure():
                    rows.append(row)
                    writes.tell("\n".join(["", *table.row_lines(row)]))
            except KeyboardInterrupt:
                missing[f"{name} and all after it"] = "interrupted"
                break
            except Exception as error:  # noqa: BLE001 - hours may have been measured
                traceback.print_exc()
                missing[name] = type(error).__name__
            about["seconds"] = about.get("seconds", {}) | {name: round(time.monotonic() - began)}
    if not PYTHON.exists():
        missing["LiteLLM"] = "build/peers is not there: make bench makes it"
    about["load_after"] = os.getloadavg()[0]
    return Report(about, tuple(rows), missing)


def main() -> None:
    """Measure in a new directory, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller counts, in minutes")
    parser.add_argument("--only", nargs="*", default=[], help="some sections")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on a real disk")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if machine.filesystem(given.directory) in _MEMORY:
        raise SystemExit(f"{given.directory} is not on a real disk: give another --directory")
    with new_directory(given.directory) as directory:
        report = run(directory, QUICK if given.quick else FULL, given.only)
    table.finish(report, given.out)


if __name__ == "__main__":
    main()
