"""``init`` and ``region list``: what there is, before anything is stored."""

from regions.model import Region
from storage import bootstrap
from storage.cli.options import AsJson
from storage.cli.output import document, good, note, say, table
from storage.cli.progress import busy
from storage.settings import Settings, load_settings


def init(as_json: AsJson = False) -> None:
    """Bring every region of the settings to life: database, schema, keys, places, partitions.

    Safe to repeat: nothing that exists is replaced. Without settings it makes the embedded
    default under DOMICILE_HOME.
    """
    settings = load_settings()
    with busy("Preparing catalogs, keys and backends..."):
        regions = bootstrap.init(settings)
    if as_json:
        document({"home": str(settings.home), "embedded": settings.embedded, "regions": regions})
        return
    for name in regions:
        say(good("ready"), name)
    note("Back up the key files now: without them nothing that is stored can be opened.")


def region_list(as_json: AsJson = False) -> None:
    """The regions of the topology, and which of them this process serves."""
    settings = load_settings()
    regions = bootstrap.topology_of(settings).regions
    found = [_told(region, settings) for region in regions.values()]
    if as_json:
        document({"regions": found})
        return
    table(
        ("region", "jurisdiction", "served", "copies", "required", "backends"),
        [
            (
                region.name,
                region.jurisdiction,
                "yes" if _served(region, settings) else "no",
                str(region.replicas),
                str(region.required),
                ", ".join(f"{b.name} ({b.sub_processor})" for b in region.backends),
            )
            for region in regions.values()
        ],
    )


def _served(region: Region, settings: Settings) -> bool:
    return settings.embedded or region.name in settings.regions


def _told(region: Region, settings: Settings) -> dict[str, object]:
    backends = [
        {"backend": b.name, "kind": b.kind, "sub_processor": b.sub_processor}
        for b in region.backends
    ]
    return {
        "region": region.name,
        "jurisdiction": region.jurisdiction,
        "served": _served(region, settings),
        "replicas": region.replicas,
        "required": region.required,
        "backends": backends,
    }
