"""What a change of the topology would mean for the tenants of the regions, row by row."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, fields

from regions.model import RECORD_CLASSES
from storage.catalog.engine import Catalog
from storage.catalog.tenants import TenantTerms
from storage.catalog.times import SNAPSHOT
from storage.catalog.what_if import Counts, tenants_with_counts
from storage.cli.reason_texts import reason_text
from storage.errors import Refused
from storage.model import DataClass
from storage.policy import Change, Evaluation, Means

_NOTHING = Counts(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """What the change means for the records that a tenant has of a class.

    ``records`` and ``bytes``: that have a replica at the company that goes; if none goes, those of
    the class. ``copies``: at a processor that goes. ``leaves``: backends that it goes from; ``to``:
    where new records go; ``reached``: new companies that get them. ``refused``: why writes would
    be refused.
    """

    region: str
    tenant: str
    data_class: DataClass
    records: int
    bytes: int
    copies: int
    leaves: tuple[str, ...]
    to: tuple[str, ...]
    reached: tuple[str, ...]
    refused: str


@dataclass(slots=True)
class Total:
    """The sums of the rows of one region and class that mean the same."""

    tenants: int = 0
    records: int = 0
    bytes: int = 0
    copies: int = 0


Kind = tuple[str, DataClass, tuple[str, ...], tuple[str, ...], tuple[str, ...], str]
"""Region, class, and what a row means apart from its tenant."""


@dataclass(slots=True)
class Report:
    """The totals of all rows, and the first ``limit`` of them."""

    limit: int
    tenants: int = 0
    refused: int = 0
    totals: dict[Kind, Total] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    _last: tuple[str, str] | None = None
    _last_refused: tuple[str, str] | None = None

    def add(self, row: Row) -> None:
        """Count a row. The rows of one tenant come one after the other."""
        kind = row.region, row.data_class, row.leaves, row.to, row.reached, row.refused
        total = self.totals.setdefault(kind, Total())
        total.tenants += 1
        total.records += row.records
        total.bytes += row.bytes
        total.copies += row.copies
        who = row.region, row.tenant
        self.tenants += who != self._last
        self._last = who
        if row.refused:
            self.refused += who != self._last_refused
            self._last_refused = who
        if len(self.rows) < self.limit:
            self.rows.append(row)

    @property
    def more(self) -> bool:
        """Whether there are rows that are not in ``rows``."""
        return sum(total.tenants for total in self.totals.values()) > len(self.rows)


def affected(catalogs: Mapping[str, Catalog], changed: Change) -> Iterator[Row]:
    """Yield a row for each tenant and class that the change affects, from snapshots."""
    evaluation = Evaluation(changed)
    for region, catalog in catalogs.items():
        specs = changed.before.regions[region].backends
        going = [spec.name for spec in specs if spec.sub_processor in changed.removed]
        with catalog.within(SNAPSHOT).begin() as connection:
            found = tenants_with_counts(connection, going, changed.removed)
            for terms, counts in found:
                yield from _rows(region, changed, evaluation, terms, counts)


def _rows(
    region: str,
    changed: Change,
    evaluation: Evaluation,
    terms: TenantTerms,
    counts: Mapping[DataClass, Counts],
) -> Iterator[Row]:
    for data_class in (one for one in changed.before.classes if one in RECORD_CLASSES):
        has = counts.get(data_class, _NOTHING)
        means = evaluation.means(terms.spec, data_class, terms.objections)
        if not (has.there or has.copies or means.reached or means.refused):
            continue
        records, size = (
            (has.there, has.bytes_there) if changed.removed else (has.records, has.bytes)
        )
        yield Row(
            region,
            terms.spec.id,
            data_class,
            records,
            size,
            has.copies,
            means.leaves if has.there else (),
            means.to,
            means.reached,
            _why(means),
        )


def _why(means: Means) -> str:
    if means.refused is None:
        return ""
    reasons = means.refused.reasons if isinstance(means.refused, Refused) else ("unknown_class",)
    return "; ".join(reason_text(code) for code in reasons)


def as_csv(rows: Iterator[Row], report: Report) -> Iterator[bytes]:
    """Yield all rows as CSV, and add them to the report."""
    yield _line([one.name for one in fields(Row)])
    for row in rows:
        report.add(row)
        cells = (" ".join(x) if isinstance(x, tuple) else x for x in astuple(row))
        yield _line(list(cells))


def _line(cells: list[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
