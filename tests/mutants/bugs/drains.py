"""Bugs of what a drain says: of object locks, of former backends, and in its receipt."""

from tests.mutants.bugs.bug import bug

LOCKED = "tests/integration/test_cli_drain_locked.py"
CONTRACT = "tests/contract/test_backend_purge.py"
FORMER = "tests/integration/test_drains_former.py"
POLICY = "tests/unit/test_draining.py"

BUGS = (
    bug(
        "a drain receipt forgets what is attested",
        "draining.py",
        "        attested=statement.attested,\n",
        "",
        "tests/integration/test_lost_storage.py",
    ),
    bug(
        "who verifies a drain receipt does not see what is attested",
        "cli/commands/receipt.py",
        ' if each.attested else "seen"',
        ' if False else "seen"',
        "tests/integration/test_lost_storage.py",
    ),
    bug(
        "a retention period is not read",
        "backends/s3/object_locks.py",
        '        end: datetime | None = answer.get("ObjectLockRetainUntilDate")\n',
        "        end: datetime | None = None\n",
        LOCKED,
    ),
    bug(
        "a legal hold of S3 is not read",
        "backends/s3/object_locks.py",
        'answer.get("ObjectLockLegalHoldStatus") == "ON"',
        "False",
        CONTRACT,
    ),
    bug(
        "a drain does not say that a lock keeps it open",
        "draining.py",
        "            raise _kept(region, place.backend, error) from error",
        "            raise",
        LOCKED,
    ),
    bug(
        "the plan of a drain does not ask for locks",
        "draining.py",
        "locked=find_locked(region, place.backend)",
        "locked=None",
        LOCKED,
    ),
    bug(
        "what was not looked at is said to end as well",
        "policy/draining.py",
        "        return end if self.complete else",
        "        return end if True else",
        POLICY,
    ),
    bug(
        "a drain forgets a backend whose entry was deleted",
        "draining.py",
        "if ended or name in stored}",
        "if ended}",
        FORMER,
    ),
    bug(
        "the receipt of a drain lacks a backend whose entry was deleted",
        "draining.py",
        "        names = [*(place.backend for place in found.places), *found.former]",
        "        names = [place.backend for place in found.places]",
        FORMER,
    ),
    bug(
        "a statement counts for what came after it",
        "catalog/departures.py",
        "    for name in sorted(set(said_empty)):",
        "    for name in ():",
        FORMER,
    ),
)
