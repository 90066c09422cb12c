"""Where the microseconds of a record go: by kind of thread, and what the primitives alone take."""

import hashlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from benchmarks import ours
from benchmarks.setting import TENANT, Bench, bodies_of
from benchmarks.sizes import Sizes

_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = 5_000
_KINDS = {
    "MainThread": "the caller: decide, seal, queue, take results",
    "flush": "flush: build packs, announce, commit",
    "send": "send: PUT a pack to a bucket",
}


def budget(bench: Bench, sizes: Sizes) -> dict[str, Any]:
    """Return microseconds of CPU a record of put_many, and those of the primitives."""
    bodies = bodies_of(sizes.records)
    tenant = bench.store.tenant(TENANT)
    before, whole = _by_kind(), time.process_time()
    ours.put_many(tenant, bodies)
    spent = _by_kind()
    spent.subtract(before)
    total = (time.process_time() - whole) / len(bodies) * 1e6
    parts = {name: ticks / _TICKS / len(bodies) * 1e6 for name, ticks in spent.items() if ticks > 0}
    return {"total": total, "parts": parts, "primitives": primitives(bodies[0])}


def _by_kind() -> Counter[str]:
    """Return ticks of the processor by kind of thread."""
    found = Counter[str]()
    for thread in threading.enumerate():
        file = Path(f"/proc/self/task/{thread.native_id}/stat")
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kind = re.split(r"[-_ \d(]", thread.name)[0]
        found[_KINDS.get(kind, kind)] += int(fields[11]) + int(fields[12])
    return found


def primitives(body: bytes) -> Mapping[str, float]:
    """Return microseconds of what no format can do without, each alone."""
    compressor, key = zstandard.ZstdCompressor(level=3), AESGCM.generate_key(256)
    small, wrapping = compressor.compress(body), AESGCM.generate_key(256)
    ways: dict[str, Callable[[], object]] = {
        "zstd, level 3": lambda: compressor.compress(body),
        "AES-256-GCM, a new key": lambda: AESGCM(key).encrypt(bytes(12), small, None),
        "AES key wrap": lambda: aes_key_wrap(wrapping, key),
        "SHA-256": lambda: hashlib.sha256(small).digest(),
    }
    return {name: _microseconds(work) for name, work in ways.items()}


def _microseconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    for _ in range(_TIMES):
        work()
    return (time.thread_time() - began) / _TIMES * 1e6
