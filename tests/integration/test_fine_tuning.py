"""Fine-tuning: a file is read for a job and a model of the tenant's own, and that is kept."""

import pytest
from sqlalchemy import text

from storage.catalog import identity
from storage.client.tenant import BoundTenant
from storage.errors import Erased, InvalidRequest, ModelRefused, NotFound, PurposeRefused
from storage.model import (
    DataClass,
    ErasureState,
    ExclusionReason,
    FineTuning,
    Purpose,
    Reason,
    Scope,
)
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.inspect.rows import all_state
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

TUNE = Purpose.FINE_TUNE
JOB = FineTuning("job-1", "acme-summaries")


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant with a model of its own."""
    made = domicile.tenant()
    made.models.add(JOB.model, by="ann")
    return made


def test_fine_tuning_data_is_only_used_to_fine_tune_the_customers_model(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Not that of another tenant, nor one that nobody has noted, which may be shared."""
    put = tenant.put_file([b"lines"]).id
    domicile.tenant("beta-eu").models.add("beta-model", by="ben")
    before = all_state(domicile)
    for model, reason in (("beta-model", "another_tenants_model"), ("base", "unknown_model")):
        for read in (tenant.get, tenant.open):
            with pytest.raises(ModelRefused) as caught:
                read(put, purpose=TUNE, tuning=FineTuning("job-1", model))
            assert caught.value.reasons == (reason,)
    assert all_state(domicile) == before

    assert tenant.get(put, purpose=TUNE, tuning=JOB).body == b"lines"
    with tenant.open(put, purpose=TUNE, tuning=JOB) as file:
        assert file.read_range(0, 5) == b"lines"


def test_a_model_is_of_one_tenant_for_ever(domicile: Domicile, tenant: BoundTenant) -> None:
    """Another one does not get it, so no model is shared."""
    tenant.models.add(JOB.model, by="ben")
    (model,) = tenant.models.list()
    assert (model.name, model.tenant, model.by) == (JOB.model, "acme-eu", "ann")
    other = domicile.tenant("beta-eu")
    with pytest.raises(ModelRefused) as caught:
        other.models.add(JOB.model, by="ben")
    assert caught.value.reasons == ("another_tenants_model",)
    assert other.models.list() == []


@pytest.mark.parametrize("name", [" ", "m1 ", " m1", "\u3000m1"])
def test_the_name_of_a_model_has_no_space_around_it(tenant: BoundTenant, name: str) -> None:
    """Nobody could tell it from another one."""
    before = tenant.models.list()
    with pytest.raises(InvalidRequest):
        tenant.models.add(name, by="ben")
    assert tenant.models.list() == before


def test_a_tenant_that_is_made_again_has_no_models(domicile: Domicile, tenant: BoundTenant) -> None:
    """Those of the former tenant of its id stay that tenant's; a new one is its own."""
    tenant.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
    for hours in (1, 73, 1, 25, 25, 1):
        work(domicile, hours=hours)
    domicile.store.admin.tenants.remove("acme-eu")
    again = domicile.tenant()
    put = again.put_file([b"lines of a stranger"]).id
    for use in (
        lambda: again.models.add(JOB.model, by="ann"),
        lambda: again.get(put, purpose=TUNE, tuning=JOB),
    ):
        with pytest.raises(ModelRefused) as caught:
            use()
        assert caught.value.reasons == ("another_tenants_model",)
    assert again.models.list() == []

    again.models.add("acme-2", by="ann")
    assert [x.name for x in again.models.list()] == ["acme-2"]
    assert again.get(put, purpose=TUNE, tuning=FineTuning("job-1", "acme-2")).body
    work(domicile, hours=1)
    again.models.add("acme-2", by="ann")


def leave(domicile: Domicile, tenant: BoundTenant, all_of_it: Scope | None = None) -> None:
    """Erase and remove the tenant, which has confirmed that nothing of its model is left."""
    tenant.erase(all_of_it or Scope.tenant(), reason=Reason.CONTRACT_END)
    for hours in (1, 73, 1, 25, 25, 1):
        work(domicile, hours=hours)
    listed = tenant.models.exclusions(JOB.model).listed
    tenant.models.confirm(JOB.model, listed=listed, document="d" * 64, by="ben")
    work(domicile, hours=1)
    domicile.store.admin.tenants.remove("acme-eu")


def test_a_tenant_that_is_made_again_is_not_shown_the_files_of_the_former(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Nor does it confirm anything about them. Until there is one of that id, the operator does."""
    former = tenant.put_file([b"lines of the former"]).id
    tenant.get(former, purpose=TUNE, tuning=JOB)
    leave(domicile, tenant)
    assert [x.record for x in tenant.models.exclusions(JOB.model).records] == [former]

    again = domicile.tenant()
    for use in (
        lambda: again.models.exclusions(JOB.model),
        lambda: again.models.confirm(
            JOB.model, listed=domicile.clock.now(), document="d" * 64, by="ben"
        ),
    ):
        with pytest.raises(NotFound):
            use()


def test_a_former_tenants_model_is_not_taken_after_a_restore(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The catalog has lost whose it is; that somebody of this id used it is no claim."""
    former = tenant.put_file([b"lines of the former"]).id
    tenant.get(former, purpose=TUNE, tuning=JOB)
    leave(domicile, tenant)
    again = domicile.tenant()
    with home(domicile).catalog.begin() as connection:
        connection.execute(text("DELETE FROM tenant_model"))
    with pytest.raises(ModelRefused) as caught:
        again.models.add(JOB.model, by="ann")
    assert caught.value.reasons == ("another_tenants_model",)


def test_a_former_tenants_files_are_not_shown_if_they_were_erased_one_by_one(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Nothing of it was left, and it was removed."""
    file = tenant.put_file([b"lines of the former"]).id
    tenant.get(file, purpose=TUNE, tuning=JOB)
    leave(domicile, tenant, Scope.record(file))
    again = domicile.tenant()
    with pytest.raises(NotFound):
        again.models.exclusions(JOB.model)


def test_a_former_tenants_files_are_not_shown_after_a_recovery(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """All of it was erased: a tenant that is made again is another."""
    tenant.get(tenant.put_file([b"lines of the former"]).id, purpose=TUNE, tuning=JOB)
    leave(domicile, tenant)
    Dump.of(domicile).restore(domicile)
    recover_catalog(domicile)
    again = domicile.tenant()
    with pytest.raises(NotFound):
        again.models.exclusions(JOB.model)
    with pytest.raises(ModelRefused):
        again.models.add(JOB.model, by="ann")


def leave_file_by_file(domicile: Domicile) -> None:
    """Use a file for a model, erase it alone, and remove the tenant."""
    former = domicile.tenant()
    file = former.put_file([b"lines of the former"]).id
    former.models.add(JOB.model, by="ann")
    domicile.pass_time(seconds=5)
    former.get(file, purpose=TUNE, tuning=JOB)
    domicile.pass_time(seconds=5)
    leave(domicile, former, Scope.record(file))


def recover(domicile: Domicile, dump: Dump) -> None:
    """Restore the catalog, and recover it."""
    domicile.pass_time(seconds=5)
    dump.restore(domicile)
    recover_catalog(domicile)
    domicile.pass_time(seconds=5)


def assert_nothing_is_of(again: BoundTenant) -> None:
    """A tenant has neither the former's model nor its list, and does not tune it."""
    put = again.put_file([b"lines of a stranger"]).id
    for use in (
        lambda: again.models.add(JOB.model, by="eve"),
        lambda: again.get(put, purpose=TUNE, tuning=JOB),
    ):
        with pytest.raises(ModelRefused) as caught:
            use()
        assert caught.value.reasons == ("another_tenants_model",)
    with pytest.raises(NotFound):
        again.models.exclusions(JOB.model)


def test_what_a_removed_tenant_used_is_nobodys_after_a_recovery(domicile: Domicile) -> None:
    """The catalog knows the removal, and has not lost anything."""
    leave_file_by_file(domicile)
    recover(domicile, Dump.of(domicile))
    assert_nothing_is_of(domicile.tenant())


def test_what_a_removed_tenant_used_is_nobodys_if_the_log_alone_has_the_removal(
    domicile: Domicile,
) -> None:
    """Also not that of the account that it had: it is another tenant."""
    dump = Dump.of(domicile)
    domicile.pass_time(seconds=5)
    leave_file_by_file(domicile)
    work(domicile, hours=1)
    recover(domicile, dump)
    assert_nothing_is_of(domicile.tenant())


def test_what_a_removed_tenant_used_is_not_another_accounts_after_a_recovery(
    domicile: Domicile,
) -> None:
    """Its removal is lost: no checkpoint had it yet. Whose the id was is in the log."""
    dump = Dump.of(domicile)
    domicile.pass_time(seconds=5)
    leave_file_by_file(domicile)
    recover(domicile, dump)
    assert_nothing_is_of(domicile.tenant(account="stranger"))


def test_nobody_has_lost_models_again_before_the_log_is_back(domicile: Domicile) -> None:
    """A backend that did not answer may alone have the line of the removal."""
    dump = Dump.of(domicile)
    domicile.pass_time(seconds=5)
    lost = domicile.tenant()
    lost.models.add(JOB.model, by="ann")
    lost.get(lost.put_file([b"lines"]).id, purpose=TUNE, tuning=JOB)
    recover(domicile, dump)
    again = domicile.tenant()
    with home(domicile).catalog.begin() as connection:
        identity.set_unread(connection, ["eu-b"])
    with pytest.raises(ModelRefused):
        again.models.add(JOB.model, by="ann")
    work(domicile, hours=1)
    again.models.add(JOB.model, by="ann")


def test_a_line_that_is_no_text_is_no_obstacle(domicile: Domicile) -> None:
    """Any login may add one to the log."""
    dump = Dump.of(domicile)
    domicile.pass_time(seconds=5)
    lost = domicile.tenant()
    lost.models.add(JOB.model, by="ann")
    lost.get(lost.put_file([b"lines"]).id, purpose=TUNE, tuning=JOB)
    recover(domicile, dump)
    again = domicile.tenant()
    with home(domicile).catalog.begin() as connection:
        for said in ("\\u0000", "\\ud800"):
            connection.execute(
                text(
                    "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "
                    "(gen_random_uuid(), 'agreement', :at, :said, :salt, :commitment)"
                ),
                {
                    "at": domicile.clock.now(),
                    "said": f'{{"account":"{said}","tenant":"acme-eu"}}',
                    "salt": bytes(32),
                    "commitment": bytes(33),
                },
            )
    again.models.add(JOB.model, by="ann")


def test_a_tenant_that_was_lost_with_the_catalog_has_its_models_again(domicile: Domicile) -> None:
    """It is noted again after a recovery; what it used is asked back, and its erasure completes."""
    dump = Dump.of(domicile)
    domicile.pass_time(seconds=5)
    lost = domicile.tenant()
    file = lost.put_file([b"lines"]).id
    lost.models.add(JOB.model, by="ann")
    lost.get(file, purpose=TUNE, tuning=JOB)
    erasure = erase(lost, Scope.record(file))
    domicile.pass_time(seconds=5)
    dump.restore(domicile)
    recover_catalog(domicile)
    domicile.open()
    domicile.pass_time(seconds=5)

    again = domicile.tenant()
    again.models.add(JOB.model, by="ann")
    with pytest.raises(ModelRefused):
        domicile.tenant("beta-eu").models.add(JOB.model, by="ben")
    for _ in range(3):
        work(domicile, hours=24 * 4)
    assert domicile.store.erasure(erasure.id).state is not ErasureState.COMPLETE
    listed = again.models.exclusions(JOB.model)
    assert [x.record for x in listed.records] == [file]
    again.models.confirm(JOB.model, listed=listed.listed, document="d" * 64, by="ann")
    work(domicile)
    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
    again.models.add(JOB.model, by="ann")


def test_a_use_is_the_tenants_own_whatever_the_clock_says(domicile: Domicile) -> None:
    """That of another process may be behind the one that made the tenant."""
    again = domicile.tenant()
    again.models.add(JOB.model, by="ann")
    put = again.put_file([b"lines"]).id
    with home(domicile).catalog.begin() as connection:
        connection.execute(text("UPDATE tenant SET created = created + interval '9 s'"))
        connection.execute(text("UPDATE tenant_model SET added = added + interval '9 s'"))
    again.get(put, purpose=TUNE, tuning=JOB)
    erase(again, Scope.record(put))
    assert [x.record for x in again.models.exclusions(JOB.model).records] == [put]
    again.get(again.put_file([b"more"]).id, purpose=TUNE, tuning=JOB)


def test_a_model_that_was_used_stays_its_tenants_after_a_restore(domicile: Domicile) -> None:
    """The ledger has the use, if not the model: nobody else takes it for its own."""
    acme = domicile.tenant()
    domicile.tenant("beta-eu")
    dump = Dump.of(domicile)
    acme.models.add(JOB.model, by="ann")
    put = acme.put_file([b"lines"]).id
    acme.get(put, purpose=TUNE, tuning=JOB)
    dump.restore(domicile)
    recover_catalog(domicile)
    beta = domicile.store.tenant("beta-eu").bind(SERVICE)

    with pytest.raises(ModelRefused) as caught:
        beta.models.add(JOB.model, by="ben")

    assert caught.value.reasons == ("another_tenants_model",)
    assert beta.models.list() == []
    acme = domicile.store.tenant("acme-eu").bind(SERVICE)
    acme.models.add(JOB.model, by="ann")
    assert [x.name for x in acme.models.list()] == [JOB.model]


def test_a_read_names_job_and_model(tenant: BoundTenant) -> None:
    """And no other purpose does."""
    put = tenant.put_file([b"lines"]).id
    with pytest.raises(InvalidRequest, match="names its job and its model"):
        tenant.get(put, purpose=TUNE)
    with pytest.raises(InvalidRequest, match="for fine_tune alone"):
        tenant.get(put, purpose=Purpose.SERVE, tuning=JOB)
    prompt = tenant.put(DataClass.PROMPT, b"mine").id
    with pytest.raises(PurposeRefused):
        tenant.get(prompt, purpose=TUNE, tuning=JOB)
    assert tenant.explain(prompt).uses == ()


def test_what_was_used_for_which_model_is_in_the_history_of_the_file(tenant: BoundTenant) -> None:
    """Once for each job."""
    put = tenant.put_file([b"lines"]).id
    for job in ("job-1", "job-1", "job-2"):
        tenant.get(put, purpose=TUNE, tuning=FineTuning(job, JOB.model))
    uses = tenant.explain(put).uses
    assert [(x.purpose, x.run, x.job) for x in uses] == [
        ("fine_tune", JOB.model, "job-1"),
        ("fine_tune", JOB.model, "job-2"),
    ]


def test_an_erased_file_is_on_the_list_of_the_model(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Also after a restore. The erasure waits until somebody confirms that nothing is left."""
    put = tenant.put_file([b"lines"]).id
    dump = Dump.of(domicile)
    tenant.get(put, purpose=TUNE, tuning=JOB)
    erasure = erase(tenant, Scope.record(put))
    dump.restore(domicile)
    assert recover_catalog(domicile).events == 2
    tenant = domicile.tenant()
    with pytest.raises(Erased):
        tenant.get(put, purpose=TUNE, tuning=JOB)
    found = tenant.models.exclusions(JOB.model)
    assert [(x.record, x.reason) for x in found.records] == [(put, ExclusionReason.ERASED)]
    for _ in range(3):
        work(domicile, hours=24 * 4)
    assert domicile.store.erasure(erasure.id).state is not ErasureState.COMPLETE

    tenant.models.confirm(JOB.model, listed=found.listed, document="d" * 64, by="ben")
    work(domicile)
    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
