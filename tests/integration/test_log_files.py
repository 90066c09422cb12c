"""What others get of a log: proofs, files, cosignatures; and what is forgotten of it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, func, select

from regions.witnesses import WitnessSpec
from storage.catalog import checkpoints, log
from storage.catalog import tables as t
from storage.cli.log_folder import LogFolder
from storage.crypto.log import verifier
from storage.crypto.root import rotate
from storage.errors import InvalidRequest, NotFound, Unavailable, WitnessesMissing
from storage.logs import make_logger
from storage.model import DataClass, Purpose
from storage.region import OpenRegion
from storage.testing import SERVICE, Domicile
from storage.tlog.checkpoints import Checkpoint, open_checkpoint
from storage.tlog.commitments import Opening
from storage.tlog.proofs import Proof, verify_proof
from storage.tlog.verification import verify_log
from storage.tlog.verifiers import Verifier
from storage.transparency.files import published
from storage.transparency.publish import Publisher
from storage.witnesses.http import HttpWitness
from storage.workers.due import due
from storage.workers.log import Sealer
from tests.support.actions import work
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import HOME, home
from tests.support.transparency import export, note_lines, numbers_of, publisher, verified
from tests.support.witnesses.server import Witness, serving

pytestmark = pytest.mark.one_region


@contextmanager
def listening(engine: Engine, statements: list[str]) -> Iterator[None]:
    """Collect the statements of an engine."""

    def note(_c: object, _k: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield
    event.remove(engine, "before_cursor_execute", note)


YEARS = 1500  # days after which the shipped topology forgets


def keys_of_log(domicile: Domicile, kind: str) -> list[str]:
    """Return the keys of the log's objects of a kind on one backend."""
    return [item.key for item in domicile.backends["eu-a"].scan(f"{kind}/")]


def test_a_line_is_proved_to_who_has_the_key_alone(domicile: Domicile) -> None:
    """The proof carries what the line says, and another text does not fit it."""
    domicile.tenant()
    region, logs = home(domicile), domicile.store.admin.log
    (line,) = logs.lines(HOME, kind="agreement")
    with pytest.raises(Unavailable, match="no checkpoint yet"):
        logs.prove(line.id)
    work(domicile)

    proof = Proof.parse(logs.prove(line.id))
    opening = Opening.parse(proof.extra)
    verify_proof(proof, opening.entry, region.log_trust)
    assert json.loads(opening.text)["tenant"] == "acme-eu"
    assert logs.keys(HOME) == [str(verifier(HOME, region.log_keys[0]))]
    with pytest.raises(NotFound):
        logs.prove(region.new_uuid(region.clock.now()))
    with pytest.raises(InvalidRequest, match="Use one of"):
        logs.lines(HOME, kind="agreements")


def test_an_export_goes_on_where_it_ended(domicile: Domicile, tmp_path: Path) -> None:
    """Only what is new is written, and the directory is a log at any time."""
    region, logs, folder = home(domicile), domicile.store.admin.log, tmp_path / "log"
    with pytest.raises(NotFound):
        logs.export(HOME, folder)
    publisher(domicile).publish(note_lines(region, 300)[-1])
    first = logs.export(HOME, folder)
    old = Checkpoint.parse((folder / "checkpoint").read_text().partition("\n\n")[0] + "\n")
    publisher(domicile).publish(*note_lines(region))
    again = logs.export(HOME, folder)

    assert (first, again) == (6, 3)
    opened = verify_log(lambda path: (folder / path).read_bytes(), region.log_trust, old=old)
    assert opened.checkpoint.size == old.size + 1
    assert list(folder.rglob(".*")) == []


def test_an_export_repairs_a_damaged_copy(domicile: Domicile, tmp_path: Path) -> None:
    """Whoever gets it again into the same directory gets a log that verifies."""
    region, folder = home(domicile), tmp_path / "log"
    publisher(domicile).publish(note_lines(region, 3)[-1])
    domicile.store.admin.log.export(HOME, folder)
    bundle = next(path for path in (folder / "tile" / "entries").rglob("*") if path.is_file())
    whole = bundle.read_bytes()
    bundle.write_bytes(bytes(len(whole)))

    domicile.store.admin.log.export(HOME, folder)

    assert bundle.read_bytes() == whole


def test_the_command_line_shows_proves_and_exports(line: CommandLine, tmp_path: Path) -> None:
    """And what it prints is what the library returns."""
    line.put("my prompt", "--subject", "u")
    assert line("worker", "--once").exit_code == 0
    lines = line.told("log", "show", "--kind", "agreement", "--region", HOME)["lines"]
    assert [each["says"]["tenant"] for each in lines] == ["acme-eu"]
    shown = line("log", "show").output
    assert "topology" in shown
    key = line("log", "key", "--region", HOME).stdout.strip()
    proof = line("log", "prove", lines[0]["line"]).stdout
    assert line("log", "export", tmp_path, "--region", HOME).exit_code == 0

    assert key.startswith(f"domicile/{HOME}+")
    assert Opening.parse(Proof.parse(proof.encode()).extra).entry.hex() == lines[0]["commitment"]
    assert (tmp_path / HOME / "checkpoint").is_file()
    assert line("log", "prove", lines[0]["line"], "--output", tmp_path / "p").exit_code == 0
    unknown = line.error("log", "prove", str(uuid4()))[1]
    assert unknown["message"].startswith("No such line")
    assert unknown["advice"] == "Check the id. See: domicile log show"
    assert (tmp_path / "p").read_text() == proof


def test_what_was_replaced_is_purged(domicile: Domicile, tmp_path: Path) -> None:
    """Partial tiles and checkpoints that nobody needs any more do not pile up."""
    region = home(domicile)
    for _ in range(6):
        publisher(domicile).publish(*note_lines(region))
    work(domicile)
    for _ in range(2):
        work(domicile, hours=1)

    assert len(keys_of_log(domicile, "checkpoint")) == 1
    assert len(keys_of_log(domicile, "log_tiles")) == 1
    assert verified(region, tmp_path)[1] >= 6


def test_what_a_line_says_is_forgotten_after_its_time(domicile: Domicile, tmp_path: Path) -> None:
    """In the catalog and on the backends. The log still shows that it only grew."""
    domicile.tenant()
    region, logs = home(domicile), domicile.store.admin.log
    publisher(domicile).publish(note_lines(region, 600)[-1])
    old = verified(region, tmp_path)
    (early,) = logs.lines(HOME, kind="agreement")
    domicile.pass_time(days=YEARS)
    late = note_lines(region)
    for _ in range(3):
        work(domicile, hours=1)

    with region.catalog.begin() as connection:
        rows = connection.execute(select(t.log_line)).all()
    kept = {row.number for row in rows if row.text is not None}
    assert kept == {row.number for row in rows if row.at > domicile.clock.now() - timedelta(days=9)}
    assert len(kept) < len(rows)
    assert {row.number for row in rows if row.salt is not None} == kept
    assert all(int(key.split("/")[1]) > 600 for key in keys_of_log(domicile, "log_lines"))
    now = published(region)
    assert now is not None
    assert now.minimum == 512
    with pytest.raises(NotFound):
        logs.prove(early.id)
    folder = export(region, tmp_path / "pruned")
    assert not (folder / "tile/entries/000").exists()
    opened = verify_log(lambda path: (folder / path).read_bytes(), region.log_trust, minimum=512)
    assert opened.checkpoint.size > old[1]
    earlier = Checkpoint(*old)
    verify_log(LogFolder(folder).read, region.log_trust, old=earlier, minimum=512)
    Proof.parse(logs.prove(late[0]))


@contextmanager
def watched(domicile: Domicile, *, required: bool) -> Iterator[tuple[OpenRegion, Witness]]:
    """Yield the region with a witness that runs on loopback."""
    region = home(domicile)
    key = str(verifier(HOME, region.log_keys[0]))
    seconds = region.clock.now().timestamp()
    with serving(Witness("w1", lambda: seconds, {f"domicile/{HOME}": key})) as witness:
        spec = WitnessSpec(name="north", key=witness.vkey, url=witness.url, required=required)
        http = HttpWitness(spec, clock=region.clock)
        declared = region.region.model_copy(update={"witnesses": (spec,)})
        yield replace(region, region=declared, witnesses=[http]), witness


def test_a_required_witness_sees_a_line_before_anybody_acts(domicile: Domicile) -> None:
    """Its cosignature is below the checkpoint. Without it, nobody gets on."""
    with watched(domicile, required=True) as (region, witness):
        one = Publisher(region, domicile.clock.sleep)
        for _ in range(3):
            one.publish(*note_lines(region))
        now = published(region)
        assert now is not None
        required = replace(region.log_trust, witnesses=(Verifier.parse(witness.vkey),), required=1)
        assert open_checkpoint(now.note, required).checkpoint.size == now.root.size
        assert witness.seen[f"domicile/{HOME}"][0] == now.root.size

        witness.lie = lambda *_: (500, b"")
        (line,) = note_lines(region)
        with pytest.raises(WitnessesMissing, match="north") as down:
            one.publish(line)
        witness.lie = lambda *_: (404, b"")
        with pytest.raises(WitnessesMissing, match="north") as refused:
            one.publish(line)
        assert (down.value.retryable, refused.value.retryable) == (True, False)
        witness.lie = None
        one.publish(line)
        assert witness.seen[f"domicile/{HOME}"][0] == now.root.size + 1


@pytest.mark.parametrize("line", ["", "no cosignature", "of another checkpoint"])
def test_a_row_in_the_catalog_is_no_cosignature(domicile: Domicile, line: str) -> None:
    """Any login may add one. What the witness did not sign does not count, and is not exported."""
    with watched(domicile, required=True) as (region, witness):
        one = Publisher(region, domicile.clock.sleep)
        one.publish(*note_lines(region))
        before = published(region)
        assert before is not None
        with region.catalog.begin() as connection:
            ((real,),) = checkpoints.cosigned(connection, before.root.size).values()
            forged = real if line == "of another checkpoint" else line
            for size in range(before.root.size + 1, before.root.size + 20):
                now = region.clock.now()
                checkpoints.add_cosignature(connection, size, "north", forged, now)
        witness.lie = lambda *_: (500, b"")
        (wanted,) = note_lines(region)

        with pytest.raises(WitnessesMissing, match="north"):
            one.publish(wanted)
        witness.lie = None
        one.publish(wanted)
        after = published(region)
        assert after is not None
        trusted = replace(region.log_trust, witnesses=(Verifier.parse(witness.vkey),))
        assert open_checkpoint(after.note, trusted).checkpoint.size == after.root.size


def test_a_witness_that_is_not_required_delays_nobody(domicile: Domicile) -> None:
    """A worker asks it in its next round; it gets what it missed."""
    with watched(domicile, required=False) as (region, witness):
        witness.lie = lambda *_: (500, b"")
        Publisher(region, domicile.clock.sleep).publish(note_lines(region, 300)[-1])
        sealer, logger = Sealer(region), make_logger()
        assert sealer.seal(logger) == 0
        witness.lie = None
        note_lines(region)
        while sealer.seal(logger):
            pass
        now = published(region)
        assert now is not None
        assert witness.seen[f"domicile/{HOME}"][0] == now.root.size


def test_the_log_says_when_its_key_changes(domicile: Domicile, tmp_path: Path) -> None:
    """Whoever has both keys verifies it across the change; the new key alone signs from there."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    old = verified(region, tmp_path / "old")
    rotate(domicile.settings.regions[HOME].keys_file, os.urandom, region=HOME, section="signing")
    domicile.open()
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))

    new, former = domicile.store.admin.log.keys(HOME)
    assert verified(region, tmp_path / "new", old)[1] > old[1]
    told = [
        json.loads(line.text or "").get("verifier_key")
        for line in domicile.store.admin.log.lines(HOME, kind="key_rotation")
    ]
    assert [key for key in told if key] == [former, new]


def test_what_customers_do_never_touches_the_log(domicile: Domicile) -> None:
    """A put and a get cost them not one statement for it."""
    t = domicile.tenant().bind(SERVICE)
    t.put(DataClass.PROMPT, b"warm")
    statements = list[str]()
    engine = home(domicile).catalog.engine
    with listening(engine, statements):
        kept = t.put(DataClass.PROMPT, b"mine", subject="u").id
        assert t.get(kept, purpose=Purpose.SERVE).body == b"mine"
    assert statements
    assert not [text for text in statements if "log_" in text or "checkpoint" in text]


def objects_of_log(region: OpenRegion) -> int:
    """Return how many objects the log has ever written."""
    kinds = ("log_tiles", "log_lines", "checkpoint")
    with region.catalog.begin() as connection:
        query = select(func.count()).select_from(t.object_).where(t.object_.c.kind.in_(kinds))
        return connection.scalar(query) or 0


def test_a_worker_seals_no_batch_for_each_line_that_nobody_waits_for(domicile: Domicile) -> None:
    """Three objects in ten minutes, however many lines come. None waits for longer."""
    region, sealer, logger = home(domicile), Sealer(home(domicile)), make_logger()
    work(domicile)
    began, made = objects_of_log(region), list[UUID]()
    for _ in range(60):
        made += note_lines(region)
        sealer.seal(logger)
        assert None not in numbers_of(region, made[:-11])
        domicile.pass_time(minutes=1)

    assert objects_of_log(region) - began <= 3 * 6
    assert due(region)["seal"] == 0 or sealer.seal(logger) == 1


def test_who_waits_for_a_line_does_not_wait_for_the_pause(domicile: Domicile) -> None:
    """Nor does a batch that is full, or that another process has begun."""
    region, sealer, logger = home(domicile), Sealer(home(domicile)), make_logger()
    work(domicile)
    waiting = note_lines(region, 3)
    assert sealer.seal(logger) == 0
    assert due(region)["seal"] == 0
    publisher(domicile).publish(*note_lines(region))
    assert None not in numbers_of(region, waiting)

    note_lines(region, log.BATCH - 1)
    assert sealer.seal(logger) == 0
    note_lines(region, 2)
    assert (sealer.seal(logger), sealer.seal(logger)) == (1, 0)

    for name in ("eu-a", "eu-b"):
        domicile.backends[name].full = True
    with pytest.raises(Unavailable):
        publisher(domicile).publish(*note_lines(region))
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].full = False
    assert due(region)["seal"] > 0
    assert sealer.seal(logger) == 1


def test_an_outage_leaves_few_rows_behind(domicile: Domicile) -> None:
    """A worker that cannot seal tries less and less often. When it can, it does."""
    region, sealer, logger = home(domicile), Sealer(home(domicile)), make_logger()
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].full = True
    for _ in range(120):
        sealer.seal(logger)
        domicile.pass_time(minutes=1)
    with region.catalog.begin() as connection:
        tried = connection.scalar(select(func.count()).select_from(t.object_))
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].full = False
    domicile.pass_time(hours=1)

    assert 2 <= (tried or 0) <= 30
    assert sealer.seal(logger) == 1
