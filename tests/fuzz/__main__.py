"""``python -m tests.fuzz --count 1000000``: that many inputs for each parser.

The nth input of a parser is always the same, so ``--only NAME --first N --count 1`` repeats one.
"""

import argparse
import sys
import time
import traceback

from tests.fuzz.run import Failure, run
from tests.fuzz.targets import targets


def main() -> int:
    """Run every parser, or one; return 1 if one raised what it does not document."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=10_000, help="inputs for each parser")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--only", help="the name of one parser")
    given = parser.parse_args()
    failed = 0
    with targets() as found:
        for target in found:
            if given.only not in (None, target.name):
                continue
            began = time.perf_counter()
            result = run(target, range(given.first, given.first + given.count))
            took = time.perf_counter() - began
            if isinstance(result, Failure):
                failed = 1
                traceback.print_exception(result.error, limit=-6)
                print(f"{target.name}: input {result.number} failed: {result.data[:300]!r}")
            else:
                print(f"{target.name}: {given.count} inputs, {result} valid, {took:.0f} s")
            sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
