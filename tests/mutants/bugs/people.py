"""Bugs in who opens content, and in what is on record first."""

from tests.mutants.bugs.bug import STORY, Bug, bug

ACCESS = "tests/unit/test_access_of_people.py"
READS = "tests/integration/test_recorded_reads.py"
LATE = "tests/integration/test_late_keys.py"
LOCAL = "tests/unit/test_local_key_service.py"
SLOW = "tests/integration/test_slow_catalog.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a key is given without a permit for the record",
        "objects/keyring.py",
        "        if not permit.covers(row.tenant, row.id.unique):\n",
        "        if False:\n",
        "tests/unit/test_one_opener.py",
    ),
    bug(
        "a permit is for any record",
        "policy/access.py",
        "return (self.tenant, self.unique) == (tenant, unique)",
        "return True",
        "tests/unit/test_access.py",
    ),
    bug(
        "a permit has no end",
        "objects/keyring.py",
        "return key if self._region.clock.now() < permit.until else None",
        "return key",
        LATE,
    ),
    bug(
        "a permit's end is looked at before its key is fetched alone",
        "objects/keyring.py",
        "        key = self._unwrap_for(row, permit)\n"
        "        return key if self._region.clock.now() <",
        "        now = self._region.clock.now()\n        key = self._unwrap_for(row, permit)\n"
        "        return key if now <",
        LATE,
    ),
    bug(
        "a read fails because the catalog took long",
        "packs/reader.py",
        "        for _ in range(2):",
        "        for _ in range(1):",
        SLOW,
    ),
    bug(
        "what is screened is not decided again when its key comes late",
        "packs/screen.py",
        "opened = opened or self._reader.opened(row.tenant, row.id)",
        'opened = opened or self._reader.opened(row.tenant, "")  # type: ignore[arg-type]',
        LATE,
    ),
    bug(
        "a read by a person is refused because the key service's catalog took long",
        "keyservice/local.py",
        "if reasons == (PermitReason.EXPIRED,) and came < end:",
        "if False:",
        LOCAL,
    ),
    bug(
        "a permit that was over when it came is no refusal",
        "keyservice/local.py",
        "if reasons == (PermitReason.EXPIRED,) and came < end:",
        "if reasons == (PermitReason.EXPIRED,):",
        LOCAL,
    ),
    bug(
        "what stands against a read is not said because the catalog took long",
        "keyservice/local.py",
        "if reasons == (PermitReason.EXPIRED,) and came < end:",
        "if PermitReason.EXPIRED in reasons and came < end:",
        LOCAL,
    ),
    bug(
        "the checkpoint comes after the plaintext",
        "client/recorded.py",
        "        self.served.log.publish(line)\n",
        "",
        READS,
    ),
    bug(
        "an opening is not counted against its grant",
        "client/recorded.py",
        "            grants.use(connection, permit.grant, record_id.unique, self.actor.id, now)\n",
        "",
        READS,
    ),
    bug(
        "the refusal of a later range leaves no line",
        "client/recorded.py",
        "        with noting(self._region, self._read_of.facts(record_id)):\n"
        "            return super()",
        "        if record_id:\n            return super()",
        STORY,
    ),
    bug(
        "a revoked grant opens the next range",
        "model/grants.py",
        "        if self.revoked is not None:\n",
        "        if False:\n",
        STORY,
    ),
    bug(
        "a grant opens one record more than it allows",
        "model/grants.py",
        "GrantState.EXHAUSTED if self.used >= self.records_max",
        "GrantState.EXHAUSTED if self.used > self.records_max",
        STORY,
    ),
    Bug(
        "a restored catalog counts the revocations and makes none",
        "migrations/versions/0034_guarded.sql",
        "    INSERT INTO ours.grant_revocation VALUES (which, 'recovery', session_user, given)\n"
        "    ON CONFLICT DO NOTHING;\n",
        "",
        (STORY,),
    ),
    bug(
        "a refusal leaves no line",
        "client/lines.py",
        "            _note_refusal(region, facts, error)\n",
        "            pass\n",
        READS,
    ),
    bug(
        "people read like a service",
        "client/tenant.py",
        "            read = RecordedRead(served, self.id, self.actor, purpose, self.grant)\n"
        "            return read.reader(record_id)\n",
        "            return served.reader(self.actor, purpose)\n",
        READS,
    ),
    bug(
        "any actor opens for any purpose",
        "policy/access.py",
        "    if actor.kind not in kinds:\n",
        "    if False:\n",
        ACCESS,
    ),
    bug(
        "a contractor opens without an agreement",
        "policy/access.py",
        "if actor.kind is ActorKind.CONTRACTOR and entry.agreement is None:",
        "if False:",
        ACCESS,
    ),
    bug(
        "people read from anywhere",
        "policy/access.py",
        "    if actor.location not in residency:\n",
        "    if False:\n",
        ACCESS,
    ),
    bug(
        "a grant opens every record of the tenant",
        "policy/access.py",
        "    if not _in_scope(grant, record):\n",
        "    if False:\n",
        ACCESS,
    ),
    bug(
        "an investigation without a case opens what is not flagged",
        "policy/access.py",
        "return None if flagged or grant.case is not None else AccessReason.NOT_FLAGGED",
        "return None",
        ACCESS,
    ),
    bug(
        "a tenant without human review is investigated",
        "policy/access.py",
        "    if traits & _CLOSED:\n",
        "    if False:\n",
        ACCESS,
    ),
    bug(
        "a hold opens what it does not cover",
        "policy/access.py",
        "        return None if record.held_by else AccessReason.NOT_HELD\n",
        "        return None\n",
        ACCESS,
    ),
    bug(
        "a line by raw SQL may say a number for an actor",
        "policy/lines.py",
        "            return tuple(map(_text, value))",
        "            return tuple(value)",
        "tests/unit/test_access_report.py",
    ),
    bug(
        "a line by raw SQL may say what cannot be printed",
        "policy/lines.py",
        "    value.encode()\n",
        "",
        "tests/unit/test_access_report.py",
    ),
    bug(
        "a line that is nested too deep stops the report",
        "policy/lines.py",
        "ValueError, OverflowError, RecursionError)",
        "ValueError, OverflowError)",
        "tests/unit/test_access_report.py",
    ),
    bug(
        "a line by raw SQL says a time that no line has",
        "policy/lines.py",
        "    if not _FIRST <= found < _END:",
        "    if found.tzinfo is None:",
        "tests/unit/test_access_report.py",
    ),
    bug(
        "a line takes from the mean time to revoke",
        "policy/access_report.py",
        "max(at - approved, timedelta())",
        "(at - approved)",
        "tests/unit/test_access_report.py",
    ),
    bug(
        "what a line says acts on the terminal",
        "cli/commands/log.py",
        'return visible(", ".join(',
        'return str(", ".join(',
        "tests/unit/test_access_report.py",
    ),
    bug(
        "a signature counts that no pinned key made",
        "cli/commands/grant.py",
        "    return one in checked.counting\n",
        "    return bool(checked.counting)\n",
        "tests/integration/test_cli_grants.py",
    ),
    bug(
        "a later signature by another key takes away the one that counts",
        "evidence/grants.py",
        "    return {actor: actor in counted for actor in signers & pinned.keys()}\n",
        "    good = signed_approvals(grant, pinned)\n"
        "    last = {one.actor: one in good for one in grant.approvals}\n"
        "    return {actor: last[actor] for actor in signers & pinned.keys()}\n",
        "tests/integration/test_cli_grants.py",
    ),
    bug(
        "everybody may write the file of approvers",
        "crypto/approvers.py",
        "    if modes & stat.S_IWOTH:",
        "    if modes & stat.S_IXOTH and modes & stat.S_IWOTH:",
        "tests/integration/test_without_approvers.py",
    ),
    bug(
        "everybody may replace the file of approvers",
        "crypto/approvers.py",
        "        modes |= 0 if mode & stat.S_ISVTX else mode ",
        "        modes |= 0 ",
        "tests/integration/test_without_approvers.py",
    ),
    bug(
        "the key service is silent about a file of approvers that a group can write",
        "cli/commands/keyservice.py",
        "        elif (who := other_writers(given.approvers_file)) is not None:",
        "        elif (who := other_writers(given.approvers_file)) == 'everybody':",
        "tests/integration/test_cli_keyservice.py",
    ),
    bug(
        "a person is not told that the file of approvers cannot be used",
        "keys.py",
        "        problem or pinned,\n",
        "        pinned,\n",
        "tests/integration/test_without_approvers.py",
    ),
    bug(
        "the report counts an opening twice as two records",
        "policy/access_report.py",
        "len(one.records)",
        "one.openings",
        "tests/unit/test_access_report.py",
    ),
)
