"""Bugs in API keys and in the HTTP service."""

from tests.mutants.bugs.bug import Bug, bug

BAD_INPUT = "tests/integration/test_serve_bad_input.py"
CLIENTS = "tests/integration/test_serve_clients.py"
EXITS = "tests/integration/test_exits.py"
FILES = "tests/integration/test_serve_files.py"
KEYS = "tests/integration/test_api_keys.py"
PROCESS = "tests/integration/test_serve_process.py"
TENANTS = "tests/integration/test_serve_tenants.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a revoked key is good",
        "catalog/api_keys.py",
        ".where(k.digest == digest, k.revoked.is_(None))",
        ".where(k.digest == digest)",
        KEYS,
    ),
    bug(
        "each use of a key is noted",
        "catalog/api_keys.py",
        "timedelta(minutes=1)",
        "timedelta(0)",
        KEYS,
    ),
    bug(
        "a recovery leaves the keys of the backup",
        "recovery/recover.py",
        "report.api_keys = api_keys.revoke_of_before(connection, region.clock.now())",
        "pass",
        KEYS,
    ),
    bug(
        "the keys of a tenant outlive its contract",
        "catalog/exits.py",
        "    if reason is ExitReason.ALLOWED:\n        api_keys",
        "    if False:\n        api_keys",
        EXITS,
    ),
    bug(
        "an exit that is stopped takes the keys along",
        "catalog/exits.py",
        "    if reason is ExitReason.ALLOWED:\n        api_keys",
        "    if True:\n        api_keys",
        EXITS,
    ),
    bug(
        "a key for reading deletes",
        "service/callers.py",
        "if scope is KeyScope.WRITE and key.scope is not KeyScope.WRITE:",
        "if False:",
        FILES,
    ),
    bug(
        "any record is a file",
        "service/files.py",
        "if found.data_class is not stored_as:",
        "if False:",
        TENANTS,
    ),
    bug(
        "a form that is cut off is stored",
        "service/uploads.py",
        "        if not self._ended:\n            raise _malformed()",
        "",
        BAD_INPUT,
    ),
    bug(
        "a file may have any size",
        "service/uploads.py",
        "if self.size > self.most:",
        "if False:",
        BAD_INPUT,
    ),
    bug(
        "a tenant takes all uploads",
        "service/room.py",
        " or self._taken[tenant] >= OF_A_TENANT:",
        ":",
        "tests/unit/test_service_room.py",
    ),
    bug(
        "an upload whose outcome is unknown is repeated",
        "service/files.py",
        'headers={"x-should-retry": "false"},',
        "headers={},",
        FILES,
    ),
    bug(
        "a repeated upload tells another end",
        "service/files.py",
        "    if put.id.minted != minted.minted:",
        "    if False:",
        FILES,
    ),
    bug(
        "expires_after is ignored",
        "service/files.py",
        "            readable_until=until,\n",
        "",
        FILES,
    ),
    bug(
        "a file lasts for as long as anybody asks",
        "service/files.py",
        "    if not right or not _SHORTEST <= int(seconds[:_DIGITS]) <= _LONGEST:\n",
        "    if not right:\n",
        BAD_INPUT,
    ),
    bug(
        "a page opens each file",
        "service/listing.py",
        '    if row.listed.keys() >= {"filename", "purpose"}:\n',
        "    if False:\n",
        FILES,
    ),
    bug(
        "a conflict is repeated",
        "service/answers.py",
        "if error.status == 409:",
        "if False:",
        FILES,
    ),
    bug(
        "a range has one byte more",
        "service/ranges.py",
        'min(size, int(found["last"]) + 1)',
        'min(size, int(found["last"]) + 2)',
        FILES,
    ),
    bug(
        "customers learn which part failed",
        "service/answers.py",
        '        message = "The service cannot do this now."\n',
        "",
        BAD_INPUT,
    ),
    bug(
        "slow clients are waited for",
        "service/protocol.py",
        "        if slow and self._slow:",
        "        if False:",
        CLIENTS,
    ),
    bug(
        "it listens everywhere without TLS",
        "settings.py",
        "if self.tls_cert is None and not _is_loopback(self.host):",
        "if False:",
        PROCESS,
    ),
)
