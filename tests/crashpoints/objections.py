"""One more operation: what a tenant has at a company to which it objects is moved."""

from storage.workers.evacuate import evacuate
from storage.workers.purge import purge
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation
from tests.crashpoints.stage import FILE, TENANT, Act, Actor, Stage
from tests.support.inspect.stored import homes_of
from tests.support.stories.cluster import quiet


@operation
def evacuate_a_company(stage: Stage, other: Actor) -> Act:
    """Move a pack, a file and their keys off the first host. Then the objection is withdrawn."""
    other.put(stage.fact("ann"))
    other.put(stage.fact("ben", data_class=FILE))

    def act(actor: Actor) -> None:
        region = homes_of(actor.store).served(HOME).region
        company = region.region.backends[0].sub_processor
        tenant = actor.store.tenant(TENANT)
        tenant.object(company, by="officer-7", ticket="CASE-1")
        evacuate(region, quiet())
        purge(region, quiet())
        evacuate(region, quiet())
        tenant.withdraw(company, by="officer-7", ticket="CASE-1")

    return act
