"""Bugs in the listings that precede a receipt."""

from tests.mutants.bugs.bug import bug

SWEEPS = "tests/integration/test_sweeps.py"

BUGS = (
    bug(
        "a receipt does not wait for a sweep",
        "catalog/erasure_waits.py",
        "    return and_(all_is_gone(), ~exists().where(noted, is_unswept()))\n",
        "    return all_is_gone()\n",
        SWEEPS,
    ),
    bug(
        "a sweep counts for what went after its beginning",
        "catalog/erasure_waits.py",
        "or_(r.swept.is_(None), r.swept < o.absence)",
        "r.swept.is_(None)",
        SWEEPS,
    ),
    bug(
        "a piece of a sweep counts as all of it",
        "workers/sweep.py",
        "            return _Outcome(one, last, orphans)\n",
        "            return _Outcome(one, last, orphans, over=True)\n",
        SWEEPS,
    ),
    bug(
        "a sweep forgets the orphans of its last piece",
        "workers/sweep.py",
        "    orphans = one.orphans\n",
        "    orphans = 0\n",
        SWEEPS,
    ),
    bug(
        "a sweep needs no control",
        "workers/sweep.py",
        "        error = outcome.error or unlisted[outcome.sweep.backend]\n",
        "        error = outcome.error\n",
        SWEEPS,
    ),
    bug(
        "the control of a sweep is listed with another call",
        "workers/sweep.py",
        "control.check(region, planted, scan=True)",
        "control.check(region, planted)",
        SWEEPS,
    ),
    bug(
        "a foreign name is no orphan",
        "workers/sweep.py",
        "    foreign = len(page) - len(keys)",
        "    foreign = 0",
        SWEEPS,
    ),
    bug(
        "a key that keeps changing is no orphan",
        "workers/sweep.py",
        "    if inspected is None:\n        return True\n",
        "    if inspected is None:\n        return False\n",
        SWEEPS,
    ),
    bug(
        "an orphan in its grace period counts as purged",
        "workers/sweep.py",
        "not in (Done.PURGED, Done.PURGING)",
        "not in (Done.PURGED, Done.PURGING, Done.WAITING)",
        SWEEPS,
    ),
    bug(
        "a listing is believed without a second look",
        "workers/sweep.py",
        "    inspected = inspect(target, key)\n",
        "    return True\n    inspected = inspect(target, key)\n",
        SWEEPS,
    ),
    bug(
        "a row that says it is gone names its key",
        "catalog/sweeps.py",
        ", r.state != ReplicaState.GONE)\n",
        ")\n",
        SWEEPS,
    ),
    bug(
        "a row of another backend names a key",
        "catalog/sweeps.py",
        ".where(r.backend == backend, r.key.in_(keys)",
        ".where(r.key.in_(keys)",
        SWEEPS,
    ),
    bug(
        "a backend that left is asked for ever",
        "workers/vacate.py",
        "        sweeps.mark_swept(connection, name, sweeps.FOR_EVER)\n",
        "",
        SWEEPS,
    ),
)
