"""One more operation: a backend that retires is emptied."""

from dataclasses import replace

from storage.workers.purge import purge
from storage.workers.vacate import vacate
from tests.crashpoints.ground import HOME
from tests.crashpoints.operations import operation
from tests.crashpoints.stage import FILE, Act, Actor, Stage
from tests.support.inspect.stored import homes_of
from tests.support.stories.cluster import quiet


@operation
def empty_a_backend(stage: Stage, other: Actor) -> Act:
    """Move a pack, a file and their keys off a backend. Afterwards the backend stays after all."""
    other.put(stage.fact("ann"))
    other.put(stage.fact("ben", data_class=FILE))

    def act(actor: Actor) -> None:
        region = homes_of(actor.store).served(HOME).region
        first, *rest = region.region.backends
        specs = (first.model_copy(update={"retires": True}), *rest)
        leaving = replace(region, region=region.region.model_copy(update={"backends": specs}))
        vacate(leaving, quiet())
        purge(leaving, quiet())
        vacate(leaving, quiet())

    return act
