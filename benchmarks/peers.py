"""LiteLLM's logger, driven from here: the process of it, and what a record cost."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from benchmarks.cost import Meter
from benchmarks.results import Cost
from benchmarks.setting import Bench
from benchmarks.weed import REGION

PYTHON = Path("build/peers/bin/python")
UPLOADS = (16, 64)  # its default, and more
BATCHES = (512, 4096)  # the same


class LiteLlm:
    """A running process of it. The first of its objects goes to the first bucket: one replica."""

    def __init__(self, process: "subprocess.Popen[str]", bench: Bench) -> None:
        """Use ``litellm`` instead."""
        self._process, self._bench, self._rounds = process, bench, count()
        self.queued: list[float] = []  # seconds until the last call had returned, a record

    def best(self, records: int, *, batch_file: bool) -> Cost:
        """Log records, and return what each cost when it was durable; the best of what one sets."""
        settings = (
            [(UPLOADS[0], batch) for batch in BATCHES]
            if batch_file
            else [(uploads, BATCHES[0]) for uploads in UPLOADS]
        )
        found = [
            self._log(records, batch=batch, uploads=uploads, batch_file=batch_file)
            for uploads, batch in settings
        ]
        cost, queued = min(found, key=lambda one: one[0].seconds)
        if batch_file:
            self.queued.append(queued)
        return cost

    def _log(
        self, records: int, *, batch: int, uploads: int, batch_file: bool
    ) -> tuple[Cost, float]:
        server = self._bench.place.server
        order = {
            "bucket": self._bench.buckets[0],
            "region": REGION,
            "url": server.url,
            "access_key": server.access_key,
            "secret_key": server.secret_key,
            "batch": batch,
            "uploads": uploads,
            "batch_file": batch_file,
            "count": records,
            "round": next(self._rounds),
        }
        answer: dict[str, float] = {}
        meter: Meter = self._bench.meter
        cost = meter.measure(lambda: answer.update(self._ask(order)), records)
        parts = (answer["seconds"], answer["cpu"], cost.postgres * records, cost.server * records)
        return Cost(*(part / records for part in parts)), answer["queued"] / records

    def _ask(self, order: dict[str, object]) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def litellm(bench: Bench, bodies: Sequence[bytes]) -> Iterator[LiteLlm | None]:
    """Start the process of it; None if its environment was not made."""
    if not PYTHON.exists():
        yield None
        return
    process = subprocess.Popen(  # noqa: S603
        [PYTHON, Path(__file__).with_name("litellm_s3.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps([body.decode() for body in bodies]) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        yield LiteLlm(process, bench)
    finally:
        process.stdin.close()
        process.wait(60)
