"""Storage that is lost for ever: a person attests it, and receipts say so."""

from pathlib import Path

import pytest

from storage.backends.memory import MemoryBackend
from storage.catalog import tables as t
from storage.cli.exit_codes import Exit
from storage.draining import drain
from storage.errors import BackendReplaced, InvalidRequest, Unavailable
from storage.evidence.departures import verify_statement
from storage.evidence.keys import export_pem
from storage.evidence.receipts import Leaf, verify
from storage.model import Erasure
from storage.objects.recognition import attest_loss
from storage.testing import SERVICE, Domicile
from storage.workers.retire import retire
from tests.support.actions import erase, get, is_complete, put_prompt, work
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import HOME, home
from tests.support.scrubs import scrubbed
from tests.support.topologies import three_backends

pytestmark = pytest.mark.one_region

NAME = "eu-a"
DOCUMENT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def lose(domicile: Domicile) -> None:
    """Lose the storage of a backend, say so, and give it other storage."""
    domicile.take_down(NAME)
    attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)
    domicile.backends[NAME].inner = MemoryBackend(NAME, versioned=True)
    domicile.bring_back(NAME)
    domicile.open()


def leaves(domicile: Domicile, erasure: Erasure, name: str = NAME) -> list[Leaf]:
    """Work until the erasure is complete; return what its receipt says of a backend."""
    for _ in range(6):
        work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    token = domicile.store.erasure(erasure.id).receipt or ""
    receipt = verify(token, home(domicile).signing.public_key())
    return [leaf for leaf in receipt.leaves if leaf.backend == name]


def test_what_was_lost_is_never_seen_absent(domicile: Domicile) -> None:
    """Its erasure ends; the receipt says who knows that the bytes are gone: a person."""
    tenant = domicile.tenant()
    put_prompt(domicile, "u")
    lose(domicile)
    erasure = erase(domicile.store.tenant(tenant.id))

    found = leaves(domicile, erasure)

    assert {leaf.how for leaf in found} == {"attested"}
    assert {"object", "version", "upload"} <= {kind for leaf in found for kind in leaf.looked_for}


def test_what_came_later_is_seen_absent(domicile: Domicile) -> None:
    """In the other storage, and on the other backends."""
    tenant = domicile.tenant()
    put_prompt(domicile, "before")
    lose(domicile)
    domicile.pass_time(minutes=10)
    put_prompt(domicile, "u")
    erasure = erase(domicile.store.tenant(tenant.id))

    assert "seen" in {leaf.how for leaf in leaves(domicile, erasure)}
    assert {leaf.how for leaf in leaves(domicile, erasure, "eu-b")} == {"seen"}


def test_a_scrub_copies_what_is_missing(domicile: Domicile) -> None:
    """Each object is on two backends again."""
    tenant = domicile.tenant()
    mine = put_prompt(domicile, "u")
    work(domicile, hours=1)
    lose(domicile)
    scrubbed(domicile, share=1.0)
    work(domicile, hours=1)
    domicile.take_down("eu-b")

    assert get(domicile.store.tenant(tenant.id).bind(SERVICE), mine) == b"mine"


def test_storage_that_is_there_is_not_lost(domicile: Domicile) -> None:
    """Nobody gets rid of a backend by saying so. Nothing is noted."""
    put_prompt_of(domicile)
    with pytest.raises(InvalidRequest, match="not lost: it answers"):
        attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)
    domicile.backends[NAME].inner = MemoryBackend(NAME, versioned=True)

    with pytest.raises(BackendReplaced):
        domicile.open()


def put_prompt_of(domicile: Domicile) -> None:
    """Put a prompt of a new tenant."""
    domicile.tenant()
    put_prompt(domicile, "u")


def test_lost_storage_does_not_come_back(domicile: Domicile) -> None:
    """What was attested to be gone would be there again."""
    put_prompt_of(domicile)
    former = domicile.backends[NAME].inner
    lose(domicile)
    domicile.backends[NAME].inner = former

    with pytest.raises(BackendReplaced):
        domicile.open()

    domicile.backends[NAME].inner = MemoryBackend(NAME, versioned=True)
    with pytest.raises(BackendReplaced):
        domicile.open()


def test_storage_that_comes_back_before_the_other_is_used(domicile: Domicile) -> None:
    """It is refused as well."""
    put_prompt_of(domicile)
    domicile.take_down(NAME)
    attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)
    domicile.bring_back(NAME)

    with pytest.raises(BackendReplaced):
        domicile.open()


def test_a_loss_is_noted_once(domicile: Domicile) -> None:
    """A second time it says when and by whom, and what to do. What is new lost nothing."""
    put_prompt_of(domicile)
    domicile.take_down(NAME)
    attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)

    with pytest.raises(InvalidRequest, match="noted as lost on 2026-03-01 by ops-7") as caught:
        attest_loss(home(domicile), NAME, actor="ops-8", document=DOCUMENT)
    assert "domicile scrub" in caught.value.advice
    with home(domicile).catalog.begin() as connection:
        connection.execute(t.backend_storage.delete())
    with pytest.raises(InvalidRequest, match="never stored anything in eu-a"):
        attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)


def test_the_statement_of_a_backend_that_lost_its_storage(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Nobody saw the former empty."""
    put_prompt_of(domicile)
    work(domicile, hours=1)
    lose(domicile)
    topology = three_backends(tmp_path, retires=NAME)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    for _ in range(4):
        work(domicile, hours=1)
    served = domicile.homes.served(HOME)
    done = retire(served.region, served.keys, NAME, domicile.log, tell=lambda _: None)

    statement = verify_statement(str(done.token), served.region.signing.public_key())

    assert statement.seen == ()
    assert {"object", "version", "upload"} <= set(statement.attested)
    (tmp_path / "drain").write_text(
        drain(served.region, served.keys, "lindenhost", domicile.log, tell=lambda _: None)
    )
    (tmp_path / "key").write_text(export_pem(served.region.signing.public_key()))
    verify_it = ("receipt", "verify", tmp_path / "drain", "--key", tmp_path / "key")
    (emptied,) = CommandLine(tmp_path).told(*verify_it)["drain"]["backends"]
    assert emptied["attested"] == [kind.value for kind in statement.attested]
    assert f"attested: {', '.join(emptied['attested'])}" in " ".join(
        CommandLine(tmp_path)(*verify_it).stdout.split()
    )


def test_a_lost_backend_needs_storage_to_leave(domicile: Domicile, tmp_path: Path) -> None:
    """Nothing else could be listed, and the error says so."""
    put_prompt_of(domicile)
    domicile.take_down(NAME)
    attest_loss(home(domicile), NAME, actor="ops-7", document=DOCUMENT)
    topology = three_backends(tmp_path, retires=NAME)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    served = domicile.homes.served(HOME)

    with pytest.raises(Unavailable, match="is lost, and it has no other") as caught:
        retire(served.region, served.keys, NAME, domicile.log, tell=lambda _: None)
    assert "empty directory" in caught.value.advice


def test_on_the_command_line(line: CommandLine) -> None:
    """A disk is lost; the words say what to do, and who said so is shown."""
    line.put("mine", "--subject", "u")
    terms = ("--account", "z", "--home", HOME, "--residency", "EU", "--dpa", "2026-01-05")
    line.told("tenant", "ensure", "zeta", *terms)
    line.told("tenant", "object", "zeta", "lindenhost", "--by", "officer-7", "--ticket", "CASE-1")
    shown = " ".join(line("tenant", "objections", "zeta").stdout.split())
    (objection,) = line.told("tenant", "objections", "zeta")["objections"]
    looked = objection["look_at"].replace("T", " ")[:16]
    assert f"not confirmed yet: workers look from {looked} UTC on" in shown
    line("worker", "--once")
    root = line.home / "backends" / "eu-a"
    attest = ("backend", "lost", "eu-a", "--actor", "ops-7", "--document", DOCUMENT)
    there = line(*attest)
    assert there.exit_code == Exit.INVALID
    assert "is not lost" in there.output
    for wrong in (("eu-x", DOCUMENT), ("eu-a", "abc")):
        refused = line(*attest[:2], wrong[0], *attest[3:5], "--document", wrong[1])
        assert refused.exit_code == Exit.INVALID
    root.rename(line.home / "broken")
    assert line("init").exit_code == Exit.CONFIGURATION

    assert line(*attest).exit_code == Exit.DONE
    assert line("init").exit_code == Exit.DONE
    line.put("later")
    assert line("scrub", "--full").exit_code == Exit.DONE
    (loss,) = line.told("backend", "posture")["losses"]

    assert (loss["backend"], loss["actor"], loss["document"]) == ("eu-a", "ops-7", DOCUMENT)
    assert DOCUMENT[:16] in line("backend", "posture").output
    attested = f"attested: storage of eu-a lost on {loss['lost'][:10]}, by ops-7"
    for which in ("zeta",), ():
        assert attested in " ".join(line("tenant", "objections", *which).stdout.split())
        (objection,) = line.told("tenant", "objections", *which)["objections"]
        assert objection["lost"] == [loss]
