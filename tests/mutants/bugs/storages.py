"""Bugs in recognizing the storage of a backend."""

from tests.mutants.bugs.bug import bug

IDENTITY = "tests/contract/test_backend_identity.py"
EXCHANGED = "tests/integration/test_exchanged_storage.py"
LOST = "tests/integration/test_lost_storage.py"
RECOGNITION = "tests/integration/test_recognition.py"
UNDECLARED = "tests/integration/test_undeclared_backends.py"

BUGS = (
    bug(
        "a control needs no storage that is known",
        "objects/control.py",
        "        control.failed[name] = stranger.code\n",
        "        pass\n",
        RECOGNITION,
    ),
    bug(
        "a region opens with other storage",
        "objects/rights.py",
        "            raise stranger\n",
        "            pass\n",
        RECOGNITION,
    ),
    bug(
        "other storage gets the identity that is known",
        "objects/recognition.py",
        "    if known is None:\n",
        "    if known is None or found is None:\n",
        RECOGNITION,
    ),
    bug(
        "an identity counts before storage was seen with it",
        "catalog/storages.py",
        ".where(s.seen.is_not(None), s.lost.is_(None))",
        ".where(s.lost.is_(None))",
        RECOGNITION,
    ),
    bug(
        "an identity is never confirmed",
        "objects/recognition.py",
        "        if found is not None and found == known:\n            with",
        "        if found is None:\n            with",
        RECOGNITION,
    ),
    bug(
        "a restored catalog gives a new identity",
        "objects/recognition.py",
        "found or own",
        "own",
        RECOGNITION,
    ),
    bug(
        "init makes a directory for storage that is known",
        "backends/registry.py",
        "    if identity is None:\n",
        "    if identity is None or identity:\n",
        RECOGNITION,
    ),
    bug(
        "init takes a directory with another identity",
        "backends/directory.py",
        "    if found != identity:\n",
        "    if False:\n",
        RECOGNITION,
    ),
    bug(
        "a marker of another backend is read",
        "backends/marker.py",
        "    raise BackendMisplaced(backend, f",
        "    return None\n    raise BackendMisplaced(backend, f",
        IDENTITY,
    ),
    bug(
        "the marker of a bucket is listed",
        "backends/s3/backend.py",
        " and item.key != marker.NAME",
        "",
        IDENTITY,
    ),
    bug(
        "a marker that was cut off is an object",
        "backends/root.py",
        " or entry.startswith(_NEW_MARKER)",
        "",
        IDENTITY,
    ),
    bug(
        "storage that answers is lost",
        "objects/recognition.py",
        "        if found is not None and found == known:\n            raise",
        "        if found is None:\n            raise",
        LOST,
    ),
    bug(
        "a loss that is noted was never a loss",
        "objects/recognition.py",
        "    if not former:\n",
        "    if True:\n",
        LOST,
    ),
    bug(
        "lost storage comes back",
        "catalog/storages.py",
        "select(s.identity).where(s.backend == backend, s.lost.is_(None))",
        "select(s.identity).where(s.backend == backend)",
        LOST,
    ),
    bug(
        "what was lost is seen absent",
        "workers/purge.py",
        "began <= losses[name]",
        "began > losses[name]",
        LOST,
    ),
    bug(
        "the statement of a backend that lost its storage says seen",
        "workers/vacate.py",
        "lost=name in storages.last_losses(connection)",
        "lost=False",
        LOST,
    ),
    bug(
        "a region with other storage opens without a probe",
        "bootstrap.py",
        "                recognize(region)\n",
        "                pass\n",
        RECOGNITION,
    ),
    bug(
        "a write goes to storage that nobody has recognized",
        "objects/transfer.py",
        "        recognize(region, replica.backend)\n        left",
        "        left",
        EXCHANGED,
    ),
    bug(
        "an upload goes to storage that nobody has recognized",
        "objects/transfer.py",
        "            recognize(region, replica.backend)\n            return",
        "            return",
        EXCHANGED,
    ),
    bug(
        "a directory does not compare its identity",
        "backends/root.py",
        "        if expected not in (None, found):\n",
        "        if False:\n",
        EXCHANGED,
    ),
    bug(
        "a directory does not hear its identity",
        "objects/recognition.py",
        "    backend.expect(known)\n",
        "    backend.recognized = True\n",
        EXCHANGED,
    ),
    bug(
        "a region opens without a backend that was used and never seen empty",
        "catalog/departures.py",
        "    for name in unseen(connection, there - set(known)):",
        "    for name in ():",
        UNDECLARED,
    ),
    bug(
        "init notes a topology without a backend that was never seen empty",
        "initialize.py",
        "        departures.check(connection, catalog.region, declared)\n",
        "        pass\n",
        UNDECLARED,
    ),
)
