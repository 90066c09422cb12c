import json
import traceback
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.crypto.pseudonym import Pseudonyms
from storage.errors import InvalidRequest, SettingsError

KEYS = {1: bytes([1]) * 32, 2: bytes([2]) * 32}
TEXT = st.text(max_size=8)


def known_vectors() -> dict[str, Any]:
    """What an earlier version computed."""
    path = Path(__file__).with_name("vectors") / "pseudonym.json"
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def test_is_the_checked_in_vector() -> None:
    """A stored pseudonym is found for as long as its row is kept."""
    known = known_vectors()
    keys = {int(version): bytes.fromhex(key) for version, key in known["keys"].items()}
    pseudonyms = Pseudonyms(keys)
    for case in known["cases"]:
        found = pseudonyms.all(known["tenant"], case["kind"], case["name"])

        assert [pseudonym.hex() for pseudonym in found] == case["all"]
    assert pseudonyms.id_secret().hex() == known["id_secret"]


@given(TEXT, TEXT)
def test_new_ones_are_under_the_newest_key(tenant: str, name: str) -> None:
    """33 bytes that name their version; search begins with the newest and leaves out none."""
    pseudonyms = Pseudonyms(KEYS)
    newest, oldest = pseudonyms.all(tenant, "subject", name)

    assert pseudonyms.of(tenant, "subject", name) == newest
    assert Pseudonyms({1: KEYS[1]}).of(tenant, "subject", name) == oldest
    assert (newest[0], oldest[0], len(newest)) == (2, 1, 33)


def test_the_highest_version_is_the_newest_in_any_order() -> None:
    """Which key is current does not depend on the order of the mapping."""
    for keys in (KEYS, dict(reversed(KEYS.items()))):
        pseudonyms = Pseudonyms(keys)

        assert pseudonyms.current == 2
        assert pseudonyms.of("t", "subject", "n")[0] == 2


@given(st.lists(st.tuples(TEXT, st.sampled_from(["subject", "group"]), TEXT), min_size=2))
def test_tells_any_two_names_apart(names: list[tuple[str, Any, str]]) -> None:
    """Another tenant, kind or name is another pseudonym, wherever the border between them is."""
    pseudonyms = Pseudonyms(KEYS)

    assert len({pseudonyms.of(*name) for name in names}) == len(set(names))


def test_a_name_is_its_exact_bytes() -> None:
    """No normalisation: two spellings of a name are two names."""
    pseudonyms = Pseudonyms(KEYS)
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))

    assert pseudonyms.of("t", "subject", composed) != pseudonyms.of("t", "subject", decomposed)
    assert pseudonyms.of("t", "subject", "a") != pseudonyms.of("t", "subject", "A")


def test_a_name_that_is_no_text_is_refused_unseen() -> None:
    """Half a surrogate pair is refused, and nothing in the error holds the name."""
    with pytest.raises(InvalidRequest) as caught:
        Pseudonyms(KEYS).of("t", "subject", "secret\ud800")

    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "secret" not in f"{error} {error!r} {vars(error)}"
    trace = traceback.TracebackException.from_exception(error)
    assert "secret" not in "".join(trace.format_exception_only())


def test_the_id_secret_outlives_a_rotation() -> None:
    """A request that is tried again after a rotation gets the same id."""
    before, after = Pseudonyms({1: KEYS[1]}), Pseudonyms(KEYS)

    assert before.id_secret() == after.id_secret()
    assert len(after.id_secret()) == 32
    assert after.id_secret() not in KEYS.values()


@pytest.mark.parametrize("keys", [{}, {0: bytes(32)}, {256: bytes(32)}, {1: bytes(31)}])
def test_impossible_keys_are_refused(keys: dict[int, bytes]) -> None:
    """No key, a version that its byte cannot hold, or a short key: refused at once."""
    with pytest.raises(SettingsError):
        Pseudonyms(keys)


def test_repr_shows_no_key() -> None:
    """The repr tells the versions and nothing else."""
    assert repr(Pseudonyms(KEYS)) == "Pseudonyms(versions=[1, 2])"
