"""``processor list``, ``processor copies``, ``processor attest`` and ``processor key``."""

import dataclasses
import hashlib
import os
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from regions.model import SubProcessor
from storage import bootstrap
from storage.cli import files
from storage.cli.options import AsJson, Limit, OneRegion, opened
from storage.cli.output import bad, document, minute, moment, note, say, table
from storage.crypto.root import LocalRootKeys
from storage.errors import InvalidRequest, WrongRegion
from storage.evidence.keys import export_pem
from storage.model import Copy, ProcessorState
from storage.processors.signing import derive_key, key_id
from storage.settings import load_settings

_MOST = 64 * 1024 * 1024  # bytes of a document


def list_processors(as_json: AsJson = False) -> None:
    """Who may be given copies, on what terms, and how many each has, by region."""
    topology = bootstrap.topology_of(load_settings())
    with opened() as store:
        found = [(status.region, state) for status in store.status() for state in status.processors]
    companies = topology.sub_processors
    if as_json:
        told = [
            dataclasses.asdict(state) | {"region": region} | _terms(companies.get(state.processor))
            for region, state in found
        ]
        document({"processors": told})
        return
    heads = ("processor", "region", "service", "connector", "at most", "asked ahead", *STATE_HEADS)
    table(heads, [_row(region, state, companies.get(state.processor)) for region, state in found])


def list_copies(
    region: OneRegion = None,
    processor: Annotated[str | None, Option(metavar="NAME", help="Only at this one.")] = None,
    after: Annotated[str | None, Option(metavar="COPY", help="Go on after this one.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Copies that are not known to be gone, oldest first."""
    with opened() as store:
        found: list[Copy] = []
        for name in [region] if region else store.regions:
            found += store.admin.processors.copies(
                name, processor=processor, after=after, limit=limit
            )
    page = sorted(found, key=lambda copy: copy.id)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        document({"copies": [_told(copy) for copy in page], "next": following})
        return
    table(
        ("copy", "processor", "state", "handed over (UTC)", "gone by (UTC)", "last error"),
        [
            (
                str(c.id),
                c.processor,
                c.state.value,
                minute(c.announced),
                minute(c.deadline),
                c.last_error or "-",
            )
            for c in page
        ],
    )
    if following:
        note(f"There may be more: --after {following}")


def attest(
    copy: Annotated[str, Argument(metavar="COPY", help="The copy's id.")],
    document_: Annotated[
        str, Option("--document", metavar="FILE", help="The processor's word; - is stdin.")
    ],
    actor: Annotated[str, Option(metavar="ID", help="Who records it: an opaque id.")],
    as_json: AsJson = False,
) -> None:
    """Record that a processor has said, in a document, that it has deleted a copy.

    Only the SHA-256 digest of the document is kept: keep the document itself, a receipt refers to
    it. For processors with a connector of kind manual.
    """
    content = files.content(document_, most=_MOST)
    if not content or len(content) > _MOST:
        raise InvalidRequest("A document has 1 byte to 64 MiB.")
    with opened() as store:
        found = store.admin.processors.attest(
            copy, digest=hashlib.sha256(content).digest(), actor=actor
        )
    if as_json:
        document({"copy": _told(found)})
        return
    say(f"Copy {found.id} at {found.processor} is gone: {found.how} {moment(found.acknowledged)}.")
    if found.digest != hashlib.sha256(content).digest():
        note(bad("That was recorded before, with another document: the first one stands."))


def key(
    region: Annotated[str, Option(metavar="NAME", help="Whose requests it verifies.")],
    as_json: AsJson = False,
) -> None:
    """The public key of a region's requests as PEM, to give to its processors."""
    settings = load_settings()
    with bootstrap.region_settings(settings, bootstrap.topology_of(settings)) as places:
        if region not in places:
            raise WrongRegion(home=region, advice=f"This process serves: {', '.join(places)}.")
        roots = LocalRootKeys.load(places[region].keys_file, os.urandom, region=region)
    signing = roots.signing_keys()
    public = derive_key(signing[max(signing)]).public_key()
    pem = export_pem(public)
    if as_json:
        document({"region": region, "kid": key_id(public), "pem": pem})
    else:
        say(pem.strip())


STATE_HEADS = ("copies", "asked back", "overdue", "overdue since (UTC)")


def state_cells(state: ProcessorState) -> tuple[Text | str, ...]:
    """How many copies a processor has, in the columns of ``STATE_HEADS``."""
    since = minute(state.overdue_since)
    return (
        str(state.copies),
        str(state.requested),
        bad(str(state.overdue)) if state.overdue else "0",
        bad(since) if state.overdue else since,
    )


def _row(
    region: str, state: ProcessorState, company: SubProcessor | None
) -> tuple[Text | str, ...]:
    if company is None or company.connector is None:
        return (state.processor, region, *[bad("not in the topology"), *"---"], *state_cells(state))
    spec = company.connector
    terms = (company.service.value, spec.kind, f"{spec.max_days} d", f"{spec.lead_hours} h")
    return (state.processor, region, *terms, *state_cells(state))


def _terms(company: SubProcessor | None) -> dict[str, object]:
    if company is None or company.connector is None:
        return {"service": None, "connector": None, "max_days": None, "lead_hours": None}
    spec = company.connector
    return {
        "service": company.service,
        "connector": spec.kind,
        "max_days": spec.max_days,
        "lead_hours": spec.lead_hours,
    }


def _told(copy: Copy) -> dict[str, object]:
    digest = copy.digest.hex() if copy.digest is not None else None
    return dataclasses.asdict(copy) | {"digest": digest}
