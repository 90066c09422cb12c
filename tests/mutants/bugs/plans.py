"""Bugs in the plans by which a process writes."""

from tests.mutants.bugs.bug import Bug, bug

PLANS = "tests/unit/test_plans.py"
WRITES = "tests/integration/test_planned_writes.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a plan holds after its end",
        "policy/plans.py",
        "self.begins <= moment < self.ends",
        "self.begins <= moment",
        PLANS,
    ),
    bug(
        "a plan holds until midnight, though records expire a day later before",
        "policy/plans.py",
        "min(midnight(begins.date() + _DAY), later)",
        "midnight(begins.date() + _DAY)",
        PLANS,
    ),
    bug(
        "a plan holds past midnight",
        "policy/plans.py",
        "min(midnight(begins.date() + _DAY), later)",
        "later",
        PLANS,
    ),
    bug(
        "an id is accepted by a plan that does not cover the moment",
        "policy/plans.py",
        "if not (self.covers(record_id.minted) and self.covers(moment)):",
        "if not self.covers(record_id.minted):",
        PLANS,
    ),
    bug(
        "an id is accepted by a plan that began after it was minted",
        "policy/plans.py",
        "if not (self.covers(record_id.minted) and self.covers(moment)):",
        "if not self.covers(moment):",
        PLANS,
    ),
    bug(
        "data from before is accepted as if it came in now",
        "policy/plans.py",
        "if origin is not None:",
        "if False:",
        PLANS,
    ),
    bug(
        "a plan goes to a backend that was closed since",
        "packs/plans.py",
        "kept.closed != closed or ",
        "",
        WRITES,
    ),
    bug(
        "a plan outlives the terms of the tenant",
        "packs/plans.py",
        "return same and kept.plan.covers(now)",
        "return kept.plan.covers(now)",
        WRITES,
    ),
    bug(
        "a process writes by a plan that has ended",
        "packs/plans.py",
        "return same and kept.plan.covers(now)",
        "return same",
        WRITES,
    ),
)
