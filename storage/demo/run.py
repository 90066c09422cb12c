"""All scenes, in the order of simulated time."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from time import perf_counter

from rich.console import Console

from storage.demo.byte_finder import SHORTEST
from storage.demo.conversations import Conversation
from storage.demo.environment import World, open_world
from storage.demo.narrator import Narrator, lasted
from storage.demo.proof import Proof
from storage.demo.scenes.erase import erase
from storage.demo.scenes.expire import expire
from storage.demo.scenes.outage import survive_an_outage
from storage.demo.scenes.read import read, stream_file
from storage.demo.scenes.refuse import refuse
from storage.demo.scenes.show_proof import prove, tell_next
from storage.demo.scenes.store import store_conversations
from storage.demo.stage import (
    EU,
    FILE_NAME,
    NEVER,
    UNSIGNED,
    US,
    Stage,
    homes_of,
)
from storage.demo.traces import names_of, texts_of
from storage.model import Dpa, TenantSpec
from storage.text import plural

_SIGNED = date(2026, 1, 5)
_LATER = 6  # conversations that are kept back
_SCENES = (store_conversations, refuse, read, stream_file, survive_an_outage, erase, expire)


@dataclass(frozen=True, slots=True)
class Played:
    """How it ended: whether the proof holds, what it rests on, and what was not as it should be."""

    well: bool
    proof: Proof
    findings: list[str]


def play(conversations: list[Conversation], console: Console) -> Played:
    """Show everything."""
    tell = Narrator(console)
    began = perf_counter()
    tell.title(
        "Domicile, from end to end",
        f"{plural(len(conversations), 'conversation')}, two regions, real encryption, a real "
        "PostgreSQL and real directories, in a temporary folder that is removed at the end. Only "
        "the clock is simulated, so that a month fits into a minute.",
    )
    with ExitStack() as stack:
        with tell.step("Starting PostgreSQL, making keys, schemas and places"):
            world = stack.enter_context(open_world())
        started = perf_counter() - began
        stage = _set_up(world, tell, conversations)
        _tell_topology(stage, started)
        for scene in _SCENES:
            scene(stage)
        well = prove(stage)
    tell.say(f"This took {lasted(perf_counter() - began)}; the temporary folder is removed.")
    if well:
        tell_next(stage)
    return Played(well, stage.proof, [*stage.proof.failures(), *tell.troubles])


def _set_up(world: World, tell: Narrator, conversations: list[Conversation]) -> Stage:
    """Make the tenants, and note what is there before anything is stored."""
    for tenant, home, residency in ((EU, "eu-central-1", "EU"), (US, "us-east-1", "US")):
        world.store.admin.tenants.ensure(
            TenantSpec(tenant, "atlas", home, residency, agreements=(Dpa(signed=_SIGNED),))
        )
    world.store.admin.tenants.ensure(TenantSpec(UNSIGNED, "newcomer", "eu-central-1", "EU"))
    homes = homes_of(conversations)
    first = len(homes[EU]) - min(_LATER, len(homes[EU]) // 2)
    later = homes[EU][first:] or homes[EU]  # one conversation is had twice
    homes[EU] = homes[EU][:first]
    names = names_of(conversations)
    long = frozenset(name for name in names if len(name) >= SHORTEST)
    plain = texts_of(conversations) | long | {FILE_NAME.encode(), NEVER}
    with tell.step("Noting what is there before anything is stored"):
        proof = Proof(world.store, world.home, plain)
    return Stage(world, tell, homes, later, proof, len(names) - len(long))


def _tell_topology(stage: Stage, seconds: float) -> None:
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
    stage.tell.table(["region", "in", "backend", "sub-processor"], rows, wide=3)
    stage.tell.good("PostgreSQL started; a catalog, keys and two backends for each region", seconds)
    stage.tell.say(
        f"Tenants: {EU} and {US}, each with a signed data processing agreement (DPA), and "
        f"{UNSIGNED}, which has none. Users are shared out between the first two."
    )
