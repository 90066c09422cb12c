"""Nobody sees what was on lost storage absent, so an objection is not done without saying so."""

import pytest
from structlog import get_logger
from structlog.testing import capture_logs

from storage.client.objections import all_in_force
from storage.testing import Domicile
from tests.integration.test_lost_storage import lose
from tests.integration.test_objections import BY, HOST, only, work_on
from tests.support.actions import put_prompt
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

OTHER = "meerspeicher"  # runs eu-b


def test_an_objection_says_what_was_lost(domicile: Domicile) -> None:
    """At that company, since the tenant is there; in its own list, that of all, and the log."""
    domicile.tenant()
    put_prompt(domicile, "u")
    lose(domicile)
    domicile.pass_time(minutes=1)
    for name, company in (("acme-eu", HOST), ("later-eu", HOST), ("other-eu", OTHER)):
        domicile.tenant(name).object(company, **BY)
    domicile.log = get_logger()
    with capture_logs() as logs:
        work_on(domicile)

    found = only(domicile.store.tenant("acme-eu"))
    assert (found.left, found.gone is None) == (0, False)
    assert [(one.backend, one.actor) for one in found.lost] == [("eu-a", "ops-7")]
    assert only(domicile.store.tenant("later-eu")).lost == ()
    listed = {x.tenant: x.lost for x in all_in_force(home(domicile), after="", limit=9)}
    assert listed == {"acme-eu": found.lost, "later-eu": (), "other-eu": ()}
    hows = sorted(x["how"] for x in logs if x["event"] == "objection_done")
    assert hows == ["attested", "seen", "seen"]


def test_the_other_company_lost_it(domicile: Domicile) -> None:
    """What was lost at one company says nothing about another."""
    domicile.tenant().object(OTHER, **BY)
    lose(domicile)
    work_on(domicile)

    assert only(domicile.store.tenant("acme-eu")).lost == ()
