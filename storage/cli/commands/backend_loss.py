"""``backend lost``: attest that the storage of a backend is gone for ever."""

from typing import Annotated

from typer import Option

from storage.bootstrap import open_regions
from storage.cli.commands.backend import BackendName, unknown_backend
from storage.cli.options import AsJson, check_digest
from storage.cli.output import print_json, print_text
from storage.client.validate import check_actor
from storage.dependencies import Dependencies
from storage.objects.recognition import attest_loss
from storage.settings import load_settings


def lost(
    name: BackendName,
    actor: Annotated[str, Option(metavar="ID", help="Your id, for the record.")],
    document: Annotated[
        str, Option(metavar="SHA256", help="Of the document that says so: of a disposal, say.")
    ],
    as_json: AsJson = False,
) -> None:
    """Attest that a directory or bucket is lost, so that another one can take its place.

    It stays on record with your id and the document, and cannot be undone. Receipts say "attested"
    of everything that was there, because nobody can see it absent. Then make the new storage
    (domicile init, or a bucket), and restart every process. A scrub copies there what is missing.
    """
    check_actor(actor)
    check_digest(document)
    settings = load_settings()
    with open_regions(settings, Dependencies()) as regions:
        known = {backend: region for region in regions for backend in region.backends}
        if name not in known:
            raise unknown_backend(name, list(known))
        attest_loss(known[name], name, actor=actor, document=document)
    if as_json:
        print_json({"backend": name, "lost": True})
        return
    print_text(f"The storage of {name} is lost. Other storage can take its place.")
