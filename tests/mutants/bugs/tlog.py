"""Bugs of transparency logs: a check that is missing lets a log lie."""

from tests.mutants.bugs.bug import bug

MERKLE = "tests/unit/test_tlog_merkle.py"
TILES = "tests/unit/test_tlog_tiles.py"
TREE = "tests/unit/test_tlog_tree.py"
NOTES = "tests/unit/test_tlog_notes.py"
CHECKPOINTS = "tests/unit/test_tlog_checkpoints.py"
PROOFS = "tests/unit/test_tlog_proofs.py"
WHOLE = "tests/unit/test_tlog_verification.py"

_TREES = (
    bug("a leaf may be a node", "tlog/merkle.py", 'b"\\0" + entry', "entry", MERKLE),
    bug("a node may be a leaf", "tlog/merkle.py", 'b"\\1" + left', 'b"\\0" + left', MERKLE),
    bug(
        "a path may be longer than the tree is high",
        "tlog/merkle.py",
        "    if (size > 1) != bool(path):\n",
        "    if size > 1 and not path:\n",
        MERKLE,
    ),
    bug(
        "hashes of any length are hashed",
        "tlog/merkle.py",
        "    if any(len(each) != len(EMPTY_ROOT) for each in path):\n",
        "    if False:\n",
        MERKLE,
    ),
    bug(
        "a consistency path may have hashes left over",
        "tlog/merkle.py",
        "        if len(subtree) != 1:\n",
        "        if not subtree:\n",
        MERKLE,
    ),
    bug(
        "a bundle may end within an entry",
        "tlog/tiles.py",
        "        if len(data) < at:\n",
        "        if False:\n",
        TILES,
    ),
    bug(
        "a tile has many paths",
        "tlog/tiles.py",
        "tile.width == 0 or tile.path != path",
        "tile.width == 0",
        TILES,
    ),
    bug(
        "a tile goes too early",
        "tlog/tiles.py",
        "return tile.end <= (",
        "return tile.end < (",
        TILES,
    ),
    bug(
        "a tile that is needed goes",
        "tlog/tiles.py",
        "(minimum if tile.width == WIDTH else size)",
        "(minimum + WIDTH if tile.width == WIDTH else size)",
        TREE,
    ),
    bug(
        "a partial tile goes before the full one is there",
        "tlog/tiles.py",
        "(minimum if tile.width == WIDTH else size)",
        "(minimum if tile.width == WIDTH else size + 1)",
        TILES,
    ),
    bug(
        "a partial tile counts for the tile above",
        "tlog/tree.py",
        "for hashes in tiles if len(hashes) == WIDTH]",
        "for hashes in tiles]",
        TREE,
    ),
    bug(
        "an edge that was changed is grown from",
        "tlog/tree.py",
        "    if edge.root != root:\n",
        "    if False:\n",
        TREE,
    ),
    bug(
        "a tile may have any length",
        "tlog/tree.py",
        "    if len(data) != found.width * HASH:\n",
        "    if False:\n",
        TREE,
        WHOLE,
    ),
    bug(
        "a bundle may have more entries",
        "tlog/tree.py",
        "    if len(entries) != found.width:\n",
        "    if len(entries) < found.width:\n",
        WHOLE,
    ),
    bug(
        "entries are not compared with their hashes",
        "tlog/tree.py",
        "        if leaf_hash(entry) != expected:\n",
        "        if False:\n",
        WHOLE,
    ),
    bug(
        "a partial tile that was deleted is missed",
        "tlog/tree.py",
        "            return full, read(full.path)\n",
        "            raise FileNotFoundError\n",
        TREE,
    ),
)

_SIGNATURES = (
    bug(
        "any signature is right",
        "tlog/verifiers.py",
        '            raise ValueError("the key did not sign this") from error\n',
        "            del error\n",
        NOTES,
    ),
    bug(
        "the id of a verifier key is not checked",
        "tlog/verifiers.py",
        "        if verifier.key_id.hex() != key_id:\n",
        "        if False:\n",
        NOTES,
    ),
    bug(
        "base64 has many forms",
        "tlog/verifiers.py",
        "    if base64.b64encode(data).decode() != text:\n",
        "    if False:\n",
        NOTES,
    ),
    bug(
        "a cosignature is one of this project alone",
        "tlog/verifiers.py",
        "cosignature/v1",
        "cosignature/v2",
        NOTES,
    ),
    bug(
        "a cosignature may state any time",
        "tlog/verifiers.py",
        "    if not 0 <= seconds <= MOST_SECONDS:\n",
        "    if False:\n",
        NOTES,
    ),
    bug(
        "a name may have a space",
        "tlog/verifiers.py",
        "text.split() == [text] and re",
        "re",
        NOTES,
    ),
    bug(
        "a note may have control characters",
        "tlog/notes.py",
        "    if _CONTROL.search(whole):\n",
        "    if False:\n",
        NOTES,
    ),
    bug(
        "a note may have any size",
        "tlog/notes.py",
        "    if len(data) > MOST_NOTE:\n",
        "    if False:\n",
        NOTES,
    ),
    bug(
        "one key signs twice",
        "tlog/notes.py",
        "        if verifier in signed:\n",
        "        if False:\n",
        NOTES,
    ),
    bug(
        "a bad signature of a known key is passed over",
        "tlog/notes.py",
        "        except ValueError as error:\n            raise LogInvalid(",
        "        except ValueError as error:\n            continue\n            raise LogInvalid(",
        NOTES,
    ),
    bug(
        "a note that nobody signed is right",
        "tlog/notes.py",
        "    if not signed:\n",
        "    if False:\n",
        NOTES,
    ),
    bug(
        "one of two keys with one id is forgotten",
        "tlog/notes.py",
        "    if len(known) < len(set(verifiers)):\n",
        "    if False:\n",
        NOTES,
    ),
)

_CHECKPOINTS = (
    bug(
        "a checkpoint may have extension lines",
        "tlog/checkpoints.py",
        "        if len(rest) != 2:\n",
        "        if len(rest) < 2:\n",
        CHECKPOINTS,
    ),
    bug(
        "a size has many forms",
        "tlog/checkpoints.py",
        'r"0|[1-9][0-9]{0,18}"',
        'r"[0-9]{1,19}"',
        CHECKPOINTS,
    ),
    bug(
        "the log may sign for another",
        "tlog/checkpoints.py",
        "    if checkpoint.origin != origin:\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "witnesses sign for the log",
        "tlog/checkpoints.py",
        "    if len(cosigned) == len(signed):\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "no witness is required",
        "tlog/checkpoints.py",
        "    if not enough(cosigned, trust.required):\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "a witness counts under each of its names",
        "tlog/checkpoints.py",
        "{witness.public for",
        "{witness.name for",
        CHECKPOINTS,
    ),
    bug(
        "the log is its own witness",
        "tlog/checkpoints.py",
        "for each in (*self.log, *self.witnesses)]",
        "for each in self.witnesses]",
        CHECKPOINTS,
    ),
    bug(
        "a truncated log is called a fork",
        "tlog/checkpoints.py",
        "    if new.size < old.size:\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "another log continues this one",
        "tlog/checkpoints.py",
        "    if new.origin != old.origin:\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "one size may have two roots",
        "tlog/checkpoints.py",
        "    if new.size == old.size and new.root != old.root:\n",
        "    if False:\n",
        CHECKPOINTS,
    ),
    bug(
        "a fork continues the log",
        "tlog/checkpoints.py",
        "    if roots != (old.root, new.root):\n",
        "    if roots[0] != old.root:\n",
        CHECKPOINTS,
    ),
    bug(
        "the old root is not compared",
        "tlog/checkpoints.py",
        "    if roots != (old.root, new.root):\n",
        "    if roots[1] != new.root:\n",
        CHECKPOINTS,
    ),
)

_LOGS = (
    bug(
        "a proof of another tree holds",
        "tlog/proofs.py",
        "    if root != tree.root:\n",
        "    if False:\n",
        PROOFS,
    ),
    bug(
        "a proof is given that does not hold",
        "tlog/proofs.py",
        "    if root_from(ranges(index, index + 1), index, tree.size, path) != tree.root:\n",
        "    if False:\n",
        PROOFS,
    ),
    bug(
        "a proof may have any number of hashes",
        "tlog/proofs.py",
        "        if len(lines) > _MOST_HASHES:\n",
        "        if False:\n",
        PROOFS,
    ),
    bug(
        "a proof has many forms",
        "tlog/proofs.py",
        "            if not extra:\n",
        "            if False:\n",
        PROOFS,
    ),
    bug(
        "tiles are not compared with the tile above",
        "tlog/verification.py",
        "    if root_hash(hashes) != root:\n",
        "    if False:\n",
        WHOLE,
    ),
    bug(
        "a log may have forked since",
        "tlog/verification.py",
        "        verify_consistency(old, new, path)\n",
        "",
        WHOLE,
    ),
    bug(
        "a past that was pruned is called damaged",
        "tlog/verification.py",
        "        if 0 < old.size < minimum:\n",
        "        if False:\n",
        WHOLE,
    ),
    bug(
        "a log that begins after its end is not read",
        "tlog/verification.py",
        "    if not 0 <= minimum <= checkpoint.size:\n",
        "    if False:\n",
        WHOLE,
    ),
    bug(
        "what was pruned is missed",
        "tlog/verification.py",
        "    if tile.end <= minimum:\n",
        "    if False:\n",
        WHOLE,
    ),
)

BUGS = (*_TREES, *_SIGNATURES, *_CHECKPOINTS, *_LOGS)
