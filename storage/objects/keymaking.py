"""Making key objects: announced, written once per backend, read back, and only then used.

Keys that are wanted at the same time are made together, each an object of its own: two commits for
all, where a thousand dedicated tenants would need two each with their first record of a day.
"""

import hashlib
import hmac
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import daykeys, days, objects, tenants
from storage.catalog.daykeys import Slot
from storage.catalog.engine import share_tenants
from storage.catalog.kinds import ObjectKind
from storage.catalog.tenants import TenantTerms
from storage.crypto.keyobject import key_context
from storage.crypto.record import new_key
from storage.errors import BackendError, Corrupt, DomicileError, TermsChanged, TooFewReplicas
from storage.objects import write
from storage.objects.transfer import Sent
from storage.objects.write import Contents, Done, Write
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is wanted. ``slot``: of a day key.

    ``terms``: those by which its backends were chosen.
    """

    kind: ObjectKind
    backends: Sequence[str]
    required: int
    tenant: str | None = None
    terms: TenantTerms | None = None
    slot: Slot | None = None

    @property
    def contents(self) -> Contents:
        """What its object holds."""
        return Contents(self.kind, self.slot[0] if self.slot else None, self.tenant)


Made = tuple[UUID, bytes | None]
"""The key to use from now on. None: another process has made it, or the key service keeps it."""


@dataclass(frozen=True, slots=True)
class _Making:
    new: NewKey
    write: Write
    key: bytes | None = field(repr=False)  # None: it stays in the key service
    sealed: bytes = field(repr=False)


def make_keys(region: OpenRegion, wanted: Sequence[NewKey]) -> list[Made | DomicileError]:
    """Write one or more keys, of slots that differ. An error of one is in its place of the list.

    It is TermsChanged, or TooFewReplicas, also if the day has expired.
    """
    announced = _announce(region, wanted)
    begun = [one for one in announced if isinstance(one, _Making)]
    ends = [one.write.start(one.sealed) for one in begun]
    sent = [_read_back(region, one, end()) for one, end in zip(begun, ends, strict=True)]
    used = region.catalog.run(lambda c: _commit(region, c, begun, sent)) if begun else []
    made: dict[UUID, Made | DomicileError] = {}
    for one, there, key_id in zip(begun, sent, used, strict=True):
        mine = one.key if key_id == one.write.id else None
        made[one.write.id] = TooFewReplicas(there.causes) if key_id is None else (key_id, mine)
    return [made[one.write.id] if isinstance(one, _Making) else one for one in announced]


def _announce(region: OpenRegion, wanted: Sequence[NewKey]) -> list[_Making | DomicileError]:
    terms = {new.terms.spec.id: new.terms for new in wanted if new.terms is not None}
    with region.catalog.begin() as connection:
        share_tenants(connection, list(terms))
        current = tenants.versions(connection, terms) if terms else {}
        fit = [new.terms is None or _is_current(new.terms, current) for new in wanted]
        given = [(n.contents, n.backends) for n, fits in zip(wanted, fit, strict=True) if fits]
        writes = iter(write.announce_all(region, connection, given) if given else [])
        found: list[_Making | DomicileError] = []
        for new, fits in zip(wanted, fit, strict=True):
            if not fits:
                found.append(TermsChanged(advice="Try again."))
                continue
            found.append(_make(region, new, next(writes)))
        slots = [
            (one.write.id, one.new.slot)
            for one in found
            if isinstance(one, _Making) and one.new.slot is not None
        ]
        daykeys.announce(connection, slots)
    return found


def _make(region: OpenRegion, new: NewKey, announced: Write) -> _Making:
    """Make a key. A hold key is made where it stays: people alone open what it wraps."""
    if new.kind is ObjectKind.HOLD_KEY:
        sealed = region.roots.create(key_context(announced.id, hold=True))
        return _Making(new, announced, None, sealed)
    key = new_key(region.entropy)
    return _Making(new, announced, key, region.roots.wrap(key, key_context(announced.id)))


def _is_current(terms: TenantTerms, current: dict[str, int]) -> bool:
    return current.get(terms.spec.id) == terms.version


def _read_back(region: OpenRegion, making: _Making, sent: Sent) -> Sent:
    """Count a replica only if its backend returns the key: losing it would lose a day."""
    failed = {}
    reads: dict[UUID, Future[bytes]] = {
        replica.id: region.readers.submit(region.backends[replica.backend].get, replica.key)
        for replica in sent.good
    }
    for replica, reading in reads.items():
        try:
            if not hmac.compare_digest(reading.result(), making.sealed):
                failed[replica] = Corrupt.__name__
        except BackendError as error:
            failed[replica] = error.code
    return sent.without(failed)


def _commit(
    region: OpenRegion, connection: Connection, begun: Sequence[_Making], sent: Sequence[Sent]
) -> list[UUID | None]:
    """Return the keys to use from now on. None: too few replicas, or the day has expired."""
    wanted = {one.new.slot[0] for one in begun if one.new.slot is not None}
    over = {day for day in sorted(wanted) if not days.is_open(connection, day)}
    done = []
    for one, there in zip(begun, sent, strict=True):
        expired = one.new.slot is not None and one.new.slot[0] in over
        if len(there.good) < one.new.required or expired:
            one.write.reject(connection, there)
            continue
        digest = hashlib.sha256(one.sealed).digest()
        done.append(Done(one.write, there, len(one.sealed), digest))
    stored = write.commit_all(region, connection, done) if done else set()
    slots = {
        one.write.id: one.new.slot
        for one in begun
        if one.write.id in stored and one.new.slot is not None
    }
    claimed = daykeys.claim(connection, slots) if slots else {}
    unused = [key_id for key_id, used in claimed.items() if used != key_id]
    objects.mark_for_purge(connection, unused, region.clock.now())
    return [claimed.get(i, i) if i in stored else None for i in (one.write.id for one in begun)]
