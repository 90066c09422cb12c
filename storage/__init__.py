"""Domicile: a data-residency-aware storage layer for LLM API data. The public names."""

from storage.bootstrap import open_store
from storage.errors import *  # noqa: F403
from storage.model import (
    AccountErasure,
    Agreement,
    DataClass,
    Dpa,
    Erasure,
    ErasureState,
    Explanation,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    Record,
    RecordId,
    RecordInfo,
    Scope,
    TenantSpec,
)
