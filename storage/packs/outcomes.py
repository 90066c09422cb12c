"""What each caller is answered, also when the answer to a commit was lost."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import objects, records
from storage.catalog.records import Row
from storage.catalog.refusals import unavailable
from storage.errors import (
    CatalogUnavailable,
    ConfigurationError,
    DomicileError,
    IdConflict,
    OutcomeUnknown,
)
from storage.model import PutResult
from storage.objects.keyring import KeyRing
from storage.packs.sealed import SealedRecord
from storage.policy import term_now
from storage.region import OpenRegion

Outcomes = list[tuple[SealedRecord, DomicileError | Row | None]]
"""What to answer for each record. None: stored. A row: a record with this id was there before."""


def after_lost_commit(
    region: OpenRegion,
    keys: KeyRing,
    pack: UUID,
    batch: Sequence[SealedRecord],
    error: Exception,
) -> None:
    """Find out what became of the commit of a pack whose answer was lost; answer each caller."""

    def work(connection: Connection) -> Outcomes | None:
        known = objects.find_object(connection, pack, lock=True)
        if known is not None and known.size is None:  # the commit did not happen
            objects.mark_for_purge(connection, [pack], region.clock.now())
            return None
        stored = records.find_all(connection, {(r.tenant, r.id) for r in batch})
        return [
            (r, stored[r.name].row if r.name in stored else OutcomeUnknown(str(r.id)))
            for r in batch
        ]

    try:
        outcomes = region.catalog.run(work)
    except (CatalogUnavailable, ConfigurationError):
        for record in batch:
            unknown = OutcomeUnknown(str(record.id))
            unknown.__cause__ = error
            record.fail(unknown)
        return
    if outcomes is None:
        failure = unavailable(region.name)
        failure.__cause__ = error
        for record in batch:
            record.fail(failure)
    else:
        resolve(region, keys, outcomes)


def resolve(region: OpenRegion, keys: KeyRing, outcomes: Outcomes) -> None:
    """Answer each caller."""
    for record, outcome in outcomes:
        if outcome is None:
            record.succeed()
        elif isinstance(outcome, DomicileError):
            record.fail(outcome)
        else:
            _answer_again(region, keys, record, outcome)


def _answer_again(region: OpenRegion, keys: KeyRing, record: SealedRecord, row: Row) -> None:
    """The id is taken. Same content: give the same answer. Other content: IdConflict."""
    try:
        same = keys.matches(row, record.whole())
    except DomicileError as error:
        record.fail(error)
        return
    if (record.readable_until is None) != (row.readable_until is None):
        record.fail(IdConflict("One write says when reading ends, and the other does not."))
    elif same:
        own = record.terms.spec.retention
        term = term_now(region.topology, own, row.id, row.origin_date, row.readable_until)
        record.answer.set_result(PutResult(row.id, stored=True, deadline=term.deadline))
    else:
        record.fail(IdConflict(advice="Mint another id; the record that has this one stays."))
