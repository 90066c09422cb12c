"""``python -m tests.lateness --days 400 --seed 1``: how late anything was, and what is promised."""

import argparse
import sys
from datetime import timedelta

from storage.testing.harness import Server
from tests.lateness.life import START, Life, Tally, one_region


def main() -> int:
    """Simulate and report; return 1 if anything was late."""
    parser = argparse.ArgumentParser(prog="python -m tests.lateness")
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    server = Server()
    try:
        with one_region(server) as made:
            life = Life(made, given.seed)
            tally = life.live(given.days)
    finally:
        server.close()
    report(life, tally, given.days, given.seed)
    return 1 if tally.violations else 0


def report(life: Life, tally: Tally, days: int, seed: int) -> None:
    """Return the report as text."""
    lines = [f"{days} simulated days from {START:%Y-%m-%d}, seed {seed}"]
    lines += [f"  {count:>8,}  {what}" for what, count in sorted(tally.counts.items())]
    lines += [
        "latest, and promised",
        _line("bytes of a day, every backend up", tally.latest_expiry, life.expiry.at_most),
        _line("bytes of a day, from a return", tally.latest_return, life.expiry.at_most),
        _line("erasure, every backend up", tally.latest_erasure, life.erasure.at_most),
        _line("bytes ended by a shorter retention", tally.latest_shortened, life.shortened.at_most),
        *(f"VIOLATION: {what}" for what in tally.violations),
        f"{len(tally.violations)} violations",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _line(what: str, latest: timedelta, promised: timedelta) -> str:
    return f"  {what:<34} {_hours(latest):>8} h of {_hours(promised):>6} h"


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):.1f}"


if __name__ == "__main__":
    sys.exit(main())
