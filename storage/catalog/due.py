"""What is due, counted by duty with the queries that the duties themselves select from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select

from storage.catalog import (
    agreements,
    checkpoints,
    consents,
    copies,
    days,
    departures,
    erasure_status,
    erasures,
    exits,
    fences,
    holds,
    identity,
    ledger,
    log,
    objections,
    objects,
    purges,
    reaping,
    roster,
    scrubs,
    shortening,
    sweeps,
    training,
)
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind
from storage.tlog.checkpoints import Trust

COUNTED = 10_000
"""Rows of one query are counted up to this; it means that many or more."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The moments that decide what is due, and what else the duties of a region depend on.

    ``stale``: a writer with an earlier deadline is gone. ``unused``: a key that was announced
    earlier and that no row uses is purged. ``entries``, ``erasures``, ``holds``, ``consents``,
    ``agreements``, ``objections``, ``roster`` and ``log``: what is older is deleted. ``days``:
    those that must have a partition. ``rules``: the digest of what the topology says of retentions.
    ``leaving``: backends that are to be emptied. ``ending``: processors whose agreement ends, so
    that all their copies are due. ``trust``: whose checkpoints of the log count. ``seal``: if the
    newest was signed after that, lines that nobody waits for are not sealed yet.
    """

    now: datetime
    stale: datetime
    unused: datetime
    entries: datetime
    erasures: datetime
    holds: datetime
    consents: datetime
    agreements: datetime
    objections: datetime
    roster: datetime
    log: datetime
    days: Sequence[date]
    rules: str
    backends: Sequence[str]
    leaving: Sequence[str]
    ending: Sequence[str]
    trust: Trust
    seal: datetime


def count_due(connection: Connection, at: Cutoffs) -> dict[str, int]:
    """Return for each duty how many things are due."""
    unread = identity.unread(connection)
    counts = {"partitions": len(days.missing(connection, at.days)), "catch_up": len(unread)}
    for duty, queries in _queries(connection, at).items():
        blocked = duty == "complete" and unread
        counted = (count_up_to(connection, query, COUNTED) for query in queries)
        counts[duty] = 0 if blocked else sum(counted)
    return counts


def _queries(connection: Connection, at: Cutoffs) -> dict[str, list[Select[*tuple[Any, ...]]]]:
    keys = [reaping.unused_keys(kind, at.unused) for kind in ObjectKind if kind.precedes_rows]
    return {
        "reap": [reaping.stale(at.stale), *keys],
        "resolve": [ledger.stale(at.stale)],
        "release": [holds.to_resume()],
        "exits": [exits.due(at.now.date())],
        "shorten": [shortening.to_look(at.rules, at.now.date())],
        "plan": [erasures.to_plan()],
        "expire": [days.to_begin(at.now), days.to_advance(at.now)],
        "replicate": [objects.due("replicate_at", at.now)],
        "vacate": [departures.to_move(at.leaving, at.now)],
        "evacuate": [objections.due(at.now)],
        "compact": [objects.due("compact_at", at.now)],
        "purge": [purges.due(at.now)],
        "request_deletion": [copies.due(at.now, at.ending)],
        "sweep": [sweeps.wanted(at.now), sweeps.due(at.now)],
        "complete": [erasure_status.to_complete()],
        "seal": checkpoints.to_seal(connection, at.trust, at.seal),
        "prune": [
            fences.old(at.stale),
            purges.old_objects(at.now),
            purges.old_replicas(at.now),
            copies.old(),
            erasures.old(at.erasures),
            holds.old(at.holds),
            consents.old(at.consents),
            agreements.old(at.agreements.date()),
            objections.old(at.objections),
            roster.old(at.roster),
            training.old(at.consents),
        ],
        "prune_ledger": [ledger.old(connection, at.entries)],
        "prune_log": [log.to_forget(at.log, checkpoints.published_size(connection, at.trust))],
        "scrub": [scrubs.due(at.backends, at.now)],
    }
