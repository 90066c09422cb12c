"""An opened region: the parts that its writer, reader and workers share."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.model import Region, Topology
from storage.backends.health import WatchedBackend
from storage.catalog.engine import Catalog
from storage.catalog.purges import Visibility
from storage.catalog.row_ids import new_id
from storage.crypto.log import verifier
from storage.crypto.pseudonym import Pseudonyms
from storage.errors import BackendUnavailable
from storage.meters import Meters
from storage.model import Entropy, Posture, PostureState
from storage.policy import attested_from, weigh
from storage.policy.standing import Standing, standing
from storage.ports import Clock, Connector, ItemKind, KeyService, Witness
from storage.postures import Postures
from storage.sessions import Session
from storage.tlog.checkpoints import Trust

_KINDS = {
    "versions": (ItemKind.VERSION, ItemKind.MARKER),
    "uploads": (ItemKind.UPLOAD,),
}


CLOSE: Final = 60.0
"""Seconds for which closing a store waits for writes, or for calls of asyncio."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The memory that a process may use, and how long it waits. Bytes and seconds."""

    attempt: float = 10.0  # one PUT of one pack to one backend
    delivery: float = 30.0  # one copy to one processor
    pack: int = 8 * 1024 * 1024
    pack_records: int = 4096
    packs: int = 16  # packs of different tenants that share two commits
    buffer: int = 64 * 1024 * 1024  # of records that wait to be flushed
    linger: float = 0.5  # how long bulk writes wait for a pack to fill, while more may come
    gather: float = 0.005  # how long callers wait for those who were answered together
    own_pack: int = 256 * 1024  # a body of this size or more is a pack of its own
    body: int = 16 * 1024 * 1024  # the largest body; a file has no limit
    stall: float = 120.0  # the longest pause of a streamed body
    wait: float = 30.0  # how long a caller waits for room in the buffer
    close: float = CLOSE  # how long closing waits for what is queued


class Backends(dict[str, WatchedBackend]):
    """The backends of a region by name, in the order of the topology.

    One that the topology does not name any more fails like one that does not respond: the callers
    go on to the next replica.
    """

    def __missing__(self, name: str) -> WatchedBackend:
        """Raise BackendUnavailable."""
        raise BackendUnavailable(name, "it is not in the topology")


@dataclass(frozen=True, slots=True)
class OpenRegion:
    """One region that this process serves."""

    topology: Topology
    region: Region
    catalog: Catalog
    session: Session
    backends: Backends
    postures: Postures
    connectors: Mapping[str, Connector]
    witnesses: Sequence[Witness]  # of its log
    roots: KeyService
    pseudonyms: Pseudonyms
    signing: Ed25519PrivateKey
    log_keys: tuple[Ed25519PrivateKey, ...]  # of checkpoints: the one that signs, then former ones
    clock: Clock
    entropy: Entropy
    pool: Executor
    readers: Executor
    limits: Limits
    meters: Meters

    @property
    def name(self) -> str:
        """The region's name."""
        return self.region.name

    @property
    def log_trust(self) -> Trust:
        """Whose signatures count on the region's own log: its keys, former ones too."""
        return Trust(tuple(verifier(self.name, key) for key in self.log_keys))

    def standings(self) -> dict[str, Standing]:
        """Return what each backend may do today, primary first."""
        today, companies = self.clock.now().date(), self.topology.sub_processors
        return {
            spec.name: standing(spec, companies[spec.sub_processor], today)
            for spec in self.region.backends
        }

    def lawful(self) -> tuple[str, ...]:
        """Return the backends where bytes may be today, primary first."""
        return tuple(n for n, found in self.standings().items() if found is Standing.OPEN)

    def open_backends(self) -> tuple[str, ...]:
        """Return the lawful backends to which something new may go now, primary first.

        Call it outside of a transaction.
        """
        closed = self.postures.closed()
        return tuple(name for name in self.lawful() if name not in closed)

    def readable(self, backend: str) -> WatchedBackend:
        """Return a backend for a read for a purpose.

        Raises BackendUnavailable if its agreement does not cover today, or the topology lacks it.
        """
        if not self.standings().get(backend, Standing.OPEN).readable:
            raise BackendUnavailable(backend, "its agreement does not cover today")
        return self.backends[backend]

    def posture_states(self) -> dict[str, PostureState]:
        """Return what is known of the postures of the backends that have one.

        Call it outside of a transaction.
        """
        known, closed = self.postures.known(), self.postures.closed()
        today = self.clock.now().date()
        attested = {spec.name: spec.posture_attested for spec in self.region.backends}
        states = {}
        for name, found in known.items():
            findings: Posture = found.findings if found else {}
            states[name] = PostureState(
                name,
                found.read if found else None,
                weigh(findings, attested.get(name), today),
                closed=closed.get(name),
                attested_from=attested_from(findings, attested.get(name), today),
            )
        return states

    def new_uuid(self, now: datetime) -> UUID:
        """Return an id for a row or a key, ordered by time."""
        return new_id(now, self.entropy(10))

    def lands_by(self, backend: str, deadline: datetime) -> datetime:
        """Return when a write that ends at ``deadline`` can no longer take effect on a backend."""
        return deadline + self.backends[backend].longest_request

    def visibility(
        self, backend: str, posture: PostureState | None = None, *, lost: bool = False
    ) -> Visibility:
        """Return what a listing of a backend proves today. Raises KeyError for another region's.

        ``lost``: about what was in storage that a person attests to be lost. It proves nothing.
        """
        spec = {spec.name: spec for spec in self.region.backends}[backend]
        listed = self.backends[backend].listable
        sees: frozenset[ItemKind] = frozenset() if lost else listed
        vouched = {kind for what in spec.attested_off for kind in _KINDS[what]} | listed
        return Visibility(
            spec.sub_processor,
            spec.located,
            tuple(sorted(sees)),
            tuple(sorted(vouched - sees)),
            posture.note() if posture is not None else None,
        )

    def deadline(self, now: datetime, lasts: float | None = None) -> datetime:
        """Return the latest end of a write that begins now, plus the error of the clock.

        ``lasts``: seconds that it may take (default: one PUT).
        """
        return now + timedelta(seconds=lasts or self.limits.attempt) + 2 * self.clock.error
