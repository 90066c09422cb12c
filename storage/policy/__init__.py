"""Decisions, and the reasons for them. Pure: no I/O, no clock, no SQL; ``now`` is an argument."""

from storage.policy.access import OPEN_PURPOSES, Access, may_open, may_open_held
from storage.policy.erasure import (
    STRAY_GRACE,
    Absence,
    ObjectPlan,
    Permit,
    absent,
    clocks_agree,
    cutoff,
    fence_until,
    ledger_from,
    may_destroy,
    plan_object,
)
from storage.policy.horizon import horizon_alarm, horizon_wanted
from storage.policy.lateness import (
    Lateness,
    Pace,
    Step,
    erasure_lateness,
    expiry_lateness,
    key_copies,
)
from storage.policy.placement import Placement, admit, place, well_formed
from storage.policy.retention import Term, accept_id, retain, term_of, too_old
from storage.policy.scrub import Done, Expected, Finding, judge, next_scrub, rehomed, sampled

__all__ = [
    "OPEN_PURPOSES",
    "STRAY_GRACE",
    "Absence",
    "Access",
    "Done",
    "Expected",
    "Finding",
    "Lateness",
    "ObjectPlan",
    "Pace",
    "Permit",
    "Placement",
    "Step",
    "Term",
    "absent",
    "accept_id",
    "admit",
    "clocks_agree",
    "cutoff",
    "erasure_lateness",
    "expiry_lateness",
    "fence_until",
    "horizon_alarm",
    "horizon_wanted",
    "judge",
    "key_copies",
    "ledger_from",
    "may_destroy",
    "may_open",
    "may_open_held",
    "next_scrub",
    "place",
    "plan_object",
    "rehomed",
    "retain",
    "sampled",
    "term_of",
    "too_old",
    "well_formed",
]
