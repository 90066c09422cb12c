"""Short calls for tests of scrubbing."""

from collections.abc import Callable, Iterator

import structlog
from sqlalchemy import select

from storage.catalog import scrubs
from storage.catalog import tables as t
from storage.catalog.scrubs import Round, Tally
from storage.client.store import Store
from storage.model import ReplicaState
from storage.ports import Backend, StoredItem
from storage.testing import Domicile, FaultyBackend
from storage.workers.scrub.repair import Rate, Target
from storage.workers.scrub.rounds import whole_round
from tests.support.inspect.stored import OF_THE_LOG, home, home_of

Findings = dict[str, int]
"""How often each thing was found, as ``finding/done``."""


def unpaced() -> Rate:
    """Return a rate without a limit."""
    return Rate(float("inf"), clock=lambda: 0.0, sleep=lambda _: None)


def place(domicile: Domicile, backend: str = "eu-a", store: Store | None = None) -> Target:
    """A backend of the home region, to be scrubbed."""
    region = home_of(store or domicile.store)
    return Target(region, backend, unpaced(), structlog.get_logger())


def scrubbed(domicile: Domicile, backend: str = "eu-a", share: float = 0.0) -> Findings:
    """Scrub a backend once; return the counts of what it found."""
    domicile.pass_time(seconds=1)
    return findings(run(domicile, backend, share).tally)


def run(domicile: Domicile, backend: str = "eu-a", share: float = 0.0) -> Round:
    """Scrub a backend once; return the finished round."""

    def wait(_: float) -> None:
        raise AssertionError("nobody else is at it")

    return whole_round(place(domicile, backend), share, tell=lambda _: None, wait=wait)


def findings(tally: Tally) -> Findings:
    """Return the counts, without the rest of the tally."""
    return {f"{finding}/{done}": found.count for (finding, done), found in tally.found.items()}


def state_of(domicile: Domicile, backend: str = "eu-a") -> Round:
    """Return how far the scrub of a backend is."""
    with home(domicile).catalog.begin() as connection:
        return scrubs.show(connection, [backend])[backend]


def keys_of(domicile: Domicile, backend: str = "eu-a", kind: str = "pack") -> list[str]:
    """Return the keys of stored replicas, oldest first."""
    o, r = t.object_.c, t.replica.c
    query = (
        select(r.key)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == backend, r.state == ReplicaState.STORED, o.kind == kind)
        .order_by(o.id)
    )
    with home(domicile).catalog.begin() as connection:
        return list(connection.scalars(query))


def of_the_log(domicile: Domicile, backend: str = "eu-a") -> int:
    """Return the number of objects of the log that the backend really has."""
    return sum(
        trace.key.startswith(OF_THE_LOG) for trace in domicile.backends[backend].inner.scan()
    )


def traces_of(domicile: Domicile, key: str, backend: str = "eu-a") -> list[StoredItem]:
    """Return what the backend really has of a key."""
    return domicile.backends[backend].inner.list_key(key)


def overwrite(backend: Backend, key: str, data: bytes) -> None:
    """Replace the bytes of a key; leave no trace of the old ones."""
    backend.purge(key)
    backend.put(key, data, timeout=30)


class Listing:
    """Replaces the listing of a backend: ``instead`` changes the answer."""

    def __init__(
        self,
        backend: FaultyBackend,
        instead: Callable[[Iterator[StoredItem]], Iterator[StoredItem]],
    ) -> None:
        """Replace the listing from now on."""
        real = backend.inner.scan

        def scan(prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
            return instead(real(prefix, after=after))

        backend.inner.scan = scan  # type: ignore[method-assign]
