"""Bugs in what is believed of a server."""

from tests.mutants.bugs.bug import Bug, bug

CONTRACT = "tests/contract/test_backend_purge.py"
CONTROLS = "tests/integration/test_controls.py"
LOCK = "tests/integration/test_s3_region_lock.py"
RESPONSES = "tests/unit/test_s3_responses.py"
SLOW = "tests/integration/test_slow_replicas.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a region that is not read counts as the default one",
        "backends/s3/responses.py",
        'operation == "GetBucketLocation" and len(root) and _text(root, "LocationConstraint")',
        "False",
        RESPONSES,
    ),
    bug(
        "any XML is a listing",
        "backends/s3/responses.py",
        "    if local_name(root) not in _ROOTS[operation]:",
        "    if False:",
        RESPONSES,
    ),
    bug(
        "IsTruncated may be anything",
        "backends/s3/responses.py",
        '    if _text(root, "IsTruncated") not in ("true", "false"):',
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing of another bucket is believed",
        "backends/s3/responses.py",
        '    if _text(root, _BUCKET.get(operation, "Name")) != bucket:',
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing of another prefix is believed",
        "backends/s3/listing.py",
        '            if page.get("Prefix", "") != prefix:',
        "            if False:",
        RESPONSES,
    ),
    bug(
        "keys of a listing may go back",
        "backends/s3/listing.py",
        "        if keys and min(keys) < self.last:",
        "        if False:",
        RESPONSES,
    ),
    bug(
        "a listing may go in circles",
        "backends/s3/listing.py",
        "            if not marks or marks in self.seen or len(self.seen) >= _MOST_PAGES:",
        "            if not marks:",
        RESPONSES,
    ),
    bug(
        "a read from another region is believed",
        "backends/s3/ranged.py",
        '        f"before-parse.s3.{OPERATION}",\n',
        '        "nobody-listens",\n',
        LOCK,
    ),
    bug(
        "another range is believed",
        "backends/s3/ranged.py",
        '        raise InvalidResponse("another range")\n',
        "        pass\n",
        RESPONSES,
    ),
    bug(
        "a read names no version",
        "backends/s3/ranged.py",
        '{"versionId": version}',
        "{}",
        CONTRACT,
    ),
    bug(
        "a part may be longer than what was asked for",
        "backends/s3/ranged.py",
        "        elif partial and body.read(1):",
        "        elif False:",
        RESPONSES,
    ),
    bug(
        "a request may take for ever",
        "backends/s3/allowance.py",
        "        left = self._end - self._clock()",
        "        left = 1000.0",
        RESPONSES,
    ),
    bug(
        "a response may have any length",
        "backends/s3/allowance.py",
        "        if self._size < 0:",
        "        if False:",
        RESPONSES,
    ),
    bug(
        "a listing without its control is believed",
        "workers/purge.py",
        "    if error is None:\n        return replace(outcome, control=by)",
        "    if True:\n        return replace(outcome, control=by)",
        CONTROLS,
    ),
    bug(
        "a control may be listed in part",
        "objects/control.py",
        "    return None if listed >= control.kinds[replica.backend] else UNLISTED",
        "    return None if listed else UNLISTED",
        CONTROLS,
    ),
    bug(
        "the first replica has all the time",
        "objects/transfer.py",
        "        yield replica, None if n == len(ordered) else _PATIENCE",
        "        yield replica, None",
        SLOW,
    ),
)
