"""A recovery brings back every line of the log, whatever the texts that a login wrote say."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from storage.catalog import checkpoints, log
from storage.crypto.log import verifier
from storage.errors import LogInvalid, Unavailable
from storage.model import DataClass, LineKind, LogLine, PlacedHold, RecordId
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.tlog.commitments import commit
from storage.tlog.tiles import Tile
from tests.integration.test_recorded_reads import LOOK, person, put
from tests.support.actions import erase, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import as_role, catalog_of, with_urls
from tests.support.holds import open_held, place_hold
from tests.support.inspect.stored import HOME, home
from tests.support.transparency import note_lines, publisher, verified

SALT = b"s" * 32
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADD = text(
    "INSERT INTO log_line (id, kind, at, text, salt, commitment) "
    "VALUES (:id, 'policy', :at, :said, :salt, :entry)"
)
NOTHING = """
CREATE OR REPLACE FUNCTION restore_log_line(
  line uuid, what text, made timestamptz, said text, salted bytea, entry bytea, place bigint
) RETURNS void LANGUAGE sql AS 'SELECT'
"""


@contextmanager
def as_service(domicile: Domicile) -> Iterator[Connection]:
    """Begin a transaction on the catalog with nothing but the login of a service."""
    urls = {n: r.catalog_url.get_secret_value() for n, r in domicile.settings.regions.items()}
    roles = {n: as_role(url, "domicile_service") for n, url in urls.items()}
    with catalog_of(with_urls(domicile.settings, roles)) as connection:
        yield connection


def forge(
    domicile: Domicile,
    said: str,
    *,
    line: UUID | None = None,
    entry: bytes | None = None,
    later: timedelta = timedelta(0),
) -> None:
    """Add a line as a service."""
    row = {
        "id": line or uuid4(),
        "at": domicile.clock.now() + later,
        "said": said,
        "salt": SALT,
        "entry": entry or commit(SALT, said),
    }
    with as_service(domicile) as connection:
        connection.execute(ADD, row)


def claim(line: UUID, number: int = 0) -> str:
    """Return a text that says it is the line of another event."""
    at = "2026-01-01T00:00:00+00:00"
    return json.dumps({"line": str(line), "kind": "topology", "at": at, "number": number})


def numbered(region: OpenRegion) -> list[LogLine]:
    """Return the lines that have a number, in their order."""
    with region.catalog.begin() as connection:
        return log.numbered(connection, 0)


def entries(region: OpenRegion) -> Mapping[int | None, bytes]:
    """Return the commitments of the lines by their numbers."""
    return {line.number: line.commitment for line in numbered(region)}


def opening(region: OpenRegion) -> LogLine:
    """Return the one line about an opening."""
    (found,) = (line for line in numbered(region) if line.kind is LineKind.OPENING)
    return found


def lose_texts(domicile: Domicile) -> None:
    """Remove the texts of lines from every backend."""
    for backend in domicile.backends.values():
        for item in list(backend.scan("log_lines/")):
            backend.purge(item.key)


def held(domicile: Domicile) -> tuple[PlacedHold, RecordId]:
    """Return a hold and a record under it."""
    kept = domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u").id
    return place_hold(domicile), kept


@pytest.mark.parametrize("how", ["in a text", "in a commitment"])
def test_no_line_is_lost_to_one_that_names_its_id(
    domicile: Domicile, tmp_path: Path, how: str
) -> None:
    """Otherwise the next one would get a number that a checkpoint has, and count as public."""
    placed, kept = held(domicile)
    region = home(domicile)
    dump = Dump.of(domicile)
    (line,) = note_lines(region)
    for number in range(40):
        if how == "in a text":
            forge(domicile, claim(line, number), later=timedelta(minutes=1))
        else:
            chosen = b"\x01" + line.bytes + bytes(16)
            forge(domicile, "{}", entry=chosen, later=timedelta(minutes=-1))
    publisher(domicile).publish(*note_lines(region))
    old, before = verified(region, tmp_path), entries(region)

    dump.restore(domicile)
    recover_catalog(domicile)
    region = home(domicile)
    assert entries(region) == before
    assert {each.id: each.kind for each in numbered(region)}[line] is LineKind.POLICY
    open_held(domicile, placed, kept)

    assert (opening(region).number or 0) >= old[1]
    assert verified(region, tmp_path, old)[1] > old[1]


@pytest.mark.parametrize("waits", [False, True], ids=["lacked", "waiting in the backup"])
def test_a_forged_line_does_not_replace_an_opening(domicile: Domicile, *, waits: bool) -> None:
    """Not even one that comes before it in the log: what it says, and its place, are there."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    with region.catalog.begin() as connection:
        facts, now = {"actor": "counsel-1"}, region.clock.now()
        line = log.append(connection, LineKind.OPENING, facts, now, region.entropy)
    dump = Dump.of(domicile) if waits else dump
    forge(domicile, claim(line), later=timedelta(seconds=-5))
    publisher(domicile).publish(line)
    before = opening(region)

    dump.restore(domicile)
    recover_catalog(domicile)

    after = opening(home(domicile))
    assert (after.number, after.text) == (before.number, before.text)
    assert after.commitment == before.commitment


def of(at: str) -> str:
    """Return a text that says a time."""
    return json.dumps({"line": str(uuid4()), "kind": "policy", "at": at})


FORGED = {
    "nested deeply": '{"a": ' + "[" * 3000 + "]" * 3000 + "}",
    "of the year 1": of("0001-01-01T00:00+00:00"),
    "before it": of("0001-01-01T00:00+23:59"),
    "of 1969": of("1970-01-01T00:00+00:01"),
    "of the year 9999": of("9999-01-01T00:00+00:00"),
    "after it": of("9999-12-31T23:59-23:59"),
    "of no time": of("2026-01-01T00:00"),
    "of a long number": f'{{"line": {"9" * 5000}}}',
}


@pytest.mark.parametrize("said", FORGED.values(), ids=FORGED)
def test_no_text_stops_a_recovery(domicile: Domicile, tmp_path: Path, said: str) -> None:
    """It is back as a line of which only the place is known."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    forge(domicile, said)
    publisher(domicile).publish(*note_lines(region))
    old, before = verified(region, tmp_path), entries(region)

    dump.restore(domicile)
    recover_catalog(domicile)

    region = home(domicile)
    assert entries(region) == before
    assert [line.text for line in numbered(region) if line.kind is LineKind.LOST] == [said]
    publisher(domicile).publish(*note_lines(region))
    assert verified(region, tmp_path, old)[1] > old[1]


def test_a_line_with_the_id_that_another_one_will_get_stops_nothing(domicile: Domicile) -> None:
    """Which that is follows from its number and its commitment, so it can be foreseen."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    (line,) = note_lines(region)
    forge(domicile, claim(line))
    publisher(domicile).publish(line)
    forge(domicile, "{}", entry=bytes(33))
    publisher(domicile).publish(*note_lines(region))
    before = entries(region)
    dump.restore(domicile)
    recover_catalog(domicile)
    given = {each.id for each in numbered(home(domicile)) if each.number in before}

    dump.restore(domicile)
    with catalog_of(domicile.settings) as connection:
        known = {each.id for each in log.numbered(connection, 0)}
    for each in given - known:
        forge(domicile, "{}", line=each)
    recover_catalog(domicile)

    assert {n: e for n, e in entries(home(domicile)).items() if n in before} == before


def test_a_forged_line_of_a_batch_that_was_begun_stops_nothing(domicile: Domicile) -> None:
    """The backup has its number, under an id that its text does not say."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    forge(domicile, claim(uuid4()))
    with region.catalog.begin() as connection:
        log.number(connection, 10, len(log.numbered(connection, 0)))
    dump = Dump.of(domicile)
    publisher(domicile).publish(*note_lines(region))
    before = entries(region)

    dump.restore(domicile)
    recover_catalog(domicile)

    assert entries(home(domicile)) == before


def test_a_line_that_was_noted_again_meanwhile_is_there_once(domicile: Domicile) -> None:
    """A backend that did not answer at first has the line about an event of the ledger."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    dump = Dump.of(domicile)
    erase(tenant)
    publisher(domicile).publish(*note_lines(home(domicile)))
    for item in list(domicile.backends["eu-a"].scan()):
        if item.key.startswith(("checkpoint/", "log_")):
            domicile.backends["eu-a"].purge(item.key)
    dump.restore(domicile)
    domicile.take_down("eu-b")
    assert recover_catalog(domicile).events == 1
    domicile.bring_back("eu-b")
    work(domicile)
    work(domicile, minutes=11)

    kinds = [line.kind for line in numbered(home(domicile))]
    assert kinds.count(LineKind.ERASURE) == 1


def test_a_known_checkpoint_does_not_hide_that_its_lines_are_lacking(domicile: Domicile) -> None:
    """A login may add what the region signed to a catalog that does not have the lines."""
    placed, kept = held(domicile)
    region = home(domicile)
    dump = Dump.of(domicile)
    signed = publisher(domicile).publish(note_lines(region, 40)[-1])
    before = entries(region)
    dump.restore(domicile)
    with as_service(domicile) as connection:
        row = {"size": signed.size, "root": signed.root, "note": signed.note}
        known = text("INSERT INTO log_checkpoint VALUES (:size, :root, :note, now())")
        connection.execute(known, row)
    recover_catalog(domicile)

    assert entries(home(domicile)) == before
    open_held(domicile, placed, kept)
    assert (opening(home(domicile)).number or 0) >= signed.size


def test_a_recovery_that_lacks_a_line_is_not_accepted(domicile: Domicile) -> None:
    """Whatever the reason: nothing is signed, and the catalog stays closed."""
    region = home(domicile)
    dump = Dump.of(domicile)
    (line,) = note_lines(region)
    publisher(domicile).publish(line)
    dump.restore(domicile)
    with catalog_of(domicile.settings) as connection:
        connection.execute(text(NOTHING))

    with pytest.raises(LogInvalid, match="lacks"):
        recover_catalog(domicile)


def test_no_line_gets_a_number_that_a_checkpoint_has(domicile: Domicile) -> None:
    """If the catalog lacks lines, nothing is numbered or signed, and the error says so."""
    region = home(domicile)
    signed = publisher(domicile).publish(note_lines(region, 3)[-1])
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM log_line WHERE number > 0"))
    (late,) = note_lines(region)

    with region.catalog.begin() as connection:
        connection.execute(text("SELECT number_log_lines(10, :size)"), {"size": signed.size})
    with pytest.raises(LogInvalid, match="lacks the next one"):
        publisher(domicile).publish(late)

    assert len(numbered(region)) == 1


def test_what_was_sent_before_a_catalog_was_lost_hides_no_line(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Its tiles and texts stay on the backends, with numbers that other lines got later."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    for count in (258, 262, 258):
        lost = note_lines(region, count)
        with domicile.catalog_faults() as faults:
            faults.drop_before_commit("INSERT INTO log_checkpoint")
            with pytest.raises(Unavailable):
                publisher(domicile).publish(lost[-1])
        dump.restore(domicile)
        recover_catalog(domicile)
        region = home(domicile)
    publisher(domicile).publish(note_lines(region, 260)[-1])
    old, before = verified(region, tmp_path), numbered(region)

    dump.restore(domicile)
    recover_catalog(domicile)

    region = home(domicile)
    known = [line for line in numbered(region) if (line.number or 0) < old[1]]
    assert [(line.text, line.commitment) for line in known] == [
        (line.text, line.commitment) for line in before
    ]
    publisher(domicile).publish(*note_lines(region))
    assert verified(region, tmp_path, old)[1] > old[1]
    with region.catalog.begin() as connection:
        assert len(checkpoints.where_is(connection, Tile(0, 0))) == 1


def test_an_event_that_is_replayed_has_its_line_whatever_has_its_id(domicile: Domicile) -> None:
    """The id follows from the event, so it can be foreseen between backup and recovery."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    dump = Dump.of(domicile)
    erase(tenant)
    (before,) = (line for line in waiting(home(domicile)) if line.kind is LineKind.ERASURE)
    dump.restore(domicile)
    forge(domicile, claim(before.id), line=before.id)

    for _ in range(2):
        recover_catalog(domicile)
        (after,) = (line for line in waiting(home(domicile)) if line.kind is LineKind.ERASURE)
        assert facts(after) == facts(before)
        with catalog_of(domicile.settings) as connection:
            connection.execute(text("UPDATE catalog_info SET identity = NULL"))


def test_an_event_that_is_noted_again_has_one_line(domicile: Domicile) -> None:
    """A read for training notes itself with each page that it hands out."""
    region = home(domicile)
    forge(domicile, "{}", line=line_of_policy())
    for _ in range(3):
        with region.catalog.begin() as connection:
            said = {"number": 1}
            log.append(
                connection, LineKind.POLICY, said, NOON, region.entropy, line=line_of_policy()
            )

    assert len([each for each in waiting(region) if "number" in facts(each)]) == 1


def test_a_new_key_has_its_line_whatever_has_its_id(domicile: Domicile) -> None:
    """It follows from the key, which is public before the key signs."""
    region = home(domicile)
    event = UUID(bytes=sha256(verifier(region.name, region.log_keys[0]).public).digest()[:16])
    line = log.line_of(event, LineKind.KEY_ROTATION, datetime(1970, 1, 1, tzinfo=UTC))
    forge(domicile, claim(line), line=line)
    publisher(domicile).publish(*note_lines(region))

    signing = [facts(each) for each in numbered(region) if each.kind is LineKind.KEY_ROTATION]
    assert [each["section"] for each in signing if "verifier_key" in each] == ["signing"]


def line_of_policy() -> UUID:
    """Return the id of the line about an event."""
    return log.line_of(UUID(int=1), LineKind.POLICY, NOON)


def waiting(region: OpenRegion) -> list[LogLine]:
    """Return all lines, those without a number too."""
    with region.catalog.begin() as connection:
        return log.page(connection, kind=None, since=None, after=None, limit=1000)


def facts(line: LogLine) -> dict[str, object]:
    """Return what a line says, but for its id."""
    said: dict[str, object] = json.loads(line.text or "{}")
    return {name: value for name, value in said.items() if name != "line"}


TAKE = "SELECT number_log_lines(1000, NULL)"
KNOWN = text("INSERT INTO log_checkpoint VALUES (:size, :root, :note, now())")
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


def look_into(region: OpenRegion) -> UUID:
    """Add the line about an opening."""
    with region.catalog.begin() as connection:
        said, now = {"actor": "counsel-1"}, region.clock.now()
        return log.append(connection, LineKind.OPENING, said, now, region.entropy)


@pytest.mark.parametrize("known", [False, True], ids=["", "and a checkpoint of after it"])
def test_lines_that_got_a_number_before_the_recovery_wait_again(
    domicile: Domicile, tmp_path: Path, *, known: bool
) -> None:
    """Any login of a process can number lines in a catalog that was restored just now."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 2)[-1])
    dump = Dump.of(domicile)
    signed = publisher(domicile).publish(note_lines(region, 3)[-1])
    old, before = verified(region, tmp_path), entries(region)
    dump.restore(domicile)
    with as_service(domicile) as connection:
        for number in range(5):
            at = LONG_AGO + timedelta(seconds=number)
            said, entry = f'{{"forged":{number}}}', bytes([number] * 33)
            row = {"id": uuid4(), "at": at, "said": said, "salt": SALT, "entry": entry}
            connection.execute(ADD, row)
        connection.execute(text(TAKE))
        if known:
            row = {"size": signed.size, "root": signed.root, "note": signed.note}
            connection.execute(KNOWN, row)

    recover_catalog(domicile)

    region = home(domicile)
    assert entries(region) == before
    assert sum("forged" in (line.text or "") for line in waiting(region)) == 5
    publisher(domicile).publish(note_lines(region)[-1])
    assert verified(region, tmp_path, old)[1] > old[1] + 5


def test_a_log_that_was_pruned_knows_what_its_lines_are(domicile: Domicile) -> None:
    """Their root is computed from the tiles before the first line."""
    publisher(domicile).publish(note_lines(home(domicile), 600)[-1])
    domicile.pass_time(days=1500)
    publisher(domicile).publish(note_lines(home(domicile))[-1])
    for _ in range(3):
        work(domicile, hours=1)
    region = home(domicile)
    dump = Dump.of(domicile)
    signed = publisher(domicile).publish(note_lines(region, 3)[-1])
    before = entries(region)
    assert min(number or 0 for number in before) == 512
    dump.restore(domicile)
    with as_service(domicile) as connection:
        for _ in range(5):
            row = {"id": uuid4(), "at": LONG_AGO, "said": "{}", "salt": SALT, "entry": bytes(33)}
            connection.execute(ADD, row)
        connection.execute(text(TAKE))
        row = {"size": signed.size, "root": signed.root, "note": signed.note}
        connection.execute(KNOWN, row)

    recover_catalog(domicile)

    assert entries(home(domicile)) == before
    assert publisher(domicile).publish(note_lines(home(domicile))[-1]).size > signed.size + 5


@pytest.mark.parametrize("known", [False, True], ids=["", "and a checkpoint of after it"])
@pytest.mark.parametrize(
    "how",
    ["another text", "its text under another kind", "waiting", "waiting, with another salt"],
)
def test_a_line_with_a_true_commitment_says_what_the_log_has(
    domicile: Domicile, how: str, *, known: bool
) -> None:
    """Commitments are public. Who takes the places of lines with them hides nothing."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 2)[-1])
    dump = Dump.of(domicile)
    signed = publisher(domicile).publish(look_into(region))
    true, before = numbered(region), opening(region)
    dump.restore(domicile)
    with as_service(domicile) as connection:
        lacked = true[len(log.numbered(connection, 0)) :]
        for count, line in enumerate(lacked):
            said, salt, entry = line.text or "", line.salt or b"", line.commitment
            if how == "waiting, with another salt":
                salt, entry = SALT, commit(SALT, said)
            elif how != "its text under another kind":
                said, salt = "{}", SALT
            at = LONG_AGO + timedelta(seconds=count)
            row = {"id": line.id, "at": at, "said": said, "salt": salt, "entry": entry}
            connection.execute(ADD, row)
        if not how.startswith("waiting"):
            connection.execute(text(TAKE))
        if known:
            row = {"size": signed.size, "root": signed.root, "note": signed.note}
            connection.execute(KNOWN, row)

    recover_catalog(domicile)

    after = opening(home(domicile))
    assert (after.number, after.text, after.at) == (before.number, before.text, before.at)
    assert entries(home(domicile)) == {line.number: line.commitment for line in true}


def test_a_text_of_a_line_that_nobody_has_is_not_made_up(domicile: Domicile) -> None:
    """What a login says instead goes; only the place of the line is known."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 2)[-1])
    dump = Dump.of(domicile)
    publisher(domicile).publish(look_into(region))
    before = opening(region)
    lose_texts(domicile)
    dump.restore(domicile)
    with as_service(domicile) as connection:
        row = {"id": before.id, "at": LONG_AGO, "said": "{}", "salt": SALT}
        connection.execute(ADD, row | {"entry": before.commitment})
        connection.execute(text(TAKE))

    recover_catalog(domicile)

    after = numbered(home(domicile))[-1]
    assert (after.kind, after.text) == (LineKind.LOST, None)


def test_a_worker_cannot_restore_what_the_log_does_not_have(domicile: Domicile) -> None:
    """Even in a recovery, a text goes only with its commitment, and over no true one."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 2)[-1])
    before = numbered(region)
    restore = text(
        "SELECT restore_log_line(:id, :kind, now(), :said, :salt, :entry, :number)"
    ).bindparams(id=uuid4(), kind="export", salt=SALT, entry=before[-1].commitment)
    with region.catalog.begin() as connection:
        connection.execute(text("UPDATE catalog_info SET identity = NULL"))
        connection.execute(text("SET LOCAL ROLE domicile_worker"))
        with pytest.raises(ProgrammingError, match="does not open"), connection.begin_nested():
            connection.execute(restore, {"said": "{}", "number": 9})
        connection.execute(restore, {"said": None, "number": before[-1].number})
        true = {"said": before[-1].text, "salt": before[-1].salt, "number": before[-1].number}
        connection.execute(restore, true)
        assert log.numbered(connection, 0) == [*before[:-1], replace(before[-1], login=None)]

        last = before[-1]
        again = {"said": last.text, "salt": last.salt, "number": last.number}
        kept: dict[str, object] = {"id": last.id, "number": last.number}
        for given in ({**kept, "said": None}, kept | again, _other_salt(last, kept)):
            connection.execute(text("SELECT release_log_numbers(ARRAY[:number])"), kept)
            connection.execute(restore, given)
            (now,) = log.numbered(connection, last.number or 0)
            assert (now.id, now.kind, now.at, now.text) == (last.id, last.kind, last.at, last.text)
        connection.rollback()


def _other_salt(line: LogLine, kept: dict[str, object]) -> dict[str, object]:
    """Return what restores a line as if it had been noted again."""
    return kept | {"said": line.text, "salt": SALT, "entry": commit(SALT, line.text or "")}


def test_a_line_of_a_time_that_lies_ahead_comes_back_as_of_now(domicile: Domicile) -> None:
    """Else neither its text nor those after it would ever be forgotten."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    forge(domicile, of("9998-01-01T00:00+00:00"))
    publisher(domicile).publish(*note_lines(region))
    before = entries(region)
    dump.restore(domicile)

    recover_catalog(domicile)

    region = home(domicile)
    assert entries(region) == before
    assert max(line.at for line in numbered(region)) <= region.clock.now()


def test_a_line_that_is_restored_has_no_login(domicile: Domicile) -> None:
    """Not that of who recovers: it did not look into anything."""
    record = put(domicile)
    dump = Dump.of(domicile)
    person(domicile).get(record, purpose=LOOK)
    assert opening(home(domicile)).login == "postgres"
    dump.restore(domicile)

    recover_catalog(domicile)

    (line,) = domicile.store.admin.log.lines(HOME, kind=LineKind.OPENING)
    assert line.login is None
    now, day = domicile.clock.now(), timedelta(days=1)
    report = domicile.store.admin.access.report(HOME, since=now - day, until=now + day)
    assert [one.logins for one in report.looked] == [()]


def test_a_line_that_a_checkpoint_of_the_backup_has_keeps_its_login(domicile: Domicile) -> None:
    """It is not brought back: the hashes of its log show that it was there."""
    region = home(domicile)
    publisher(domicile).publish(look_into(region))
    dump = Dump.of(domicile)
    publisher(domicile).publish(note_lines(region)[-1])
    dump.restore(domicile)

    recover_catalog(domicile)

    assert opening(home(domicile)).login == "postgres"


@pytest.mark.parametrize("how", ["added", "added and numbered", "waiting in the backup"])
@pytest.mark.parametrize("kept", [True, False], ids=["", "its text is lost"])
def test_no_line_that_was_brought_back_has_a_login(
    domicile: Domicile, how: str, *, kept: bool
) -> None:
    """Any login that has read the line may have added it to the restored catalog again."""
    publisher(domicile).publish(*note_lines(home(domicile)))
    dump = Dump.of(domicile)
    line = look_into(home(domicile))
    if how == "waiting in the backup":
        dump = Dump.of(domicile)
    publisher(domicile).publish(line)
    true = opening(home(domicile))
    assert true.login == "postgres"
    dump.restore(domicile)
    if how != "waiting in the backup":
        with as_service(domicile) as connection:
            row = {"id": true.id, "at": true.at, "said": true.text}
            row |= {"salt": true.salt, "entry": true.commitment}
            connection.execute(text(str(ADD).replace("'policy'", "'opening'")), row)
            if how == "added and numbered":
                connection.execute(text("SELECT number_log_lines(1000, NULL)"))
    if not kept:
        lose_texts(domicile)

    recover_catalog(domicile)

    found = {each.number: each for each in numbered(home(domicile))}[true.number]
    assert (found.commitment, found.login) == (true.commitment, None)
    if kept:
        assert found.text == true.text
