"""Fine-tuning: a file is read for a job and a model, which is the tenant's own."""

from sqlalchemy import Connection

from regions.model import Purpose
from storage.catalog import tenants, training
from storage.errors import ModelRefused, UnknownTenant
from storage.events import NewUses
from storage.ledger.journal import commit_event
from storage.model import Actor, FineTuning, RecordId
from storage.packs.openings import for_tenant
from storage.region import OpenRegion
from storage.training.reading import use_of

_TUNE = Purpose.FINE_TUNE


def note_tuning(
    region: OpenRegion, actor: Actor, tuning: FineTuning, *, tenant: str, record_id: RecordId
) -> None:
    """Note that a file is read for a job and a model, before it is. The same again changes nothing.

    Raises ModelRefused unless the model is the tenant's own, and what reading raises.
    """
    find = for_tenant(region, actor, _TUNE)

    def check(connection: Connection) -> None:
        check_own(connection, tuning.model, tenant)
        find(connection, tenant, record_id)

    with region.catalog.begin() as connection:
        check(connection)
        row = find(connection, tenant, record_id).row
        read = training.find_read(
            connection, tenant, purpose=_TUNE, run=tuning.model, job=tuning.job
        )
        if read is not None and training.is_noted(connection, read, record_id):
            return
    now = region.clock.now()
    event = NewUses(
        id=region.new_uuid(now),
        tenant=tenant,
        read=read or region.new_uuid(now),
        purpose=_TUNE,
        run=tuning.model,
        job=tuning.job,
        actor=actor.id,
        began=now,
        at=now,
        uses=(use_of(row, None),),
    )
    commit_event(region, event, check)


def check_own(connection: Connection, model: str, tenant: str) -> None:
    """Raise ModelRefused unless a model is a tenant's own."""
    own = training.is_own_model(connection, model, tenant)
    if own is None:
        raise ModelRefused(
            "No such model is noted for the tenant, so it may be a shared one.",
            reasons=("unknown_model",),
            advice="Note the tenant's own model first: domicile model add",
        )
    if not own:
        raise ModelRefused(
            "The model is that of another tenant, or of a former one of this id.",
            reasons=("another_tenants_model",),
            advice="A customer's file fine-tunes the customer's model, and no other.",
        )


def add_model(region: OpenRegion, tenant: str, model: str, *, by: str) -> None:
    """Note a model as a tenant's own, for ever. Raises ModelRefused if it is another's."""

    def work(connection: Connection) -> None:
        if tenants.find(connection, tenant) is None:
            raise UnknownTenant(reasons=("unknown_tenant",))
        training.add_model(connection, model, tenant, by=by, now=region.clock.now())
        check_own(connection, model, tenant)

    region.catalog.run(work)
