"""Bugs of the key service: of what checks permits, of its sockets, and of KMS."""

from tests.mutants.bugs.bug import bug

CONTRACT = "tests/contract/test_key_services.py"
FAULTS = "tests/faults/test_key_service_faults.py"
FILES = "tests/integration/test_cli_keyservice.py"
KMS = "tests/unit/test_kms.py"
LOCAL = "tests/unit/test_local_key_service.py"
PERMITS = "tests/unit/test_staff_permits.py"
STORE = "tests/integration/test_key_service_store.py"
TLS = "tests/faults/test_key_service_tls.py"

BUGS = (
    bug(
        "a permit is used twice",
        "keyservice/local.py",
        "            if permit.nonce in self._nonces:\n                return False\n",
        "",
        LOCAL,
    ),
    bug(
        "a hold key leaves the key service",
        "keyservice/local.py",
        "        if is_hold_key(context):\n",
        "        if False:\n",
        LOCAL,
    ),
    bug(
        "a record that is held opens with its day key",
        "keyservice/local.py",
        "key_context(record.key_id, hold=record.held)",
        "key_context(record.key_id)",
        CONTRACT,
    ),
    bug(
        "an approver counts whose key is not pinned",
        "keyservice/local.py",
        "signed_by(grant, one.signature, self._approvers[one.actor])",
        "True",
        LOCAL,
    ),
    bug(
        "a signature is checked against any pinned key",
        "keyservice/local.py",
        "            one.actor: signed_by(grant, one.signature, self._approvers[one.actor])\n",
        "            one.actor: any(\n"
        "                signed_by(grant, one.signature, key) for key in self._approvers.values()\n"
        "            )\n",
        LOCAL,
    ),
    bug(
        "a key service answers for another region",
        "keyservice/server.py",
        '        if text_in(message, "region") != self._region:\n',
        "        if False:\n",
        FAULTS,
    ),
    bug(
        "the socket is open to all users",
        "keyservice/server.py",
        "os.umask(0o117)",
        "os.umask(0o111)",
        FAULTS,
    ),
    bug(
        "connections have no limit",
        "keyservice/server.py",
        "            if not self._room.acquire(blocking=False):\n",
        "            if False:\n",
        FAULTS,
    ),
    bug(
        "who sends nothing keeps its connection",
        "keyservice/server.py",
        "channel.connection.fileno(), self._limits.idle)",
        "channel.connection.fileno(), None)",
        FAULTS,
    ),
    bug(
        "a message has no largest size",
        "keyservice/protocol.py",
        "if len(head) < 4 or not 0 < size <= LARGEST:",
        "if len(head) < 4 or not 0 < size:",
        FAULTS,
    ),
    bug(
        "an answer that drips is waited for",
        "keyservice/protocol.py",
        "        self.connection.settimeout(left)\n",
        "        self.connection.settimeout(5)\n",
        FAULTS,
    ),
    bug(
        "an error shows what a server likes",
        "keyservice/protocol.py",
        "t.isascii() and t.isprintable()",
        "True",
        FAULTS,
    ),
    bug(
        "a key is stored that nobody can open",
        "keyservice/client.py",
        "if not hmac.compare_digest(self.unwrap(sealed, context), key):",
        "if False:",
        FAULTS,
    ),
    bug(
        "a permit is sent again",
        "keyservice/client.py",
        "size=KEY_SIZE, once=True)",
        "size=KEY_SIZE)",
        FAULTS,
    ),
    bug(
        "fewer keys come back than were to move",
        "keyservice/client.py",
        "            if len(found) != len(some):\n",
        "            if False:\n",
        FAULTS,
    ),
    bug(
        "a key service of another region is believed",
        "keyservice/client.py",
        '        if text_in(hello, "region") != self._region:\n',
        "        if False:\n",
        FAULTS,
    ),
    bug(
        "a certificate is not asked for",
        "keyservice/address.py",
        "    context.verify_mode = ssl.CERT_REQUIRED\n",
        "",
        TLS,
    ),
    bug(
        "a key that others can read is used",
        "keyservice/address.py",
        "        if stat.S_IMODE(key.stat().st_mode) & 0o077:\n",
        "        if False:\n",
        TLS,
    ),
    bug(
        "a record of another tenant is found",
        "catalog/kept.py",
        "        c.tenant == tenant,\n",
        "",
        STORE,
    ),
    bug(
        "an erased record is opened",
        "catalog/kept.py",
        "        fenced=bool(row.fenced),\n",
        "        fenced=False,\n",
        STORE,
    ),
    bug(
        "any hold covers",
        "catalog/kept.py",
        "hold_predicate.held(table, h.id == hold, h.confirmed.is_not(None))",
        "hold_predicate.held(table)",
        STORE,
    ),
    bug(
        "the key service ignores what a tenant asks for",
        "policy/staff_permits.py",
        "    reasons += _customer(grant, facts)\n",
        "",
        PERMITS,
        STORE,
    ),
    bug(
        "the key service takes a person from anywhere",
        "policy/staff_permits.py",
        "    residency = _jurisdictions(topology, facts.tenant)\n",
        "    residency = frozenset({actor.location})\n",
        PERMITS,
        STORE,
    ),
    bug(
        "the key service opens a class for any purpose",
        "policy/staff_permits.py",
        "for reason in (unfit, unnamed) if",
        "for reason in (unfit,) if",
        PERMITS,
    ),
    bug(
        "the key service takes every record for flagged",
        "catalog/kept.py",
        "        flagged=bool(row.flagged),\n",
        "        flagged=True,\n",
        STORE,
    ),
    bug(
        "the key service starts with the login of a service",
        "catalog/logins.py",
        "    if roles == [_KEYS]:\n",
        "    if _KEYS in roles:\n",
        STORE,
    ),
    bug(
        "the key service asks for its roles at the start alone",
        "keyservice/register.py",
        "            if self._own_login:",
        "            if False:",
        STORE,
    ),
    bug(
        "a service keeps root keys beside its key service",
        "crypto/root.py",
        "        for section in refuses:\n",
        "        for section in ():\n",
        STORE,
    ),
    bug(
        "a split writes over other keys",
        "crypto/root.py",
        "    if _load(target, region) != moved:\n",
        "    if False:\n",
        FILES,
    ),
    bug(
        "KMS wraps without a context",
        "crypto/kms/root.py",
        "Plaintext=key, EncryptionContext=told",
        "Plaintext=key",
        KMS,
    ),
    bug(
        "a key of another KMS key is believed",
        "crypto/kms/root.py",
        'answer.get("KeyId") != self._key or len(key)',
        "len(key)",
        KMS,
    ),
    bug(
        "KMS is asked through what other programs configure",
        "crypto/kms/root.py",
        '        "ignore_configured_endpoint_urls": True,\n',
        "",
        KMS,
    ),
    bug(
        "a KMS key is anywhere",
        "crypto/kms/__init__.py",
        "    if where != region.jurisdiction:\n",
        "    if False:\n",
        KMS,
    ),
    bug(
        "an endpoint of KMS is anywhere",
        "crypto/kms/__init__.py",
        "not is_kms_endpoint(given.endpoint_url, aws)",
        "False",
        KMS,
    ),
)
