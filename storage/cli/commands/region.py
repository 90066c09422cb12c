"""``region list``: the regions of the topology."""

from regions.model import Region
from storage.cli.options import AsJson
from storage.cli.output import print_json, print_table
from storage.settings import Settings, load_settings, topology_of


def list_regions(as_json: AsJson = False) -> None:
    """List the regions of the topology, and which of them this process serves."""
    settings = load_settings()
    regions = topology_of(settings).regions.values()
    if as_json:
        print_json({"regions": [_as_json(region, settings) for region in regions]})
        return
    print_table(
        ("region", "jurisdiction", "served", "replicas", "required", "backends"),
        [
            (
                region.name,
                region.jurisdiction,
                "yes" if _served(region, settings) else "no",
                str(region.replicas),
                str(region.required),
                ", ".join(f"{b.name} ({b.sub_processor}, {b.located})" for b in region.backends),
            )
            for region in regions
        ],
    )


def _served(region: Region, settings: Settings) -> bool:
    return settings.embedded or region.name in settings.regions


def _as_json(region: Region, settings: Settings) -> dict[str, object]:
    backends = [
        {
            "backend": b.name,
            "kind": b.kind,
            "sub_processor": b.sub_processor,
            "located": b.located,
        }
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
