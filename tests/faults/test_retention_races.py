"""Two people change how long a tenant keeps its classes, at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from storage.catalog import tenants
from storage.errors import TermsChanged
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.faults.transactions import CatalogFaults
from tests.support.inspect.stored import home, wait_until

pytestmark = pytest.mark.one_region


@pytest.mark.parametrize("second", [DataClass.COMPLETION, DataClass.PROMPT])
def test_no_change_of_a_retention_is_lost(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor, second: DataClass
) -> None:
    """The second waits for the first. It changes another class too, and is refused the same one."""
    region, tenant = home(domicile), domicile.tenant().id

    def keep(connection: Connection, data_class: DataClass, days: int) -> None:
        now, entropy = domicile.clock.now(), region.entropy
        tenants.keep(connection, tenant, data_class, days, was=None, now=now, entropy=entropy)

    def later() -> None:
        with region.catalog.begin() as connection:
            keep(connection, second, 9)

    with region.catalog.begin() as connection:
        keep(connection, DataClass.PROMPT, 7)
        waiting = aside.submit(later)
        wait_until(lambda: faults.lock_waiters() == 1)
    if second is DataClass.PROMPT:
        with pytest.raises(TermsChanged, match="changed meanwhile"):
            waiting.result(30)
    else:
        waiting.result(30)

    with region.catalog.begin() as connection:
        kept = tenants.retention_of(connection, tenant)
    expected = {DataClass.COMPLETION: 9, DataClass.PROMPT: 7}
    assert kept == {name: expected[name] for name in {DataClass.PROMPT, second}}
