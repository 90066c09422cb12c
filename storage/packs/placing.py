"""Decide where a record goes, and once more if a new UTC day begins before it is stored.

Agreements begin and end with days. What was decided yesterday says nothing of a write that goes on.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from storage.catalog.tenants import TenantTerms
from storage.errors import DomicileError, TermsChanged
from storage.model import DataClass, PlacementReason
from storage.packs.sealed import SealedRecord
from storage.policy import Placement, decide_placement
from storage.region import OpenRegion

_NONE: Final[Mapping[str, PlacementReason]] = {}  # postures are looked at while bytes are sent


def place(
    region: OpenRegion,
    terms: TenantTerms,
    data_class: DataClass,
    on: date,
    closed: Mapping[str, PlacementReason] = _NONE,
) -> Placement:
    """Return where a record goes on that UTC day. Raises the refusal if there is one."""
    found = decide_placement(
        region.topology, terms.spec, data_class, on, closed, objections=terms.objections
    )
    return found.demand()


def misplaced(region: OpenRegion, record: SealedRecord, on: date) -> DomicileError | None:
    """Return why a record that was placed on an earlier day may not be stored so on this one."""
    if on <= record.placed:
        return None
    try:
        lawful = place(region, record.terms, record.id.data_class, on).lawful
    except DomicileError as refusal:
        return refusal
    if not set(record.lane.backends) <= set(lawful):
        return TermsChanged("A backend that the record goes to takes nothing new from today on.")
    return None
