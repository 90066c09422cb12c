"""Bugs in what is believed of a server."""

from tests.mutants.bugs.bug import Bug, bug

CONTRACT = "tests/contract/test_backend_purge.py"
CONTROLS = "tests/integration/test_controls.py"
ENDPOINTS = "tests/integration/test_s3_endpoints.py"
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
        "backends/s3/pages.py",
        "    if local_name(root) != form.root:",
        "    if False:",
        RESPONSES,
    ),
    bug(
        "IsTruncated may be anything",
        "backends/s3/pages.py",
        '    if text not in ("true", "false"):',
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing of another bucket is believed",
        "backends/s3/pages.py",
        "    if _only(head, form.bucket) != bucket:",
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing may say a thing twice",
        "backends/s3/pages.py",
        "    if len(found) > 1:",
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing may group its keys",
        "backends/s3/pages.py",
        "        elif len(child):",
        "        elif False:",
        RESPONSES,
    ),
    bug(
        "a key may be a part of its element",
        "backends/s3/pages.py",
        '"" if len(x) else x.text or ""',
        'x.text or ""',
        RESPONSES,
    ),
    bug(
        "an entry may have two keys",
        "backends/s3/pages.py",
        "        if any(names.count(name) > 1 for name in wanted):",
        "        if False:",
        RESPONSES,
    ),
    bug(
        "an entry may lack a field",
        "backends/s3/pages.py",
        "        if not fields.get(name):",
        "        if name not in fields:",
        RESPONSES,
    ),
    bug(
        "the size of an object may be anything",
        "backends/s3/pages.py",
        "    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST):",
        "    if False:",
        RESPONSES,
    ),
    bug(
        "a listing of another prefix is believed",
        "backends/s3/listing.py",
        "        if (missing if page.prefix is None else page.prefix) != prefix:",
        "        if False:",
        RESPONSES,
    ),
    bug(
        "keys of a listing may go back",
        "backends/s3/listing.py",
        "        if found and found[0].key < self.last:",
        "        if False:",
        RESPONSES,
    ),
    bug(
        "a piece of a scrub lists a page twice",
        "workers/scrub/rounds.py",
        "KEYS, REQUESTS = 999, 100",
        "KEYS, REQUESTS = 1000, 100",
        "tests/integration/test_scrub_rounds.py",
    ),
    bug(
        "a listing may go in circles",
        "backends/s3/listing.py",
        "            if not marks or marks in self.seen or len(self.seen) >= _MOST_PAGES:",
        "            if not marks:",
        RESPONSES,
    ),
    bug(
        "a read or a write in another region is believed",
        "backends/s3/signed.py",
        '        f"before-parse.{about}",\n',
        '        "nobody-listens",\n',
        LOCK,
    ),
    bug(
        "nobody sees a request before it is sent",
        "backends/s3/signed.py",
        'f"before-send.s3.{model.name}"',
        '"nobody-listens"',
        "tests/unit/test_s3_backend.py",
    ),
    bug(
        "an error is a success",
        "backends/s3/signed.py",
        'if response["status_code"] >= _FIRST_ERROR:',
        "if False:",
        "tests/integration/test_s3_attempts.py",
    ),
    bug(
        "a bucket with dots is a host, for which there is no certificate",
        "backends/s3/signed.py",
        " or not check_dns_name(bucket):",
        ":",
        ENDPOINTS,
    ),
    bug(
        "a key goes into a URL as it is",
        "backends/s3/signed.py",
        "{percent_encode(key, safe='/~')}",
        "{key}",
        ENDPOINTS,
    ),
    bug(
        "the digest of a body is signed under TLS too",
        "backends/s3/signed.py",
        '    request.context["has_streaming_input"] = model.has_streaming_input\n',
        "",
        ENDPOINTS,
    ),
    bug(
        "a body is sent before the server asks for it",
        "backends/s3/signed.py",
        "    prepared = endpoint.prepare_request(request)\n",
        "    prepared = request.prepare()\n",  # botocore waits if the header is bytes
        LOCK,
    ),
    bug(
        "a server does not know which bytes it is to store",
        "backends/s3/upload.py",
        '{"Content-MD5": md5(data), "Expect"',
        '{"Expect"',
        "tests/unit/test_s3_bodies.py",
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
        '        query["versionId"] = version\n',
        "        pass\n",
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
