"""All scenes, in the order of simulated time."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from time import perf_counter

from rich.console import Console

from storage.demo.byte_finder import SHORTEST
from storage.demo.conversations import Conversation
from storage.demo.environment import Environment, open_environment
from storage.demo.narrator import Narrator, format_seconds
from storage.demo.proof import Proof
from storage.demo.scenes.erase import erase
from storage.demo.scenes.expire import expire
from storage.demo.scenes.outage import survive_an_outage
from storage.demo.scenes.read import read, stream_file
from storage.demo.scenes.refuse import refuse
from storage.demo.scenes.show_proof import show_next_steps, show_proof
from storage.demo.scenes.store import store_conversations
from storage.demo.stage import EU, FILE_NAME, NEVER, UNSIGNED, US, Stage, homes_of
from storage.demo.traces import names_of, texts_of
from storage.model import Dpa, TenantSpec
from storage.text import plural

_SIGNED = date(2026, 1, 5)
_LATER = 6  # conversations stored during the outage
_SCENES = (store_conversations, refuse, read, stream_file, survive_an_outage, erase, expire)


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run: whether the proof holds, and every problem that was found."""

    succeeded: bool
    proof: Proof
    problems: list[str]

    def as_json(self) -> dict[str, object]:
        """Return the result for a JSON document."""
        values = frozenset[bytes]().union(*(traces.values for traces in self.proof.traces))
        return {
            "proved": self.succeeded,
            "findings": self.problems,
            "traces": len(values),
            "searches": [
                {
                    "when": search.when,
                    "traces_found": len(values & frozenset().union(*search.found.values())),
                    "plain_found": self.proof.plain_found(search),
                    "items": search.items.total(),
                    "bytes": search.size,
                }
                for search in (*self.proof.searches, self.proof.disk)
            ],
        }


def run(conversations: list[Conversation], console: Console) -> Result:
    """Run the whole demonstration."""
    narrator = Narrator(console)
    began = perf_counter()
    narrator.title(
        "Domicile, from end to end",
        f"{plural(len(conversations), 'conversation')} in two regions, with real encryption, a "
        "real PostgreSQL and real directories, in a temporary directory that is removed at the "
        "end. Only the clock is simulated: a month passes in seconds.",
    )
    with ExitStack() as stack:
        with narrator.step("Starting PostgreSQL and creating both regions"):
            world = stack.enter_context(open_environment())
        started = perf_counter() - began
        stage = _set_up(world, narrator, conversations)
        _show_topology(stage, started)
        for scene in _SCENES:
            scene(stage)
        succeeded = show_proof(stage)
    seconds = format_seconds(perf_counter() - began)
    narrator.text(f"The demonstration took {seconds}. The temporary directory is removed.")
    if succeeded:
        show_next_steps(stage)
    return Result(succeeded, stage.proof, [*stage.proof.failures(), *narrator.problems])


def _set_up(world: Environment, narrator: Narrator, conversations: list[Conversation]) -> Stage:
    """Create the tenants, and record what is on disk before anything is stored."""
    for tenant, home, residency in ((EU, "eu-central-1", "EU"), (US, "us-east-1", "US")):
        world.store.admin.tenants.ensure(
            TenantSpec(tenant, "atlas", home, residency, agreements=(Dpa(signed=_SIGNED),))
        )
    world.store.admin.tenants.ensure(TenantSpec(UNSIGNED, "newcomer", "eu-central-1", "EU"))
    homes = homes_of(conversations)
    first = len(homes[EU]) - min(_LATER, len(homes[EU]) // 2)
    later = homes[EU][first:] or homes[EU]  # a single conversation is stored twice
    homes[EU] = homes[EU][:first]
    names = names_of(conversations)
    long = frozenset(name for name in names if len(name) >= SHORTEST)
    plain = texts_of(conversations) | long | {FILE_NAME.encode(), NEVER}
    with narrator.step("Searching the empty system, for a baseline"):
        proof = Proof(world.homes, world.home, plain)
    return Stage(world, narrator, homes, later, proof, len(names) - len(long))


def _show_topology(stage: Stage, seconds: float) -> None:
    topology = stage.world.topology
    rows = [
        [
            region.name,
            region.jurisdiction,
            spec.name,
            topology.sub_processors[spec.sub_processor].title,
        ]
        for region in topology.regions.values()
        for spec in region.backends
    ]
    stage.narrator.table(["region", "in", "backend", "sub-processor"], rows, wide=3)
    stage.narrator.good(
        "PostgreSQL started; each region has a catalog, keys and two backends", seconds
    )
    stage.narrator.text(
        f"Tenants: {EU} and {US}, each with a signed data processing agreement (DPA), and "
        f"{UNSIGNED} without one. The first two share the users."
    )
