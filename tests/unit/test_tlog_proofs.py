"""Proofs that an entry is in a log."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.checkpoints import Trust
from storage.tlog.merkle import leaf_hash
from storage.tlog.proofs import Proof, prove, verify_proof
from tests.support.logs import LOG, TRUST, WITNESSES, MemoryLog, numbered
from tests.support.receipt_verifier import in_tree

LOG_OF_300 = MemoryLog().grow(numbered(0, 300))
SIGNED = LOG_OF_300.files["checkpoint"]
PROOF = prove(LOG_OF_300.read, SIGNED, 7)
DATA = PROOF.encode()


@given(st.integers(1, 600), st.data())
def test_every_entry_has_a_proof(size: int, data: st.DataObject) -> None:
    """It is read as it was written, holds for this entry alone, and a second verifier agrees."""
    log = MemoryLog().grow(numbered(0, size))
    index = data.draw(st.integers(0, size - 1))
    proof = Proof.parse(prove(log.read, log.files["checkpoint"], index).encode())

    assert verify_proof(proof, b"%d" % index, TRUST).checkpoint == log.checkpoint
    assert in_tree(b"%d" % index, index, size, proof.path, log.edge.root)
    for entry, other in ((b"another", index), (b"%d" % index, index + 1), (b"%d" % index, size)):
        with pytest.raises(LogInvalid, match=f"not entry {other} of"):
            verify_proof(replace(proof, index=other), entry, TRUST)


def test_the_form_is_that_of_the_specification() -> None:
    """Line by line, with the checkpoint as the log signed it."""
    assert DATA.split(b"\n")[:2] == [b"c2sp.org/tlog-proof@v1", b"index 7"]
    assert [base64.b64decode(line) for line in DATA.split(b"\n")[2:11]] == list(PROOF.path)
    assert DATA.split(b"\n", 11)[11] == b"\n" + SIGNED
    assert Proof.parse(DATA) == PROOF


def test_extra_data_comes_along() -> None:
    """It is not authenticated, and changes nothing."""
    proof = replace(PROOF, extra=b"any\0bytes")

    assert proof.encode().split(b"\n")[1] == b"extra " + base64.b64encode(b"any\0bytes")
    assert Proof.parse(proof.encode()) == proof
    assert verify_proof(proof, b"7", TRUST) == verify_proof(PROOF, b"7", TRUST)


HASH = DATA.split(b"\n")[2]
BAD = {
    "nothing": b"",
    "another version": DATA.replace(b"@v1", b"@v2"),
    "no first line": DATA.partition(b"\n")[2],
    "no index": DATA.replace(b"index 7\n", b""),
    "a leading zero": DATA.replace(b"index 7", b"index 07"),
    "a negative index": DATA.replace(b"index 7", b"index -1"),
    "an index without a number": DATA.replace(b"index 7", b"index "),
    "an index that is too large": DATA.replace(b"index 7", b"index %d" % (2**63 - 1)),
    "an index that is much too large": DATA.replace(b"index 7", b"index " + b"9" * 5000),
    "another alphabet": DATA.replace(b"index 7", "index \u0661".encode()),
    "two indexes": DATA.replace(b"index 7\n", b"index 7\nindex 7\n"),
    "a hash that is too short": DATA.replace(HASH, HASH[4:]),
    "a hash that is too long": DATA.replace(HASH, HASH[:4] + HASH),
    "a hash without its end": DATA.replace(HASH, HASH[:-1]),
    "a space": DATA.replace(HASH, HASH + b" "),
    "carriage returns": DATA.replace(b"\n", b"\r\n"),
    "64 hashes": DATA.replace(HASH, b"\n".join([HASH] * 56)),
    "no empty line": DATA.replace(b"\n\n", b"\n"),
    "empty extra data": DATA.replace(b"index", b"extra \nindex"),
    "extra data that is not base64": DATA.replace(b"index", b"extra !\nindex"),
    "extra data twice": DATA.replace(b"index", b"extra AAAA\nextra AAAA\nindex"),
    "extra data at the end": DATA.replace(b"\n\n", b"\nextra AAAA\n\n", 1),
    "too large": DATA.replace(b"index", b"extra " + b"A" * 2**20 + b"\nindex"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    """Every line is as the specification says, or it is not read."""
    assert data != DATA
    with pytest.raises(LogInvalid, match="no proof"):
        Proof.parse(data)


def test_no_byte_can_be_changed() -> None:
    """With the log and the witness known, each byte of a proof matters."""
    for at in range(len(DATA)):
        for change in (1, 2, 0x20, 0x80):
            changed = DATA[:at] + bytes([DATA[at] ^ change]) + DATA[at + 1 :]
            with pytest.raises(LogInvalid):
                verify_proof(Proof.parse(changed), b"7", TRUST)


def test_a_proof_needs_the_witnesses_that_are_required() -> None:
    """One cosigned, and two are required."""
    verify_proof(PROOF, b"7", Trust((LOG,), WITNESSES, 1))
    with pytest.raises(LogInvalid, match="2 are required"):
        verify_proof(PROOF, b"7", Trust((LOG,), WITNESSES, 2))


@pytest.mark.parametrize("index", [-1, 300])
def test_there_is_no_proof_of_what_is_not_in_the_tree(index: int) -> None:
    """The caller asks too early, or for nothing."""
    with pytest.raises(InvalidRequest, match=f"no entry {index}"):
        prove(LOG_OF_300.read, SIGNED, index)


def test_a_proof_that_would_not_hold_is_not_given() -> None:
    """The tiles are damaged."""
    log = MemoryLog().grow(numbered(0, 300))
    log.files["tile/0/000"] = leaf_hash(b"another") + log.files["tile/0/000"][32:]

    with pytest.raises(LogInvalid, match="above entry 7"):
        prove(log.read, SIGNED, 7)
    del log.files["tile/0/000"]
    with pytest.raises(LogInvalid, match="tile/0/000 is missing"):
        prove(log.read, SIGNED, 7)
