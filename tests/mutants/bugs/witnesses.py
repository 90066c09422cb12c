"""Bugs of witnesses and of the verification of logs: a check that is missing lets somebody lie."""

from tests.mutants.bugs.bug import Bug, bug

HTTP = "tests/unit/test_http_witness.py"
ASKING = "tests/unit/test_witnessing.py"
SALTS = "tests/unit/test_tlog_commitments.py"
STRANGER = "tests/unit/test_cli_log_verify.py"
TAMPERING = "tests/unit/test_log_tampering.py"
TOPOLOGY = "tests/unit/test_topology_witnesses.py"

_ANSWERS = (
    bug(
        "a witness whom no retry mends is to be asked again",
        "errors/witnesses.py",
        "dict(failures), not steps",
        "dict(failures), True",
        ASKING,
    ),
    bug(
        "links in a circle in a log are blamed on the request",
        "cli/log_folder.py",
        '            raise _unreadable(f"{path} of the log", error) from error\n',
        '            raise InvalidRequest(f"{path} of the log cannot be read.") from error\n',
        STRANGER,
    ),
    bug(
        "a path that is none is a bug of ours",
        "cli/files.py",
        "    except ValueError:\n",
        "    except ZeroDivisionError:\n",
        STRANGER,
    ),
    bug(
        "a witness may sign more than the checkpoint",
        "tlog/witnessing.py",
        "    if note.text != text:\n",
        "    if False:\n",
        HTTP,
    ),
    bug(
        "a cosignature may be of no time",
        "tlog/witnessing.py",
        "    if not seconds:\n",
        "    if seconds is None:\n",
        HTTP,
    ),
    bug(
        "a cosignature may be of a time to come",
        "tlog/witnessing.py",
        "    if seconds > now + _AHEAD:\n",
        "    if False:\n",
        HTTP,
    ),
    bug(
        "the size that a witness states has many forms",
        "tlog/witnessing.py",
        '[0-9]{0,18})\\n")',
        '[0-9]{0,18})\\n?")',
        HTTP,
    ),
    bug(
        "lines of others are taken too",
        "tlog/witnessing.py",
        "for each in note.signatures if (each.name, each.key_id) == its)",
        "for each in note.signatures)",
        HTTP,
    ),
    bug(
        "an answer of any size is read",
        "witnesses/http.py",
        "        if len(response.body) > _LARGEST:\n",
        "        if False:\n",
        HTTP,
    ),
    bug(
        "a witness that is ahead is asked again",
        "witnesses/http.py",
        "        if seen > size:\n",
        "        if False:\n",
        HTTP,
    ),
    bug(
        "a witness may name the size that it was sent",
        "witnesses/http.py",
        "        if seen == old_size:\n",
        "        if False:\n",
        HTTP,
    ),
    bug(
        "half an answer is taken for all of it",
        "exchange.py",
        "        if answer.length and len(content) <= most:",
        "        if False:",
        HTTP,
    ),
    bug(
        "an answer that was cut off in time is taken for all of it",
        "exchange.py",
        "        if cutoff.late:  # what was read may be a part\n",
        "        if False:\n",
        HTTP,
    ),
    bug(
        "a slow server is waited for",
        "exchange.py",
        "    timer.start()\n",
        "",
        HTTP,
        "tests/unit/test_http_connector.py",
    ),
    bug(
        "any line with the name of a witness is its cosignature",
        "transparency/cosigning.py",
        "if name in keys and is_cosigned(root.note, line, keys[name])",
        "if name in keys",
        "tests/integration/test_log_files.py",
    ),
    bug(
        "a cosignature is for any checkpoint",
        "tlog/witnessing.py",
        "return note.text == text and bool(verify_note(note, [witness]).get(witness))",
        "return note.text == text and bool(note.signatures)",
        ASKING,
    ),
    bug(
        "nobody is required",
        "transparency/cosigning.py",
        "if witness.required or not required]",
        "if not required]",
        "tests/integration/test_log_files.py",
    ),
    bug(
        "a witness is asked once",
        "witnesses/gather.py",
        "witness.cosign(behind.size, path_from(behind.size), checkpoint)",
        "behind",
        ASKING,
    ),
)

_LINES = (
    bug(
        "a salt has any length",
        "tlog/commitments.py",
        "        if len(self.salt) != SALT:\n",
        "        if False:\n",
        SALTS,
    ),
    bug(
        "a text is committed to without its salt",
        "tlog/commitments.py",
        "_DOMAIN + self.salt + ",
        "_DOMAIN + ",
        SALTS,
    ),
    bug(
        "an opening may be of another version",
        "tlog/commitments.py",
        "        if data[:1] != _VERSION:\n",
        "        if False:\n",
        SALTS,
    ),
    bug(
        "a log is whole from any bundle on",
        "tlog/tiles.py",
        "    return min(bundles) * WIDTH\n",
        "    return max(bundles) * WIDTH\n",
        STRANGER,
        TAMPERING,
    ),
    bug(
        "a leftover of another history is passed over",
        "tlog/verification.py",
        "    elif read_hashes(read, tile) != hashes[: tile.width]:\n",
        "    elif False:\n",
        STRANGER,
    ),
    bug(
        "a bundle that is left over is passed over",
        "tlog/verification.py",
        "        read_entries(read, tile, hashes)\n",
        "        pass\n",
        STRANGER,
    ),
    bug(
        "an old checkpoint is believed unsigned",
        "cli/commands/log_verify.py",
        "open_checkpoint(files.content(str(old), most=MOST_NOTE), Trust(trust.log)).checkpoint",
        "Checkpoint.parse(files.content(str(old), most=MOST_NOTE).split(b'\\n\\n')[0].decode())",
        STRANGER,
    ),
    bug(
        "the old checkpoint is not compared",
        "cli/commands/log_verify.py",
        "trust, old=old, minimum=first)",
        "trust, minimum=first)",
        STRANGER,
    ),
    bug(
        "a witness that is named need not have cosigned",
        "cli/commands/log_verify.py",
        "witnesses, len(witnesses))",
        "witnesses)",
        STRANGER,
    ),
    bug(
        "a pipe is waited for",
        "cli/log_folder.py",
        "        if not stat.S_ISREG(os.fstat(handle).st_mode):\n",
        "        if False:\n",
        STRANGER,
    ),
    bug(
        "a text controls the terminal",
        "text.py",
        "char if char.isprintable() or char in but else",
        "char if True else",
        STRANGER,
    ),
)

_TOPOLOGY = (
    Bug(
        "a witness counts under two names",
        "regions/check.py",
        "            if spec.public == other.public:\n",
        "            if spec.key == other.key:\n",
        (TOPOLOGY,),
    ),
    Bug(
        "a verifier key may have the id of another",
        "regions/witnesses.py",
        "        if digest.hexdigest()[:8] == key_id:\n",
        "        if key_id:\n",
        (TOPOLOGY,),
    ),
)

BUGS = (*_ANSWERS, *_LINES, *_TOPOLOGY)
