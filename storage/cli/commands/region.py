"""``region``: list the regions of the topology, declare one, make it ready, and end it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from regions.backends import BackendSpec
from regions.model import Region, Topology
from storage.catalog import stages
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.exit_codes import Exit
from storage.cli.opening import catalog_of
from storage.cli.options import AsJson
from storage.cli.output import (
    bad,
    good,
    print_blank,
    print_json,
    print_note,
    print_table,
    print_text,
    print_value,
)
from storage.cli.progress import busy
from storage.client.homes import ask_each
from storage.errors import DOCUMENTATION, DomicileError, InvalidRequest
from storage.logs import make_logger
from storage.policy import Stage
from storage.provisioning import Done
from storage.provisioning import provision as carry_on
from storage.retirement import Remaining
from storage.retirement import retire as end
from storage.settings import Settings, load_settings, region_settings, topology_of

_LISTS = ("attested_off", "dedicated_to")


def list_regions(as_json: AsJson = False) -> None:
    """List the regions of the topology, which of them this process serves, and their stages.

    A region has a stage if a revision declares it, or if it was retired. That of a region which
    this process does not serve is not known.
    """
    settings = load_settings()
    topology = topology_of(settings)
    regions = topology.regions.values()
    found, failed = _stages(settings, topology)
    if as_json:
        listed = [_as_json(region, settings, found.get(region.name)) for region in regions]
        print_json({"regions": listed} | failed_regions(failed))
    else:
        print_table(
            ("region", "jurisdiction", "served", "stage", "replicas", "required", "backends"),
            [
                (
                    region.name,
                    region.jurisdiction,
                    "yes" if _served(region, settings) else "no",
                    found.get(region.name) or "-",
                    str(region.replicas),
                    str(region.required),
                    ", ".join(map(_described, region.backends)),
                )
                for region in regions
            ],
        )
    end_with_failed(failed, as_json=as_json)


def _stages(
    settings: Settings, topology: Topology
) -> tuple[dict[str, Stage | None], dict[str, DomicileError]]:
    """Return the stage of each region that is served, and the errors of those not reached."""
    found: dict[str, Stage | None] = {}
    failed: dict[str, DomicileError] = {}
    if settings.embedded and not (settings.home / "keys").exists():
        return found, failed  # there is no server yet
    with region_settings(settings, topology) as served:
        for name, own in served.items():
            catalog = catalog_of(name, own)
            try:
                with catalog.begin() as connection:
                    found[name] = stages.if_any(connection)
            except DomicileError as error:
                failed[name] = error
            finally:
                catalog.close()
    return found, failed


def _described(spec: BackendSpec) -> str:
    owners = f", of {' and '.join(sorted(spec.dedicated_to))}" if spec.dedicated_to else ""
    return f"{spec.name} ({spec.sub_processor}, {spec.located}{owners})"


def _served(region: Region, settings: Settings) -> bool:
    return settings.embedded or region.name in settings.regions


def _as_json(region: Region, settings: Settings, stage: Stage | None) -> dict[str, object]:
    backends = [
        {
            "backend": b.name,
            "kind": b.kind,
            "sub_processor": b.sub_processor,
            "located": b.located,
            "dedicated_to": sorted(b.dedicated_to),
        }
        for b in region.backends
    ]
    return {
        "region": region.name,
        "jurisdiction": region.jurisdiction,
        "served": _served(region, settings),
        "stage": stage,
        "replicas": region.replicas,
        "required": region.required,
        "backends": backends,
    }


def new(
    name: Annotated[str, Argument(metavar="REGION", help="Its name, such as ap-south-1.")],
    *,
    jurisdiction: Annotated[str, Option(metavar="CODE", help="Its jurisdiction, such as IN.")],
    backend: Annotated[
        list[str],
        Option(
            metavar="SPEC",
            help="A backend, as KEY=VALUE,KEY=VALUE with the keys of its entry in the file: name, "
            "kind, sub_processor and so on; the names of a list are separated by +. Repeat it, the "
            "preferred one first.",
        ),
    ],
    steward: Annotated[
        str, Option(metavar="COMPANY", help="Who runs the database, the keys and the backups.")
    ],
    replicas: Annotated[int, Option(metavar="N", min=1, help="Copies of each record.")] = 2,
    required: Annotated[
        int, Option(metavar="N", min=1, help="Copies before a write is acknowledged.")
    ] = 1,
    backup_days: Annotated[
        int, Option(metavar="DAYS", min=0, help="How long a backup of the catalog lives.")
    ] = 7,
    as_json: AsJson = False,
) -> None:
    """Write the file of a new region, and the revision that declares it.

    Both are in the directory of DOMICILE_TOPOLOGY (see `domicile topology new`), for a review.
    Nothing is created elsewhere: `domicile init` or `alembic upgrade heads` notes the declaration,
    and `domicile region provision` makes what the region needs.
    """
    from storage.migrating.scaffold import add_region  # noqa: PLC0415 - Alembic is slow to import

    numbers = {"replicas": replicas, "required": required, "catalog_backup_days": backup_days}
    lines = _lines(name, jurisdiction, steward, numbers, backend)
    made = add_region(_own_topology(), name, "\n".join(lines) + "\n")
    if as_json:
        print_json({"region": name, "files": list(map(str, made))})
        return
    for file in made:
        print_text("made", str(file))
    print_note(f"Review both. Then: domicile init, and: domicile region provision {name}")


def provision(
    names: Annotated[
        list[str], Argument(metavar="REGION...", help="Regions that a revision declares.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make declared regions ready: catalog, keys, buckets. Check and try them, and open them.

    A bucket is made in its place, with versions, TLS only and no public access. One that exists and
    holds what is not ours is refused, and nothing is changed in it. The command can be repeated,
    also after it was interrupted, and run by two at once. A region that fails keeps no other from
    being made ready.
    """
    settings = load_settings()
    found, failed = ask_each(names, lambda name: _provision(settings, name, quiet=as_json))
    if as_json:
        steps = {
            name: [
                {"done": each.what, "backend": each.backend, "not_set": sorted(each.unset)}
                for each in done
            ]
            for name, done in found.items()
        }
        print_json({"routable": steps} | failed_regions(failed))
    elif len(names) > 1:
        print_blank()
        results = [*((name, good("routable")) for name in found)]
        print_table(("region", "stage"), [*results, *((n, bad("failed")) for n in failed)])
    end_with_failed(failed, as_json=as_json)


def _provision(settings: Settings, name: str, *, quiet: bool) -> list[Done]:
    done: list[Done] = []
    for step in carry_on(settings, name):
        done.append(step)
        if not quiet:
            print_text(good("done"), name, step.what, step.backend or "")
            for check in sorted(step.unset):
                print_note(
                    f"  {step.backend} cannot be told: {check}. Attest it: posture_attested."
                )
    if not quiet:
        print_text(good("routable"), name)
    return done


def retire(
    name: Annotated[str, Argument(metavar="REGION", help="A region that this process serves.")],
    as_json: AsJson = False,
) -> None:
    """End a region: close it to new tenants, show what is left, and sign that it is empty.

    It destroys no content: erase and remove its tenants first, and export its receipts. When
    nothing else is left it purges the day keys and the ledger, sees each backend empty, prints the
    signed statement, and lets nothing be written there any more. Run it again to continue. Ends
    with 5 if something is left.
    """
    with busy(f"Emptying {name}..."):
        found = end(load_settings(), name, make_logger())
    if isinstance(found, Remaining):
        _show_left(name, found, as_json=as_json)
        raise typer.Exit(Exit.UNAVAILABLE)
    if as_json:
        print_json({"region": name, "stage": Stage.RETIRED, "statement": found})
        return
    print_note(f"{name} is retired, and nothing is left in it. The signed statement:")
    print_value(found)


def _show_left(name: str, found: Remaining, *, as_json: bool) -> None:
    owners = [{"tenant": tenant, "account": account} for tenant, account in found.tenants]
    if as_json:
        print_json(
            {"region": name, "stage": Stage.RETIRING, "left": found.counts, "tenants": owners}
        )
        return
    print_table(
        ("left", "number"),
        [(what.replace("_", " "), str(number)) for what, number in found.counts.items()],
    )
    if owners:
        print_blank()
        print_table(("tenant", "account"), found.tenants)
    print_note(
        f"{name} takes no new tenant. Remove what is left, and run this command again. "
        f"How: {DOCUMENTATION}howto/retire-a-region/"
    )


def _own_topology() -> Path:
    """Return the directory of the topology. Raises InvalidRequest if it is the example."""
    directory = load_settings().topology
    if directory is None:
        raise InvalidRequest(
            "DOMICILE_TOPOLOGY is not set: the region would be added to the example.",
            advice="Make a topology of your own: domicile topology new DIR",
        )
    return directory


def _lines(
    name: str, jurisdiction: str, steward: str, numbers: dict[str, int], backends: list[str]
) -> list[str]:
    """Return the lines of a region's file."""
    location = f"sub_processor = {_toml(steward)}, location = {_toml(jurisdiction)}"
    return [
        f"name = {_toml(name)}",
        f"jurisdiction = {_toml(jurisdiction)}",
        *(f"{key} = {number}" for key, number in numbers.items()),
        *(f"{part} = {{ {location} }}" for part in ("catalog", "keys", "backups")),
        *(line for given in backends for line in _backend(given)),
    ]


def _backend(given: str) -> list[str]:
    """Return the lines of a backend. Raises InvalidRequest for what is not KEY=VALUE,..."""
    pairs = [part.partition("=") for part in given.split(",")]
    for key, equals, value in pairs:
        if not (key.strip() and equals and value.strip()):
            raise InvalidRequest(
                "A --backend is not a list of KEY=VALUE.",
                advice="Use: --backend name=in-a,kind=s3,sub_processor=acme,bucket=b,aws_region=r",
            )
    return ["", "[[backends]]", *(_line(key.strip(), value) for key, _, value in pairs)]


def _line(key: str, value: str) -> str:
    """Return a key and its value as TOML. The names of a list are separated by a plus sign."""
    if key in _LISTS:
        return f"{key} = {json.dumps([name.strip() for name in value.split('+')])}"
    return f"{key} = {_toml(value)}"


def _toml(value: str) -> str:
    """Return a value as TOML: a number and a truth as such, all else as text."""
    plain = value.strip()
    return plain if plain.isdecimal() or plain in ("true", "false") else json.dumps(plain)
