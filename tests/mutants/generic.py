"""``python -m tests.mutants.generic``: try mutants that nobody chose, and list the survivors.

Every mutant of ``storage/policy`` is tried, and a seeded sample of those of the write path. What
was killed is remembered in ``build/mutants.json`` until the module or its tests change, so a run
that was interrupted goes on where it was. A survivor needs a test, or a reason in
``equivalent.toml``.
"""

import argparse
import hashlib
import json
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Mutant
from tests.mutants.suites import POLICY, SAMPLED, Suite
from tests.mutants.trial import ROOT, Outcome, Result, Trial, changed, source_tree, warm_up

_STATE = ROOT / "build" / "mutants.json"
_PATIENCE = 1800.0  # seconds for a run without a mutant
_EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True)
class Job:
    """A mutant, and the suite that is to notice it.

    ``key`` names it for as long as its module and the suite's tests stay the same.
    """

    mutant: Mutant
    suite: Suite
    key: str


def main() -> int:
    """Return 1 if a mutant survives that no reason explains, or a reason explains none."""
    options = _options()
    warm_up()
    explained = equivalent()
    jobs = [job for job in _chosen(options) if named(job.mutant) not in explained]
    skipped = len(_chosen(options)) - len(jobs)
    state = {} if options.fresh else _load()
    todo = [job for job in jobs if job.key not in state]
    _print(f"{len(jobs)} mutants, of which {len(jobs) - len(todo)} were killed before; ")
    _print(f"{skipped} more are explained as equivalent\n")
    limits = _limits({job.suite for job in todo})
    survivors = _try_all(todo, state, limits, options.workers)
    kept = [state[job.key] for job in jobs if job.key in state]
    counts = Counter(kept)
    noticed = counts[Outcome.KILLED] + counts[Outcome.TIMEOUT]
    _print(f"{noticed} of {len(jobs)} noticed ({100 * noticed / max(len(jobs), 1):.1f} %), ")
    _print(f"{counts[Outcome.TIMEOUT]} of them by a timeout; {len(survivors)} survived\n")
    return int(bool(survivors))


def equivalent() -> dict[tuple[str, str], str]:
    """Return the mutants that change nothing, by place and change, with the reason."""
    entries = tomllib.loads(_EQUIVALENT.read_text()).get("mutant", [])
    return {(entry["place"], entry["change"]): entry["why"] for entry in entries}


def named(mutant: Mutant) -> tuple[str, str]:
    """Return what names a mutant in ``equivalent.toml``."""
    return mutant.place, mutant.change


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.generic")
    parser.add_argument("--sample", type=int, default=300, help="how many beside the policy's")
    parser.add_argument("--seed", type=int, default=0, help="which")
    parser.add_argument("--only", default="", metavar="TEXT", help="part of a mutant's place")
    parser.add_argument("--workers", type=int, default=2, help="how many at the same time")
    parser.add_argument("--fresh", action="store_true", help="remember nothing of earlier runs")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Job]:
    every = [job for suite in POLICY for job in _jobs(suite)]
    others = [job for suite in SAMPLED for job in _jobs(suite)]
    sample = random.Random(options.seed).sample(others, min(options.sample, len(others)))
    return [job for job in (*every, *sample) if options.only in job.mutant.place]


def _jobs(suite: Suite) -> list[Job]:
    digests = {file: _digest(file, *suite.tests) for file in suite.files()}
    return [Job(m, suite, f"{m.place}: {m.change} {digests[m.file]}") for m in suite.mutants()]


def _digest(*files: str) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update((ROOT / file).read_bytes())
    return found.hexdigest()[:16]


def _load() -> dict[str, str]:
    return json.loads(_STATE.read_text()) if _STATE.exists() else {}


def _save(state: dict[str, str]) -> None:
    _STATE.parent.mkdir(exist_ok=True)
    _STATE.write_text(json.dumps(state, indent=1))


def _limits(suites: Iterable[Suite]) -> dict[Suite, float]:
    """Return how long a trial of each suite may take, from a run without a mutant.

    Raises RuntimeError if a suite fails without a mutant: it would notice everything.
    """
    limits = {}
    with source_tree() as tree:
        for suite in suites:
            result = Trial(tree, suite.tests, _PATIENCE).wait()
            _print(f"{result.seconds:5.1f} s without a mutant: {', '.join(suite.tests)}\n")
            if result.outcome is not Outcome.SURVIVED:
                raise RuntimeError(f"{result.test} fails without a mutant.")
            limits[suite] = 30 + 5 * result.seconds
    return limits


def _try_all(
    jobs: Sequence[Job], state: dict[str, str], limits: Mapping[Suite, float], workers: int
) -> list[Job]:
    """Try the mutants, some at the same time; return those that survive."""
    survivors: list[Job] = []
    waiting = list(reversed(jobs))
    began = time.monotonic()
    with ExitStack() as stack:
        free = [stack.enter_context(source_tree()) for _ in range(min(workers, len(jobs)))]
        running: list[tuple[Job, Path, Trial, ExitStack]] = []
        while waiting or running:
            while waiting and free:
                job = waiting.pop()
                running.append(_start(job, free.pop(), limits[job.suite]))
            time.sleep(0.02)
            for one in list(running):
                job, tree, trial, change = one
                if (result := trial.poll()) is None:
                    continue
                change.close()
                running.remove(one)
                free.append(tree)
                _note(job, result, state)
                if result.outcome is Outcome.SURVIVED:
                    survivors.append(job)
    _print(f"{len(jobs)} tried in {time.monotonic() - began:.0f} s\n")
    return survivors


def _start(job: Job, tree: Path, limit: float) -> tuple[Job, Path, Trial, ExitStack]:
    change = ExitStack()
    text = job.mutant.apply((tree / job.mutant.file).read_text())
    change.enter_context(changed(tree, job.mutant.file, text))
    return job, tree, Trial(tree, job.suite.tests, limit), change


def _note(job: Job, result: Result, state: dict[str, str]) -> None:
    """Remember what was noticed; print what was not."""
    mutant = job.mutant
    if result.outcome is Outcome.SURVIVED:
        _print(f"SURVIVED {mutant.file}:{mutant.line} in {mutant.scope}\n")
        _print(f"  - {mutant.old}\n  + {mutant.new}\n  {mutant.change!r}\n")
        return
    state[job.key] = result.outcome
    _save(state)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
