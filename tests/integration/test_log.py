"""The transparency log of a region: it only grows, and others verify it with their own code."""

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.catalog import checkpoints, log
from storage.errors import BackendUnavailable, Unavailable
from storage.model import DataClass, LineKind, Reason, Scope
from storage.policy import read_line
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.testing.faults import Call
from tests.support.actions import work
from tests.support.catalogs.databases import as_role, catalog_of, with_urls
from tests.support.holds import open_held, place_hold, release_holds
from tests.support.inspect.stored import HOME, home
from tests.support.transparency import (
    checkpoints_of,
    note_lines,
    numbers_of,
    publisher,
    verified,
)

pytestmark = pytest.mark.one_region


def test_a_published_line_is_in_a_log_that_others_verify(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Every batch continues the log of the one before, across full tiles and new processes."""
    region, first = home(domicile), publisher(domicile)
    old = None
    for count in (1, 3, 300, 1, 250):
        lines = note_lines(region, count)
        root = first.publish(lines[-1])
        old = verified(region, tmp_path, old)
        assert old[1:] == (root.size, root.root)
        assert None not in numbers_of(region, lines)
    second = publisher(domicile)
    second.publish(*note_lines(region))
    assert verified(region, tmp_path, old)[1] == old[1] + 1 if old else False


def test_callers_that_wait_at_once_share_batches(domicile: Domicile) -> None:
    """Sixteen callers cost a few checkpoints, and each returns with its own line in one."""
    region, shared = home(domicile), publisher(domicile)
    sizes: dict[int, int] = {}

    def call(number: int) -> None:
        (line,) = note_lines(region)
        root = shared.publish(line)
        (place,) = numbers_of(region, [line])
        sizes[number] = root.size if place is not None and place < root.size else -1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sizes) == 16
    assert -1 not in sizes.values()
    assert len(checkpoints_of(region)) < 16


def test_two_processes_never_sign_two_roots_of_one_size(domicile: Domicile, tmp_path: Path) -> None:
    """They take turns, and the log is one."""
    region, both = home(domicile), [publisher(domicile), publisher(domicile)]

    def call(number: int) -> None:
        for _ in range(5):
            both[number].publish(*note_lines(region))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    size = verified(region, tmp_path)[1]
    sizes = [each.size for each in checkpoints_of(region)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == size


def test_nothing_is_published_while_too_few_backends_take_it(
    domicile: Domicile, tmp_path: Path
) -> None:
    """The caller is refused. Its line is kept, and gets its place when they are back."""
    region, one = home(domicile), publisher(domicile)
    (line,) = note_lines(region)
    domicile.take_down("eu-a", "eu-b")
    with pytest.raises(Unavailable):
        one.publish(line)
    domicile.bring_back("eu-a", "eu-b")

    root = one.publish(line)

    assert verified(region, tmp_path)[1] == root.size


def test_what_a_dead_process_began_is_continued_alike(domicile: Domicile) -> None:
    """It died after it fixed a batch: whoever goes on signs the same lines in the same order."""
    region, dead = home(domicile), publisher(domicile)
    lines = note_lines(region, 3)
    domicile.take_down("eu-a", "eu-b")
    with pytest.raises(Unavailable):
        dead.publish(lines[0])
    fixed = numbers_of(region, lines)
    domicile.bring_back("eu-a", "eu-b")
    (late,) = note_lines(region)

    publisher(domicile).publish(late)

    last = checkpoints_of(region)[-2]
    assert numbers_of(region, lines) == fixed
    assert numbers_of(region, [late]) == [last.size]


ATTACKS = (
    "UPDATE log_line SET text = 'something else'",
    "UPDATE log_line SET salt = '\\x00'",
    "UPDATE log_line SET commitment = '\\x00'",
    "UPDATE log_line SET number = 0",
    "DELETE FROM log_line",
    "TRUNCATE log_line",
    "UPDATE log_checkpoint SET root = '\\x00'",
    "DELETE FROM log_checkpoint",
    "UPDATE log_cosignature SET line = ''",
    "DELETE FROM log_cosignature",
    "UPDATE log_state SET minimum = 256",
    "INSERT INTO log_line (id, number) SELECT gen_random_uuid(), 5",
    "SELECT restore_log_line(id, kind, at, '{}', '\\x00', '\\x00', number) FROM log_line",
    "SELECT prune_log(256)",
)


@pytest.mark.parametrize("role", ["domicile_service", "domicile_worker", "domicile_admin"])
def test_no_role_changes_a_line(domicile: Domicile, role: str) -> None:
    """What a login can do to the log is to add to it."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    urls = {n: r.catalog_url.get_secret_value() for n, r in domicile.settings.regions.items()}
    settings = with_urls(domicile.settings, {n: as_role(url, role) for n, url in urls.items()})
    with catalog_of(settings, HOME) as connection:
        for statement in ATTACKS:
            with pytest.raises(DBAPIError), connection.begin_nested():
                connection.execute(text(statement))
        assert connection.scalar(text("SELECT count(*) FROM log_line WHERE number = 0")) == 1


def lines_of(region: OpenRegion) -> list[tuple[LineKind, dict[str, object]]]:
    """Return kind and facts of every line, oldest first."""
    with region.catalog.begin() as connection:
        found = log.page(connection, kind=None, since=None, after=None, limit=1000)
    assert all(read_line(line.kind, line.text or "") for line in found)
    return [(line.kind, json.loads(line.text or "{}")) for line in found]


def test_each_event_has_its_line(domicile: Domicile, tmp_path: Path) -> None:
    """And no line names a subject, or says why in free text."""
    t, region = domicile.tenant(), home(domicile)
    kept = t.put(DataClass.PROMPT, b"what was said", subject="jane@example.com").id
    t.put(DataClass.PROMPT, b"and more", subject="john")
    placed = place_hold(domicile, Scope.subject("jane@example.com"))
    assert open_held(domicile, placed, kept) == b"what was said"
    copy = t.hand_over(kept, "klarblick")
    erasure = t.erase(Scope.subject("john"), reason=Reason.SUBJECT_REQUEST, ticket="ticket-7")
    release_holds(domicile, placed)
    work(domicile)
    work(domicile, hours=1)

    found = lines_of(region)
    stated = dict(found)
    assert {kind for kind, _ in found} >= {
        LineKind.KEY_ROTATION,
        LineKind.TOPOLOGY,
        LineKind.AGREEMENT,
        LineKind.HOLD_PLACED,
        LineKind.OPENING,
        LineKind.HAND_OVER,
        LineKind.ERASURE,
        LineKind.HOLD_RELEASED,
        LineKind.RECEIPT,
    }
    assert stated[LineKind.OPENING]["actor"] == "counsel-1"
    assert stated[LineKind.HAND_OVER]["copy"] == str(copy.copy)
    assert stated[LineKind.RECEIPT]["erasure"] == str(erasure.id)
    text = json.dumps([facts for _, facts in found])
    for secret in ("jane", "john", "ticket-7", "Doe v. Acme", "settled", "court"):
        assert secret not in text
    assert verified(region, tmp_path)[1] == len(found)


def test_nothing_is_opened_before_its_line_is_published(domicile: Domicile) -> None:
    """No backend takes the checkpoint: the reader gets an error, and no byte was read."""
    t, region = domicile.tenant(), home(domicile)
    kept = t.put(DataClass.PROMPT, b"mine", subject="u").id
    placed = place_hold(domicile)
    reads = list[str]()

    def refuse(call: Call) -> object:
        raise BackendUnavailable(call.backend.name)

    def note(call: Call) -> object:
        reads.append(call.key)
        return call.proceed()

    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(refuse, "put", prefix="checkpoint/")
        domicile.backends[name].inject(note, "get", prefix="pack/")
    with pytest.raises(Unavailable):
        open_held(domicile, placed, kept)
    assert reads == []
    assert LineKind.OPENING in {kind for kind, _ in lines_of(region)}


def test_a_dead_process_holds_nobody_up_for_long(domicile: Domicile) -> None:
    """It ended while it had the lease. Whoever comes next goes on within a PUT's time."""
    region, now = home(domicile), home(domicile).clock.now()
    with region.catalog.begin() as connection:
        until = region.deadline(now)
        assert checkpoints.take_lease(connection, region.new_uuid(now), now, until)
    (line,) = note_lines(region)

    publisher(domicile).publish(line)

    assert (region.clock.now() - now).total_seconds() < region.limits.attempt + 2
