"""Bugs in what a bucket may do with its objects, and in what goes to one that does more."""

from tests.mutants.bugs.bug import Bug, bug

POLICY = "tests/unit/test_posture.py"
READ = "tests/integration/test_s3_posture.py"
STORE = "tests/integration/test_postures.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "an old posture is believed",
        "policy/posture.py",
        "    if known is None or not -POSTURE_SKEW <= now - known.read <= POSTURE_AGE:",
        "    if known is None:",
        POLICY,
    ),
    bug(
        "a posture of the future is believed",
        "policy/posture.py",
        "    if known is None or not -POSTURE_SKEW <= now - known.read <= POSTURE_AGE:",
        "    if known is None or not now - known.read <= POSTURE_AGE:",
        POLICY,
    ),
    bug(
        "what is not read of an answer does not matter",
        "backends/s3/responses.py",
        '            check_settings(operation_model, response_dict["body"])\n',
        "",
        "tests/integration/test_s3_posture_answers.py",
    ),
    bug(
        "a posture of another bucket of that name is taken",
        "catalog/postures.py",
        "    if row is None or row[0].get(_SOURCE) != source:",
        "    if row is None:",
        STORE,
    ),
    bug(
        "a document attests a bad answer",
        "policy/posture.py",
        "        if found is PostureFinding.UNREADABLE and check in vouched",
        "        if check in vouched",
        POLICY,
    ),
    bug(
        "a refused question is a good answer",
        "backends/s3/posture.py",
        "        elif is_refusal(error):\n            return Finding.UNREADABLE",
        "        elif is_refusal(error):\n            return Finding.OK",
        READ,
    ),
    bug(
        "another answer is a good answer",
        "backends/s3/posture.py",
        "    except (InvalidResponse, ResponseParserError):\n        return Finding.UNREADABLE",
        "    except (InvalidResponse, ResponseParserError):\n        return Finding.OK",
        READ,
    ),
    bug(
        "a public access list is not looked at",
        "backends/s3/posture.py",
        "        ask(lambda s3: s3.get_bucket_acl(Bucket=name), acl_is_public),",
        "        Finding.OK,",
        READ,
    ),
    bug(
        "each question has a time of its own",
        "backends/s3/posture.py",
        "timeout=left())",
        "timeout=timeout)",
        READ,
    ),
    bug(
        "a pack is sent to a closed backend",
        "objects/write.py",
        "        some = [replica for replica in self.replicas if replica.id not in refused]",
        "        some, refused = list(self.replicas), {}",
        STORE,
    ),
    bug(
        "a stream goes on to a closed backend",
        "objects/transfer.py",
        "        taken = self._closed()\n",
        "        taken: set[str] = set()\n",
        STORE,
    ),
    bug(
        "a closed backend loses its place",
        "policy/placement.py",
        "        (*wanted, *waiting[: home.replicas - len(wanted)]),",
        "        tuple(wanted),",
        STORE,
    ),
    bug(
        "a posture is read once",
        "postures.py",
        "                if name in self._none or not needs_reading(known, now):",
        "                if name in self._none or known is not None:",
        STORE,
    ),
    bug(
        "an answer to fewer questions is whole",
        "postures.py",
        "        whole = known is not None and known.findings.keys() >= set(PostureCheck)",
        "        whole = known is not None",
        STORE,
    ),
    bug(
        "a day expires while no hold can be placed",
        "workers/expire.py",
        "    if not may_preserve(region):",
        "    if False:",
        STORE,
    ),
    bug(
        "an accepted place takes everything",
        "packs/plans.py",
        "self._region.postures.unfit()",
        "{}",
        STORE,
    ),
    bug(
        "an accepted place is not used",
        "ledger/places.py",
        "    return Places(found, accepted & closed.keys())",
        "    return Places(found, frozenset())",
        STORE,
    ),
    bug(
        "a receipt does not say what the bucket did",
        "workers/purge.py",
        "            visibility = region.visibility(name, postures.get(name), lost=lost)",
        "            visibility = region.visibility(name, None, lost=lost)",
        STORE,
    ),
)
