"""Training with the database roles: who may do what of it."""

from pathlib import Path

import pytest

from storage.errors import CatalogForbidden
from storage.model import DataClass, ErasureState, Scope
from storage.testing import SERVICE, Domicile
from tests.integration.test_roles import turn_into
from tests.support.actions import erase
from tests.support.screening import machine
from tests.support.training import bodies, consent, permit_training, train, withdraw

pytestmark = pytest.mark.one_region


def test_service_worker_and_admin_suffice(domicile: Domicile, tmp_path: Path) -> None:
    """A service consents and trains, a worker asks back, an admin confirms; nobody does more."""
    permit_training(domicile, tmp_path)
    domicile.tenant()
    machine(domicile)
    original = domicile.settings
    try:
        turn_into(domicile, "domicile_service", original)
        tenant = domicile.store.tenant("acme-eu").bind(SERVICE)
        consent(domicile, subject="ann")
        consent(domicile)
        tenant.put(DataClass.PROMPT, b"of ann", subject="ann")
        assert bodies(train(domicile)) == [b"of ann"]
        withdraw(domicile)
        tenant.models.add("acme-model", by="ann")
        erasure = erase(tenant, Scope.subject("ann"))
        runs = domicile.store.training_runs
        found = runs.exclusions("run-1")
        assert len(list(found.records)) == 1
        with pytest.raises(CatalogForbidden):
            runs.confirm("run-1", listed=found.listed, document="d" * 64, by="ben")
        turn_into(domicile, "domicile_worker", original)
        for _ in range(3):
            domicile.pass_time(hours=24 * 4)
            domicile.run_worker()
        turn_into(domicile, "domicile_admin", original)
        runs = domicile.store.training_runs
        runs.confirm("run-1", listed=found.listed, document="d" * 64, by="ben")
        turn_into(domicile, "domicile_worker", original)
        domicile.run_worker()
        assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
    finally:
        domicile.settings = original
