"""What the pages of probes say: whether the process lives, and which regions it can serve."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from storage.model import RegionHealth, StoreHealth

LONGEST_PIECE: Final = 3600.0
"""Seconds that a piece of work may take. A worker that takes longer hangs: it is to be restarted.

A file of many GiB takes long to copy, and a worker that is ended meanwhile begins again. An alert
comes earlier.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: a status of HTTP, a media type, a body."""

    status: int
    media: str
    body: bytes


def alive(still: float, pause: float) -> Answer:
    """Answer whether a worker lives and its loop turns.

    ``still``: for how many seconds it has not turned. ``pause``: those between its rounds.
    """
    turns = still < LONGEST_PIECE + pause
    return _json(turns, {"alive": turns, "still": round(still, 1)})


def ready(health: StoreHealth) -> Answer:
    """Answer whether any region can be served, and which."""
    regions = [_shown(region) for region in health.regions.values()]
    return _json(health.ready, {"ready": health.ready, "regions": regions})


def ready_for(health: RegionHealth) -> Answer:
    """Answer whether one region can be served."""
    return _json(health.ready, _shown(health))


def not_there() -> Answer:
    """Answer that there is no such page."""
    return Answer(404, "text/plain; charset=utf-8", b"Not found.\n")


def failed() -> Answer:
    """Answer that something unexpected happened, which the log tells."""
    return Answer(500, "text/plain; charset=utf-8", b"Failed. See the log: probe_failed\n")


def metrics(page: bytes, media: str) -> Answer:
    """Answer with the metrics."""
    return Answer(200, media, page)


def _shown(health: RegionHealth) -> dict[str, object]:
    backends = [asdict(backend) for backend in health.backends]
    return {
        "region": health.region,
        "ready": health.ready,
        "error": health.error,
        "short": health.short,
        "backends": backends,
    }


def _json(good: bool, document: dict[str, object]) -> Answer:  # noqa: FBT001 - it is the verdict
    body = json.dumps(document).encode() + b"\n"
    return Answer(200 if good else 503, "application/json", body)
