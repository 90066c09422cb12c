"""Notes and verifier keys: the examples of the specification, and what is refused."""

import base64
import hashlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.notes import MOST_NOTE, Note, Signature, cosign, parse_note, sign, verify_note
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier
from tests.support.foreign_log import opened
from tests.support.logs import LOG, ORIGIN, WITNESS, WITNESSES, key

# c2sp.org/signed-note, "Example"
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501
# its introduction: an empty line in the text, letters that are not ASCII, no key
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed \u00e8 subito sera.

\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501
# c2sp.org/tlog-cosignature, whose keys are not published
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501

TEXT = "a text\n"
NOTE = Note(TEXT, (sign(TEXT, ORIGIN, key(ORIGIN)),))
GOOD = NOTE.encode()


def test_the_example_of_the_specification_verifies() -> None:
    """With the key that is printed there, and not if a letter of the text is changed."""
    verifier = Verifier.parse(VKEY)

    assert str(verifier) == VKEY
    assert verify_note(parse_note(EXAMPLE.encode()), [verifier]) == {verifier: None}
    with pytest.raises(LogInvalid, match=r"not what example\.com/foo signed"):
        verify_note(parse_note(EXAMPLE.replace("This", "this").encode()), [verifier])


@pytest.mark.parametrize("text", [EXAMPLE, POEM, COSIGNED])
def test_the_examples_are_read_and_written(text: str) -> None:
    """A note has one form."""
    note = parse_note(text.encode())

    assert note.encode().decode() == text
    assert note.text == text.rpartition("\n\n")[0] + "\n"


def test_the_time_of_the_example_is_that_of_its_explanation() -> None:
    """8 bytes before the cosignature."""
    witness = parse_note(COSIGNED.encode()).signatures[1]

    assert int.from_bytes(witness.value[:8]) == 1679315147
    assert len(witness.value) == 8 + 64


def test_what_is_signed_here_is_verified_elsewhere() -> None:
    """By the second verifier, a signature and a cosignature."""
    note = replace(
        NOTE, signatures=(*NOTE.signatures, cosign(TEXT, WITNESS, key(WITNESS), seconds=7))
    )
    vkeys = [str(LOG), str(WITNESSES[0])]

    assert opened(note.encode(), vkeys) == (TEXT, set(vkeys))
    assert verify_note(note, [LOG, *WITNESSES]) == {LOG: None, WITNESSES[0]: 7}


LINE = str(NOTE.signatures[0])
HOSTILE = {
    "nothing": b"",
    "text alone": b"a text\n",
    "no empty line": f"a text\n{LINE}\n".encode(),
    "no newline at the end": GOOD[:-1],
    "an empty line at the end": GOOD + b"\n",
    "a line that is no signature": GOOD + b"another text\n",
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "a tab": GOOD.replace(b"a text", b"a\ttext"),
    "a zero byte": GOOD.replace(b"a text", b"a\0text"),
    "an escape": GOOD.replace(b"a text", b"a\x1b[2Jtext"),
    "not UTF-8": GOOD.replace(b"a text", b"a\xfftext"),
    "a surrogate": GOOD.replace(b"a text", b"\xed\xa0\x80"),
    "too large": b"a" * MOST_NOTE + GOOD,
    "another dash": GOOD.replace("\u2014".encode(), b"-"),
    "no space after the dash": GOOD.replace("\u2014 ".encode(), "\u2014".encode()),
    "two spaces": GOOD.replace(b"central-1 ", b"central-1  "),
    "no name": GOOD.replace(f"{ORIGIN} ".encode(), b" "),
    "a name with a plus": GOOD.replace(b"domicile.", b"domicile+"),
    "a name with a no-break space": GOOD.replace(b"domicile.", "domicile\u00a0".encode()),
    "a name with a line separator": GOOD.replace(b"domicile.", "domicile\u2028".encode()),
    "no signature": GOOD.replace(LINE[LINE.rindex(" ") :].encode(), b""),
    "an empty signature": GOOD.replace(LINE[LINE.rindex(" ") :].encode(), b" "),
    "a key id alone": GOOD.replace(LINE[LINE.rindex(" ") + 1 :].encode(), b"AAAAAA=="),
    "base64 without its end": GOOD.replace(b"=\n", b"\n"),
    "base64 with more than its end": GOOD.replace(b"=\n", b"==\n"),
    "base64 with a bit too much": GOOD[:-3] + bytes([GOOD[-3] + 1]) + GOOD[-2:],
    "base64 for addresses": GOOD[:-5] + b"-_" + GOOD[-3:],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    """Whatever may be hidden in it."""
    assert data != GOOD
    with pytest.raises(LogInvalid, match="no signed note"):
        parse_note(data)


def test_many_signatures_are_read() -> None:
    """At least 16, each of the largest kind that is known: 2,420 bytes, or 5,000."""
    large = tuple(Signature(f"w{n}", b"abcd", bytes(5000)) for n in range(16))
    note = Note(TEXT, (*large, *NOTE.signatures))

    assert verify_note(parse_note(note.encode()), [LOG]) == {LOG: None}


def test_signatures_of_others_are_ignored() -> None:
    """Also with the name of a known key, or with its id, and as often as they like."""
    known = NOTE.signatures[0]
    others = (
        replace(known, name="another.example"),
        replace(known, key_id=b"abcd"),
        replace(known, key_id=b"abcd"),
    )
    note = Note(TEXT, (*others, known, *others))

    assert verify_note(parse_note(note.encode()), [LOG, *WITNESSES]) == {LOG: None}
    with pytest.raises(LogInvalid, match="Nobody"):
        verify_note(Note(TEXT, others), [LOG, *WITNESSES])


@pytest.mark.parametrize("value", [bytes(64), b"a", bytes(7), bytes(8), bytes(65), bytes(72)])
@pytest.mark.parametrize("who", [LOG, WITNESSES[0]], ids=["log", "witness"])
def test_a_known_key_with_a_bad_signature_is_refused(who: Verifier, value: bytes) -> None:
    """Though another known key has signed."""
    bad = Signature(who.name, who.key_id, value)
    good = cosign(TEXT, "witness.example/w2", key("witness.example/w2"), seconds=1)

    with pytest.raises(LogInvalid, match="not what"):
        verify_note(Note(TEXT, (good, bad)), [LOG, *WITNESSES])


def test_two_signatures_of_one_key_are_refused() -> None:
    """Nobody could tell which of the two times counts."""
    twice = tuple(cosign(TEXT, WITNESS, key(WITNESS), seconds=n) for n in (1, 2))

    with pytest.raises(LogInvalid, match="twice"):
        verify_note(Note(TEXT, twice), WITNESSES)


@pytest.mark.parametrize("seconds", [-1, 2**63, 2**64])
def test_a_time_that_no_cosignature_may_state(seconds: int) -> None:
    """It cannot be made, and is refused if somebody else made it."""
    with pytest.raises(ValueError, match="cannot state"):
        cosign(TEXT, WITNESS, key(WITNESS), seconds=seconds)
    signature = key(WITNESS).sign(f"cosignature/v1\ntime {seconds}\n{TEXT}".encode())
    value = (seconds % 2**64).to_bytes(8) + signature
    with pytest.raises(LogInvalid, match="not what"):
        verify_note(Note(TEXT, (Signature(WITNESS, WITNESSES[0].key_id, value),)), WITNESSES)


def test_a_signature_is_no_cosignature() -> None:
    """The same key signs another message for each."""
    plain, timed = sign(TEXT, WITNESS, key(WITNESS)), cosign(TEXT, WITNESS, key(WITNESS), seconds=1)

    assert plain.key_id != timed.key_id
    for value in (bytes(8) + plain.value, timed.value[:8] + plain.value):
        with pytest.raises(LogInvalid, match="not what"):
            verify_note(Note(TEXT, (replace(timed, value=value),)), WITNESSES)


@pytest.mark.parametrize("text", ["no newline", "a\ttab\n", "\ud800\n", ""])
def test_what_cannot_be_read_is_not_written(text: str) -> None:
    """A note that others would refuse."""
    with pytest.raises((ValueError, LogInvalid)):
        Note(text, NOTE.signatures).encode()
    with pytest.raises((ValueError, LogInvalid)):
        Note(TEXT, ()).encode()


@given(st.binary(max_size=40))
def test_any_text_that_is_a_note_is_verified(some: bytes) -> None:
    """Empty lines, signatures within the text, letters of any kind: what was signed comes back."""
    text = some.decode("utf-8", "ignore") + "\n"
    note = Note(text, (sign(text, ORIGIN, key(ORIGIN)),))
    try:
        data = note.encode()
    except LogInvalid:
        assert any(ord(letter) < 32 and letter != "\n" for letter in text)
        return
    assert parse_note(data) == note
    assert verify_note(note, [LOG]) == {LOG: None}


def vkey(name: str, kind: int, public: bytes, key_id: str | None = None) -> str:
    """Return the text form of a verifier key, right or wrong."""
    encoded = bytes([kind]) + public
    right = hashlib.sha256(name.encode() + b"\n" + encoded).hexdigest()[:8]
    return f"{name}+{right if key_id is None else key_id}+{base64.b64encode(encoded).decode()}"


BAD_KEYS = {
    "nothing": "",
    "a name": "example.com/foo",
    "no key": "example.com/foo+530d903a+",
    "another id": vkey(ORIGIN, 1, LOG.public, key_id="00000000"),
    "upper case": vkey(ORIGIN, 1, LOG.public, key_id=LOG.key_id.hex().upper()),
    "another name": VKEY.replace("foo", "fop"),
    "a short key": vkey(ORIGIN, 1, LOG.public[:31]),
    "a long key": vkey(ORIGIN, 1, LOG.public + b"\0"),
    "another type": vkey(ORIGIN, 6, LOG.public),
    "no name": vkey("", 1, LOG.public),
    "a space": vkey("a b", 1, LOG.public),
    "a newline": vkey("a\nb", 1, LOG.public),
    "not base64": VKEY[:-1] + "!",
    "a bit too much": VKEY[:-1] + "=",
    "a line end": VKEY + "\n",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    """Whoever mistypes one learns it at once."""
    assert text not in {VKEY, str(LOG)}
    with pytest.raises(InvalidRequest, match="no verifier key"):
        Verifier.parse(text)


@pytest.mark.parametrize("verifier", [LOG, *WITNESSES], ids=str)
def test_a_verifier_key_is_read_as_it_is_written(verifier: Verifier) -> None:
    """Of a log and of a witness; the two have different ids."""
    other = COSIGNATURE if verifier.kind == ED25519 else ED25519

    assert Verifier.parse(str(verifier)) == verifier
    assert replace(verifier, kind=other).key_id != verifier.key_id


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    """An id has 4 bytes, so two keys with the same can be found in a second."""
    random, found = Random(1), dict[bytes, Verifier]()
    while True:
        made = Verifier("a", ED25519, random.randbytes(32))
        if made.key_id in found:
            break
        found[made.key_id] = made

    with pytest.raises(InvalidRequest, match="same name and id"):
        verify_note(NOTE, [LOG, made, found[made.key_id]])
    assert verify_note(NOTE, [LOG, LOG]) == {LOG: None}
