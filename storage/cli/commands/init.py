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
    made = [file for file in regions.values() if file is not None]
    if as_json:
        document = {"home": str(settings.home), "embedded": settings.embedded}
        print_json(document | {"regions": list(regions), "new_key_files": list(map(str, made))})
        return
    for name in regions:
        print_text(good("ready"), name)
    if made:
        print_note("Back up the new key files now: without them no stored data can be decrypted.")
    for file in made:
        print_note(f"  {file}")
