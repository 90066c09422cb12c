"""Drain a company from a region: empty its backends, see its copies gone, and sign that it is so.

Programs move bytes, ledger entries, keys, and what is under a hold. People move a database, keys
and backups: each such part is on a checklist, and needs an attestation.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import departures, drains, signing_keys, topologies
from storage.catalog.departures import Departure
from storage.catalog.drains import Handover, Kept
from storage.errors import InvalidRequest, Unavailable
from storage.evidence.departures import verify_statement
from storage.evidence.drains import Drain, EmptiedBackend, HandedOver, sign_drain
from storage.evidence.keys import key_id
from storage.model.listing import PartKind
from storage.objects.keyring import KeyRing
from storage.objects.locks import find_locked
from storage.policy import Effort, Locked, effort, is_later, peers
from storage.region import OpenRegion
from storage.text import plural
from storage.workers.loop import duties
from storage.workers.retire import retire

STEWARDED = (PartKind.CATALOG, PartKind.KEYS, PartKind.BACKUPS)
"""What people hand over."""


@dataclass(frozen=True, slots=True)
class Place:
    """A backend of the company: what is there, where it goes, and what its server refuses.

    ``refused``: replicas whose deletion failed, by error code. ``locked``: how long object locks
    keep some of them; None: no lock is known.
    """

    backend: str
    kept: tuple[Kept, ...]
    targets: tuple[str, ...]
    refused: dict[str, int]
    emptied: bool
    effort: Effort
    locked: Locked | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a company has of a region. ``parts``: what it runs or ran, None: not attested yet.

    ``renamed``: replicas by backend that it ran and that the topology gives to another company.
    ``former``: what it ran, took bytes and is not in the topology; None: it was never seen empty.
    ``last``: when a topology was last seen that gives it anything of the region.
    """

    region: str
    company: str
    places: tuple[Place, ...]
    copies: int
    parts: dict[PartKind, Handover | None]
    renamed: dict[str, int]
    former: dict[str, Departure | None]
    last: datetime

    @property
    def open_parts(self) -> tuple[PartKind, ...]:
        """The parts that nobody attests to be handed over."""
        return tuple(part for part, found in self.parts.items() if found is None)


def plan(region: OpenRegion, company: str, *, rate: float | None = None) -> Plan:
    """Return what draining the company from the region takes. Changes nothing.

    ``rate``: replicas a second. Raises InvalidRequest if the company never had anything of it.
    """
    names = [spec.name for spec in region.region.backends if spec.sub_processor == company]
    lawful = region.lawful()
    with region.catalog.begin() as connection:
        had = topologies.parts_of(connection, company, region.name)
        if not had:
            raise InvalidRequest(
                f"{company} never had anything of {region.name}.",
                advice="See: domicile subprocessor list",
            )
        places = []
        for name in names:
            found = tuple(drains.kept(connection, name))
            ended = departures.ended(connection, name)
            total = sum(each.replicas for each in found)
            size = sum(each.bytes for each in found)
            work = effort(total, size, homes=region.region.replicas, rate=rate)
            targets = tuple(n for n in peers(region.region, name) if n in lawful and n not in names)
            refused = drains.refused(connection, name)
            places.append(Place(name, found, targets, refused, ended is not None, work))
        copies = drains.count_copies(connection, company)
        parts = _attested(connection, company, had)
        ran = {name for kind, name in had if kind is PartKind.BACKEND} - set(names)
        here = ran & region.backends.keys()
        renamed = {name: departures.count_left(connection, name) for name in sorted(here)}
        former = _former(connection, region, ran - here)
    last = max(had.values())
    return Plan(region.name, company, tuple(places), copies, parts, renamed, former, last)


def _former(
    connection: Connection, region: OpenRegion, names: Collection[str]
) -> dict[str, Departure | None]:
    """Return how backends that the topology lacks ended. One that never took a byte needs none."""
    found = {name: departures.ended(connection, name) for name in sorted(names)}
    stored = departures.stored_in(connection, region.name)
    return {name: ended for name, ended in found.items() if ended or name in stored}


def with_locks(region: OpenRegion, found: Plan) -> Plan:
    """Return the plan with the object locks that keep what was refused. Asks the backends."""
    places = (
        replace(place, locked=find_locked(region, place.backend)) if place.refused else place
        for place in found.places
    )
    return replace(found, places=tuple(places))


def _attested(
    connection: Connection, company: str, had: Mapping[tuple[PartKind, str], datetime]
) -> dict[PartKind, Handover | None]:
    """Return what people hand over that the company had, with the attestation that counts."""
    found = drains.attested(connection, company)
    given = {part: had[part, ""] for part in STEWARDED if (part, "") in had}
    return {
        part: next((one for one in found.get(part, ()) if is_later(one.at, [last])), None)
        for part, last in given.items()
    }


def attest(region: OpenRegion, company: str, part: PartKind, *, actor: str, document: str) -> bool:
    """Note who attests that a company no longer runs a part of the region. False: that is known.

    ``document``: the SHA-256 of the company's document that says so. Raises InvalidRequest if the
    company never ran the part, or still does by the topology.
    """
    parts = plan(region, company).parts
    if part not in parts:
        raise InvalidRequest(
            f"{company} never ran the {part} of {region.name}.",
            advice="See: domicile subprocessor list",
        )
    if dict(region.region.stewards)[part.value].sub_processor == company:
        raise InvalidRequest(
            f"The topology says that {company} runs the {part} of {region.name}.",
            advice="Name the new company in the region's file first.",
        )
    if parts[part] is not None:
        return False
    with region.catalog.begin() as connection:
        new = Handover(part, actor, document, region.clock.now())
        drains.attest(connection, company, new)
    return True


def drain(
    region: OpenRegion,
    keys: KeyRing,
    company: str,
    log: FilteringBoundLogger,
    *,
    tell: Callable[[int], None],
) -> str:
    """Drain the company as far as it can be now, and return the signed receipt. Repeat to continue.

    ``tell`` is called with the number of replicas that were purged on the backend under way.

    Raises RetirementRefused if the topology does not say that a backend leaves, InvalidRequest, and
    Unavailable if something is left.
    """
    found = plan(region, company)
    for place in found.places:
        try:
            retire(region, keys, place.backend, log, tell=tell)
        except Unavailable as error:
            raise _kept(region, place.backend, error) from error
    for duty in duties(region, keys, log):
        if duty.name == "request_deletion":
            while duty.piece():
                pass
    found = plan(region, company)
    _check_nothing_left(region, found)
    return _sign(region, found)


def _kept(region: OpenRegion, backend: str, error: Unavailable) -> Unavailable:
    """Return the error with the object lock that keeps what is left, if there is one."""
    locked = find_locked(region, backend)
    if locked is None:
        return error
    return Unavailable(
        f"{backend} still has replicas that an object lock keeps ({locked.text}).",
        advice="Domicile did not set it. Run this command again when it has ended. How much is "
        "left: domicile subprocessor drain --dry-run",
    )


def _check_nothing_left(region: OpenRegion, found: Plan) -> None:
    for name, replicas in found.renamed.items():
        if replicas:
            raise Unavailable(
                f"{name} was a backend of {found.company} and has {plural(replicas, 'replica')}, "
                "though the topology now names another company.",
                advice="Name the company that has the bytes, and let the backend retire.",
            )
    for name, ended in found.former.items():
        if ended is None:
            raise Unavailable(
                f"{name} was a backend of {found.company} and was never seen empty.",
                advice=departures.put_back(name),
            )
    if found.copies:
        raise Unavailable(
            f"{found.company} still has {plural(found.copies, 'copy', 'copies')} of {region.name}.",
            advice="They are asked back when their time or the agreement ends. See: domicile "
            "processor copies",
        )
    stewards = dict(region.region.stewards)
    still = [role for role, steward in stewards.items() if steward.sub_processor == found.company]
    if still:
        raise Unavailable(
            f"The topology says that {found.company} runs the {', '.join(still)} of {region.name}.",
            advice="Name the new company in the region's file, then attest the handover.",
        )
    if found.open_parts:
        raise Unavailable(
            f"{found.company} runs or ran the {', '.join(found.open_parts)} of {region.name}.",
            advice="Hand it over, and attest that: domicile subprocessor attest",
        )


def _sign(region: OpenRegion, found: Plan) -> str:
    """Sign that nothing is left, unless the newest receipt is later than all that it is about."""
    with region.catalog.begin() as connection:
        drains.lock(connection)
        names = [*(place.backend for place in found.places), *found.former]
        ended = [departures.ended(connection, name) for name in names]
        emptied = [known for known in ended if known is not None]
        if len(emptied) < len(ended):
            raise Unavailable(
                f"Something new came to {found.company}.", advice="Run the command again."
            )
        known = drains.latest(connection, found.company)
        attested = [part.at for part in found.parts.values() if part is not None]
        since = [found.last, *attested, *(each.begun for each in emptied)]
        if known is not None and is_later(known[1], since):
            return known[0]
        now = region.clock.now()
        receipt = Drain(
            region=region.name,
            sub_processor=found.company,
            topology=region.topology.digest,
            backends=tuple(_emptied(connection, each) for each in emptied),
            handed_over=tuple(
                HandedOver(part=part, actor=h.actor, document=h.document, at=h.at)
                for part, h in found.parts.items()
                if h is not None
            ),
            finished=now,
        )
        token = sign_drain(receipt, region.signing)
        public = region.signing.public_key()
        signing_keys.note(connection, key_id(public), public.public_bytes_raw(), now)
        drains.finish(connection, found.company, token, now)
    return token


def _emptied(connection: Connection, known: Departure) -> EmptiedBackend:
    token = known.token or ""
    keys = [Ed25519PublicKey.from_public_bytes(k) for k, *_ in signing_keys.history(connection)]
    statement = verify_statement(token, {key_id(key): key for key in keys})
    return EmptiedBackend(
        backend=known.backend,
        located=statement.located,
        replicas=known.replicas,
        bytes=known.bytes,
        statement=hashlib.sha256(token.encode()).hexdigest(),
        attested=statement.attested,
    )
