"""``backend retire``: empty a backend, and print the signed statement that it is empty."""

from dataclasses import replace
from typing import Annotated

from typer import Argument

from storage.catalog import departures
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson
from storage.cli.output import print_json, print_note, print_value
from storage.cli.progress import counting
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.errors import InvalidRequest
from storage.logs import make_logger
from storage.text import did_you_mean, format_size, plural
from storage.workers.retire import retire as empty


def retire(
    name: Annotated[str, Argument(metavar="BACKEND", help="The backend.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Move everything off a backend, purge it there, and sign that it is empty.

    The topology must say that it leaves: retires = true, or an agreement that ends. Nothing is
    purged before it is read elsewhere. Run it again to continue; workers do the same work. Ends
    with 5 if something is left.
    """
    with opened_homes() as homes:
        served = _served(homes, name)
        # it destroys, so each of its transactions checks that the catalog was not restored
        region = replace(served.region, catalog=served.region.catalog.strict())
        with region.catalog.begin() as connection:
            left = departures.count_left(connection, name)
        with counting(f"Emptying {name}", left) as progress:
            done = empty(region, served.keys, name, make_logger(), tell=progress)
    if as_json:
        print_json(
            {
                "backend": name,
                "replicas": done.replicas,
                "bytes": done.bytes,
                "begun": done.begun,
                "finished": done.finished,
                "statement": done.token,
            }
        )
        return
    purged = f"{plural(done.replicas, 'replica')} ({format_size(done.bytes)})"
    print_note(f"{name} is empty: {purged} purged and seen absent. The signed statement:")
    print_value(str(done.token))


def _served(homes: Homes, name: str) -> ServedRegion:
    """Return the region of a backend. Raise InvalidRequest if this process serves none of it."""
    topology = next(iter(homes.regions.values())).region.topology
    backends = {b.name: home for home in homes.names for b in topology.regions[home].backends}
    if name in backends:
        return homes.served(backends[name])
    known = list(backends)
    advice = f"{did_you_mean(name, known)} Known backends: {', '.join(known)}."
    raise InvalidRequest("Unknown backend.", advice=advice.strip())
