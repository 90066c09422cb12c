"""Records by tenant and class, and how many of them are at a company: all in one snapshot."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    Subquery,
    Uuid,
    any_,
    func,
    literal,
    null,
    select,
    union_all,
)

from regions.model import DataClass
from storage.catalog import tables as t
from storage.catalog import tenants
from storage.catalog.tenants import TenantTerms
from storage.model import CopyState, ReplicaState

r, x = t.replica.c, t.processor_copy.c

_PAGE = 1000  # tenants that are in memory at once


@dataclass(frozen=True, slots=True)
class Counts:
    """What a tenant has of a class. ``bytes``: sealed, one replica each.

    ``there``: with a replica on one of the backends that were asked for. ``copies``: at the
    processors that were asked for.
    """

    records: int
    bytes: int
    there: int
    bytes_there: int
    copies: int


def tenants_with_counts(
    connection: Connection, backends: Collection[str], processors: Collection[str]
) -> Iterator[tuple[TenantTerms, dict[DataClass, Counts]]]:
    """Yield every tenant of the region with what it has of each class, in bounded memory.

    The transaction must be a snapshot: the terms are read while the counts are streamed.
    """
    rows = connection.execution_options(yield_per=_PAGE).execute(_counted(backends, processors))
    by_tenant = ((name, _classes(some)) for name, some in groupby(rows, lambda row: str(row.id)))
    while page := list(islice(by_tenant, _PAGE)):
        terms = tenants.find_all(connection, [name for name, _ in page])
        yield from ((terms[name], counts) for name, counts in page)


def _classes(rows: Iterator[Row[*tuple[Any, ...]]]) -> dict[DataClass, Counts]:
    return {
        DataClass(row.data_class): Counts(
            row.records, int(row.bytes), row.there, int(row.bytes_there), int(row.copies)
        )
        for row in rows
        if row.data_class is not None
    }


def _counted(backends: Collection[str], processors: Collection[str]) -> Select[*tuple[Any, ...]]:
    """SQL: each tenant with its counts by class, in the order of tenants."""
    there = (
        select(r.object_id)
        .distinct()
        .where(
            r.backend == any_(literal(list(backends), t.object_.c.backends.type)),
            r.state.in_((ReplicaState.WRITING, ReplicaState.STORED)),
        )
        .subquery("there")
    )
    every = _each(processors)
    each = every.c
    record = each.copies == 0
    counted = (
        select(
            each.tenant,
            each.data_class,
            func.count().filter(record).label("records"),
            func.sum(each.length).label("bytes"),
            func.count(there.c.object_id).label("there"),
            func.coalesce(func.sum(each.length).filter(there.c.object_id.is_not(None)), 0).label(
                "bytes_there"
            ),
            func.sum(each.copies).label("copies"),
        )
        .select_from(every)
        .outerjoin(there, there.c.object_id == each.object_id)
        .group_by(each.tenant, each.data_class)
        .subquery("counted")
    )
    h = t.tenant.c
    return (
        select(h.id, *(column for column in counted.c if column.name != "tenant"))
        .outerjoin(counted, counted.c.tenant == h.id)
        .order_by(h.id)
    )


def _each(processors: Collection[str]) -> Subquery:
    """SQL: a row for each record, and for each copy at these processors."""
    none = literal(0, BigInteger)
    of_records = [
        select(c.tenant, c.data_class, c.object_id, c.length, none.label("copies"))
        for c in (t.record.c, t.file.c, t.held.c)
    ]
    asked = x.processor == any_(literal(list(processors), t.object_.c.backends.type))
    nothing = null().cast(Uuid).label("object_id")
    of_copies = select(
        x.tenant,
        x.data_class,
        nothing,
        none.label("length"),
        literal(1, BigInteger).label("copies"),
    ).where(asked, x.state != CopyState.CONFIRMED)
    return union_all(*of_records, of_copies).subquery("each")
