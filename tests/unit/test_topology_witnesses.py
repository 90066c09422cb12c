"""The witnesses of a region's log, as its file names them."""

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regions.canonical import region_of, region_text
from regions.load import load_topology
from regions.witnesses import WitnessSpec
from storage.errors import InvalidRequest
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier
from tests.support.logs import WITNESSES
from tests.support.topology_files import EU, SHIPPED, edit, problem

ONE, TWO = map(str, WITNESSES[:2])
LAST = 'path = "backends/eu-b"\n'


def entry(name: str = "north", key: str = ONE, more: str = "") -> str:
    """Return the entry of a witness."""
    return (
        f'\n[[witnesses]]\nname = "{name}"\nkey = "{key}"\nurl = "https://{name}.example"\n{more}'
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be changed."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


def test_a_region_names_its_witnesses(data: Path) -> None:
    """Nobody waits for one that is not required."""
    edit(data / EU, LAST, LAST + entry() + entry("south", TWO, "required = true\n"))
    north, south = load_topology(data).regions["eu-central-1"].witnesses

    assert (north.name, north.key, north.url) == ("north", ONE, "https://north.example")
    assert (north.required, south.required) == (False, True)


def test_a_region_without_witnesses_is_as_it_was(data: Path) -> None:
    """Its text and its digest are those of a version that did not know witnesses."""
    before = load_topology(data)
    text = region_text(before.regions["eu-central-1"])
    assert "witnesses" not in text
    edit(data / EU, LAST, LAST + entry())
    after = load_topology(data)

    assert after.digest != before.digest
    assert region_of(region_text(after.regions["eu-central-1"])).witnesses[0].key == ONE


PLAIN = str(Verifier("log.example", ED25519, bytes(32)))
SAME = str(Verifier("another.example", COSIGNATURE, WITNESSES[0].public))
ML_DSA = "witness.example/w1+00000000+Bg" + "A" * 42
FAULTS = [
    (entry(key=PLAIN), "witnesses.north.key", "is no verifier key of a witness"),
    (entry(key=ML_DSA), "witnesses.north.key", "is no verifier key of a witness"),
    (entry(key=ONE.replace("w1", "w2")), "witnesses.north.key", "is no verifier key of a witness"),
    (entry(key=""), "witnesses.north.key", "is no verifier key of a witness"),
    (entry().replace("https", "http"), "witnesses.north.url", "must be https"),
    (entry("North"), "witnesses.North.name", "match pattern"),
    (entry(more="required = 1\n"), "witnesses.north.required", "valid boolean"),
    (entry(more='location = "EU"\n'), "witnesses.north.location", "not a known key"),
    (entry() + entry("north", TWO), "witnesses.north.name", "occurs twice"),
    (entry() + entry("south", ONE), "witnesses.south.key", "is that of north"),
    (entry() + entry("south", SAME), "witnesses.south.key", "is that of north"),
]


@pytest.mark.parametrize(("text", "key", "reason"), FAULTS)
def test_the_fault_is_named(data: Path, text: str, key: str, reason: str) -> None:
    """A key counts once, whatever its names: else one witness could do for two."""
    edit(data / EU, LAST, LAST + text)
    found = problem(data)

    assert (found.key, reason in found.reason) == (key, True), found.reason


@given(st.integers(0, len(ONE)), st.text(min_size=0, max_size=2))
def test_a_key_that_loads_can_be_used(at: int, put: str) -> None:
    """What the topology takes, the log takes too: another reading would fail at the first use."""
    for text in (ONE[:at] + put + ONE[at:], ONE[:at] + put + ONE[at + len(put) :]):
        try:
            WitnessSpec(name="north", key=text, url="https://north.example")
        except ValidationError:
            continue
        assert Verifier.parse(text).kind == COSIGNATURE


def test_every_key_of_a_witness_loads() -> None:
    """Whatever its bytes."""
    for seed in range(64):
        public = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key()
        key = str(Verifier(f"w.example/{seed}", COSIGNATURE, public.public_bytes_raw()))

        assert WitnessSpec(name="north", key=key, url="https://north.example").public == (
            public.public_bytes_raw()
        )


def test_the_same_keys_are_refused_by_both() -> None:
    """A key whose id is not its own."""
    with pytest.raises(InvalidRequest):
        Verifier.parse(ONE.replace("w1", "w2"))
