"""The tables of a region's catalog. ``migrations`` creates them; a test compares the two.

Where a Python name differs from the name in SQL, SQL keeps the older word. No foreign key points
to a partitioned table, and there is no DEFAULT partition: with either, a partition could not be
detached concurrently.
"""

from storage.catalog.tables.access import (
    access_grant,
    former_login,
    grant_approval,
    grant_revocation,
    grant_use,
    roster,
)
from storage.catalog.tables.agreements import (
    agreement_entry,
    exit_choice,
    exit_step,
    tenant_removal,
)
from storage.catalog.tables.api_keys import api_key
from storage.catalog.tables.base import Moment, metadata
from storage.catalog.tables.consents import consent
from storage.catalog.tables.copies import erasure_copy, processor_copy
from storage.catalog.tables.erasures import (
    deferral,
    erasure,
    erasure_object,
    fence,
    receipt,
    retention_look,
)
from storage.catalog.tables.holds import audit, hold, hold_carve_out, hold_change
from storage.catalog.tables.log import (
    log_checkpoint,
    log_cosignature,
    log_line,
    log_state,
    log_tile,
)
from storage.catalog.tables.objects import (
    absence,
    day_key,
    departure,
    ledger_place,
    object_,
    orphan,
    posture,
    replica,
    scrub,
    statement,
    sweep,
)
from storage.catalog.tables.records import day, file, held, held_binding, record
from storage.catalog.tables.region import (
    backend_storage,
    catalog_info,
    cell_choice,
    directory,
    drain,
    handover,
    objection,
    objection_in_force,
    pseudonym_key,
    region_stage,
    region_statement,
    retirement,
    signing_key,
    tenant,
    topology_seen,
)
from storage.catalog.tables.training import (
    erasure_training,
    tenant_model,
    training_confirmation,
    training_exclusion,
    training_read,
    training_use,
)

__all__ = [
    "Moment",
    "absence",
    "access_grant",
    "agreement_entry",
    "api_key",
    "audit",
    "backend_storage",
    "catalog_info",
    "cell_choice",
    "consent",
    "day",
    "day_key",
    "deferral",
    "departure",
    "directory",
    "drain",
    "erasure",
    "erasure_copy",
    "erasure_object",
    "erasure_training",
    "exit_choice",
    "exit_step",
    "fence",
    "file",
    "former_login",
    "grant_approval",
    "grant_revocation",
    "grant_use",
    "handover",
    "held",
    "held_binding",
    "hold",
    "hold_carve_out",
    "hold_change",
    "ledger_place",
    "log_checkpoint",
    "log_cosignature",
    "log_line",
    "log_state",
    "log_tile",
    "metadata",
    "object_",
    "objection",
    "objection_in_force",
    "orphan",
    "posture",
    "processor_copy",
    "pseudonym_key",
    "receipt",
    "record",
    "region_stage",
    "region_statement",
    "replica",
    "retention_look",
    "retirement",
    "roster",
    "scrub",
    "signing_key",
    "statement",
    "sweep",
    "tenant",
    "tenant_model",
    "tenant_removal",
    "topology_seen",
    "training_confirmation",
    "training_exclusion",
    "training_read",
    "training_use",
]
