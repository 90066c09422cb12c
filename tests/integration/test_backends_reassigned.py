"""What a catalog has seen of the companies of its backends holds, whatever a file says later."""

from os import urandom
from pathlib import Path

import pytest

from storage.bootstrap import open_homes
from storage.catalog import topologies
from storage.errors import BackendReassigned, Unavailable
from storage.initialize import init
from storage.model import DataClass
from storage.testing import Domicile
from tests.integration.test_drains import drained
from tests.integration.test_objections import BY, HOST, only, there, work_on
from tests.support.actions import erase
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.inspect.stored import HOME, home
from tests.support.processors.copies import MODERATION
from tests.support.topologies import three_backends
from tests.support.topology_files import COMPANIES, EU, edit


@pytest.fixture
def wide(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose EU has a third backend, eu-c."""
    return use(domicile, three_backends(tmp_path / "topology"))


def use(domicile: Domicile, topology: Path) -> Domicile:
    """Reopen the store with another topology."""
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    return domicile


def renamed(topology: Path) -> None:
    """Give the company of eu-a another name."""
    edit(topology / COMPANIES, f'name = "{HOST}"', 'name = "neuland"')
    edit(topology / EU, f'sub_processor = "{HOST}"', 'sub_processor = "neuland"')


def given_away(topology: Path) -> None:
    """Give eu-a to the company of eu-b."""
    edit(topology / EU, f'sub_processor = "{HOST}"', 'sub_processor = "meerspeicher"')


@pytest.mark.parametrize("change", [renamed, given_away], ids=lambda f: f.__name__)
def test_a_backend_is_not_given_to_another_company(
    wide: Domicile, tmp_path: Path, change: object
) -> None:
    """The region stays closed, its catalog cannot be initialized, and other regions go on."""
    wide.tenant().put(DataClass.PROMPT, b"mine")
    topology = three_backends(tmp_path / "changed")
    change(topology)  # type: ignore[operator]
    changed = wide.settings.model_copy(update={"topology": topology})

    with open_homes(changed, dependencies=wide.dependencies, log=wide.log) as homes:
        assert set(homes.regions) == {"us-east-1"}
        with pytest.raises(BackendReassigned, match=f"eu-a .* of {HOST}"):
            homes.served(HOME)
    with pytest.raises(BackendReassigned):
        init(changed, dependencies=wide.dependencies)

    wide.open()
    wide.tenant().put(DataClass.PROMPT, b"more")


def test_a_recovery_gives_no_backend_to_another_company(wide: Domicile, tmp_path: Path) -> None:
    """What a restored catalog has seen before its backup holds."""
    wide.tenant().put(DataClass.PROMPT, b"mine")
    dump = Dump.of(wide)
    erase(wide.tenant())
    topology = three_backends(tmp_path / "changed")
    given_away(topology)
    kept = wide.settings.topology
    wide.settings = wide.settings.model_copy(update={"topology": topology})
    dump.restore(wide)

    with pytest.raises(BackendReassigned):
        recover_catalog(wide)

    wide.settings = wide.settings.model_copy(update={"topology": kept})
    recover_catalog(wide)


@pytest.fixture
def sold(wide: Domicile) -> Domicile:
    """A Domicile whose catalog has seen an older topology, by which eu-c is of MODERATION."""
    region = home(wide)
    past = region.topology.model_copy(deep=True)
    own = past.regions[HOME]
    specs = [
        spec.model_copy(update={"sub_processor": MODERATION}) if spec.name == "eu-c" else spec
        for spec in own.backends
    ]
    past.regions[HOME] = own.model_copy(update={"backends": tuple(specs)})
    for seen in (past, region.topology):
        with region.catalog.begin() as connection:
            topologies.note(connection, seen, region.clock.now(), urandom)
        wide.pass_time(hours=1)
    return wide


def test_an_objection_looks_where_the_company_was_seen(sold: Domicile) -> None:
    """It is not done while anything is there, though the topology names another company."""
    tenant = sold.tenant()
    sold.take_down("eu-a")
    tenant.put(DataClass.PROMPT, b"mine")
    assert there(sold, "eu-c")
    tenant.object(MODERATION, **BY)
    assert (only(tenant).left > 0, only(tenant).gone) == (True, None)

    sold.bring_back("eu-a")
    work_on(sold)

    assert there(sold, "eu-c") == []
    assert only(tenant).gone is not None


def test_a_drain_looks_where_the_company_was_seen(sold: Domicile) -> None:
    """No receipt is signed while anything is there."""
    sold.take_down("eu-a")
    sold.tenant().put(DataClass.PROMPT, b"mine")
    sold.bring_back("eu-a")

    with pytest.raises(Unavailable, match=f"eu-c was a backend of {MODERATION} and has"):
        drained(sold)
