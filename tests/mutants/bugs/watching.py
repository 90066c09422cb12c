"""Bugs in what is measured, probed and told to monitors."""

from tests.mutants.bugs.bug import bug

ALERTS = "tests/integration/test_alerts.py"
METRICS = "tests/integration/test_metrics.py"
HEALTH = "tests/integration/test_health.py"
SERVER = "tests/unit/test_probe_server.py"
REMEMBERED = "tests/unit/test_remembered.py"
VERDICT = "tests/unit/test_verdict.py"
CLI = "tests/integration/test_cli_watch.py"

BUGS = (
    bug(
        "every scrape asks the catalog",
        "watching/remembered.py",
        "            if self._known is None or self._clock() - self._known[0] >= self._seconds:\n",
        "            if True:\n",
        REMEMBERED,
    ),
    bug(
        "many who ask at once ask at once",
        "watching/remembered.py",
        "        with self._lock:\n",
        "        if True:\n",
        REMEMBERED,
    ),
    bug(
        "pages are for everybody",
        "watching/server.py",
        'LOOPBACK: Final = "127.0.0.1"',
        'LOOPBACK: Final = "0.0.0.0"',
        SERVER,
    ),
    bug(
        "a storm of requests makes as many threads",
        "watching/server.py",
        "        if not self._room.acquire(blocking=False):\n",
        "        if False:\n",
        SERVER,
    ),
    bug(
        "who sends nothing keeps a thread",
        "watching/server.py",
        "    timeout = _TIME\n",
        "    timeout = None\n",
        SERVER,
    ),
    bug(
        "a worker that hangs is alive",
        "watching/probes.py",
        "    turns = still < LONGEST_PIECE + pause\n",
        "    turns = True\n",
        SERVER,
    ),
    bug(
        "one region that is away makes a process unready",
        "model/health.py",
        "        return any(region.ready for region in self.regions.values())",
        "        return all(region.ready for region in self.regions.values())",
        SERVER,
        HEALTH,
    ),
    bug(
        "a region is ready without backends",
        "model/health.py",
        "        return self.error is None and not self.short",
        "        return self.error is None",
        SERVER,
        HEALTH,
    ),
    bug(
        "a closed bucket counts for readiness",
        "model/health.py",
        "        return self.answers and self.closed is None",
        "        return self.answers",
        HEALTH,
    ),
    bug(
        "an erasure that a hold defers is overdue",
        "catalog/watch.py",
        "_seconds(func.min(some.requested).filter(~deferred))",
        "_seconds(func.min(some.requested))",
        "tests/integration/test_watch_sql.py",
    ),
    bug(
        "a region without a reading keeps its old numbers",
        "watching/readings.py",
        "    except REGIONAL:\n        return None\n",
        "    except ZeroDivisionError:\n        return None\n",
        ALERTS,
    ),
    bug(
        "the first redirect raises no alert",
        "watching/instruments.py",
        '            self._redirects.add(0, {"region": region, "backend": name})\n',
        "            pass\n",
        ALERTS,
    ),
    bug(
        "a put that fails is told as one that did not",
        "client/writes.py",
        "            timed.end(error)\n",
        "            timed.end(None)\n",
        METRICS,
    ),
    bug(
        "a warning hides what is critical",
        "watching/verdict.py",
        "        return max((problem.level for problem in self.problems), default=Level.OK)",
        "        return min((problem.level for problem in self.problems), default=Level.OK)",
        VERDICT,
    ),
    bug(
        "a monitor takes an error for a warning",
        "cli/commands/status.py",
        "    except Exception as error:  # noqa: BLE001 - a monitor needs an answer\n",
        "    except ZeroDivisionError as error:\n",
        CLI,
    ),
)
