"""The parsers of transparency logs, as the other targets: name, samples, parser, errors."""

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.checkpoints import (
    Checkpoint,
    Trust,
    cosign_checkpoint,
    open_checkpoint,
    sign_checkpoint,
)
from storage.tlog.commitments import Opening
from storage.tlog.notes import Note, parse_note, sign, verify_note
from storage.tlog.proofs import Proof, prove, verify_proof
from storage.tlog.tiles import Tile, decode_bundle, encode_bundle
from storage.tlog.verification import verify_log
from storage.tlog.verifiers import Verifier
from storage.tlog.witnessing import add_cosignature, read_cosignature, read_size
from tests.support.logs import LOG, ORIGIN, TRUST, WITNESS, WITNESSES, MemoryLog, key, numbered

_LOG = MemoryLog().grow(numbered(0, 5))
_SIGNED = _LOG.files["checkpoint"]
_FILES = {path.encode(): data for path, data in _LOG.files.items()}
_PROOFS = tuple(prove(_LOG.read, _SIGNED, n).encode() for n in range(5))
_NOTE = sign_checkpoint(_LOG.checkpoint, key(ORIGIN)).decode()
_LINE = cosign_checkpoint(_NOTE.encode(), WITNESS, key(WITNESS), seconds=1)[len(_NOTE.encode()) :]
_EXTRA = b"\nextra AAAA\nindex "
_PATHS = (b"tile/0/x001/x234/067.p/12", b"tile/entries/000", b"tile/63/x001/000")
_OPENINGS = (Opening(bytes(32), "{}").encode(), Opening(bytes(range(32)), "\u0394").encode())
_BUNDLES = (encode_bundle(numbered(0, 5)), encode_bundle([b"", bytes(300)]), b"")


def _note(data: bytes) -> None:
    note = parse_note(data)
    assert note.encode() == data
    verify_note(note, [LOG, *WITNESSES])


def _checkpoint(data: bytes) -> None:
    """Under a valid signature: the log may err too."""
    text = data.decode(errors="replace")
    try:
        signed = Note(text, (sign(text, ORIGIN, key(ORIGIN)),)).encode()
    except ValueError as error:
        raise LogInvalid("It does not end as a note does.") from error
    assert Checkpoint.parse(text).text == text
    open_checkpoint(signed, Trust((LOG,)))


def _proof(data: bytes) -> None:
    """What is accepted is what was made."""
    proof = Proof.parse(data)
    assert proof.encode() == data
    verify_proof(proof, b"%d" % proof.index, TRUST)
    assert data.replace(_EXTRA, b"\nindex ") in _PROOFS or proof.extra


def _file(data: bytes) -> None:
    """Change one file of a log: a sample is its path, a line end and its bytes."""
    name, _, changed = data.partition(b"\n")
    name = name if name in _FILES else b"checkpoint"
    log = MemoryLog(edge=_LOG.edge, files=_LOG.files | {name.decode(): changed})
    verify_log(log.read, TRUST)
    assert changed == _FILES[name] or name == b"checkpoint"


def _path(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    assert Tile.parse(text).path == text


def _bundle(data: bytes) -> None:
    assert encode_bundle(decode_bundle(data)) == data


def _opening(data: bytes) -> None:
    assert Opening.parse(data).encode() == data


def _cosignature(data: bytes) -> None:
    """What is taken from a witness is its one line, whatever else it sends."""
    line = read_cosignature(data, _NOTE, WITNESSES[0], now=1)
    assert line.encode() in data
    open_checkpoint(add_cosignature(_NOTE, line).encode(), TRUST)


def _size(data: bytes) -> None:
    assert b"%d\n" % read_size(data) == data


def _verifier(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    assert str(Verifier.parse(text)) == text


TARGETS = (
    ("note", (_SIGNED,), _note, (LogInvalid,)),
    ("checkpoint", (_LOG.checkpoint.text.encode(),), _checkpoint, (LogInvalid,)),
    ("proof", (*_PROOFS, _PROOFS[3].replace(b"\nindex ", _EXTRA)), _proof, (LogInvalid,)),
    ("log", tuple(name + b"\n" + data for name, data in _FILES.items()), _file, (LogInvalid,)),
    ("tile path", _PATHS, _path, (ValueError,)),
    ("cosignature", (_LINE, b"\xe2\x80\x94 other AAAAAAAA\n" + _LINE), _cosignature, (LogInvalid,)),
    ("witness size", (b"0\n", b"20852014\n"), _size, (LogInvalid,)),
    ("opening", _OPENINGS, _opening, (LogInvalid,)),
    ("bundle", _BUNDLES, _bundle, (ValueError,)),
    ("verifier key", tuple(str(each).encode() for each in WITNESSES), _verifier, (InvalidRequest,)),
)
