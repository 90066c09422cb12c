"""``init``: create what the settings name."""

from storage import bootstrap
from storage.cli.options import AsJson
from storage.cli.output import good, print_json, print_note, print_text
from storage.cli.progress import busy
from storage.settings import load_settings


def init(as_json: AsJson = False) -> None:
    """Create the catalog, keys, backends and partitions of every region in the settings.

    It can be repeated: it never replaces what exists. Without settings it creates the embedded
    default under DOMICILE_HOME.
    """
    settings = load_settings()
    with busy("Preparing catalogs, keys and backends..."):
        regions = bootstrap.init(settings)
    if as_json:
        print_json({"home": str(settings.home), "embedded": settings.embedded, "regions": regions})
        return
    for name in regions:
        print_text(good("ready"), name)
    print_note("Back up the key files now: without them no stored data can be decrypted.")
