"""``processor list``, ``copies``, ``attest`` and ``key``: copies at processors."""

import dataclasses
import hashlib
import os
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from regions.model import SubProcessor
from storage.cli import files
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes, settings_of
from storage.cli.options import AsJson, Limit, OneRegion
from storage.cli.output import (
    bad,
    format_minute,
    format_time,
    print_json,
    print_note,
    print_page,
    print_table,
    print_text,
    print_value,
)
from storage.client.homes import ask_each
from storage.client.status import region_status
from storage.client.store import Store
from storage.errors import InvalidRequest
from storage.evidence.keys import export_pem, key_id
from storage.keys import load_keys
from storage.model import Copy, ProcessorState
from storage.processors.signing import derive_key
from storage.settings import load_settings, topology_of

_LARGEST = 64 * 1024 * 1024  # bytes of a document


def list_processors(as_json: AsJson = False) -> None:
    """List the processors that may receive copies, their terms, and their copies, by region."""
    topology = topology_of(load_settings())
    with opened_homes() as homes:
        answered, failed = ask_each(
            homes.names, lambda name: region_status(homes.served(name).region).processors
        )
    found = [(region, state) for region, states in answered.items() for state in states]
    companies = topology.sub_processors
    if as_json:
        documents = [
            dataclasses.asdict(state) | {"region": region} | _terms(companies.get(state.processor))
            for region, state in found
        ]
        print_json({"processors": documents} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    heads = (
        "processor",
        "region",
        "service",
        "connector",
        "keeps at most",
        "lead time",
        *STATE_HEADS,
    )
    print_table(
        heads, [_row(region, state, companies.get(state.processor)) for region, state in found]
    )
    end_with_failed(failed, as_json=False)


def list_copies(
    region: OneRegion = None,
    processor: Annotated[
        str | None, Option(metavar="NAME", help="Only copies at this processor.")
    ] = None,
    after: Annotated[
        str | None, Option(metavar="COPY", help="Start after this copy, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the copies that no processor has confirmed as deleted, oldest first."""
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.processors.copies(
                name, processor=processor, after=after, limit=limit
            ),
        )
    found = [one for some in pages.values() for one in some]
    page = sorted(found, key=lambda copy: copy.id)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        print_json(
            {"copies": [_as_json(copy) for copy in page], "next": following}
            | failed_regions(failed)
        )
        end_with_failed(failed, as_json=True)
        return
    heads = ("copy", "processor", "state", "handed over (UTC)", "delete by (UTC)", "last error")
    print_page(heads, [_cells(copy) for copy in page], following)
    end_with_failed(failed, as_json=False)


def _cells(copy: Copy) -> tuple[str, ...]:
    return (
        str(copy.id),
        copy.processor,
        copy.state.value,
        format_minute(copy.announced),
        format_minute(copy.deadline),
        copy.last_error or "-",
    )


def attest(
    copy: Annotated[str, Argument(metavar="COPY", help="The copy's id.", show_default=False)],
    document_: Annotated[
        str, Option("--document", metavar="FILE", help="The processor's confirmation. - is stdin.")
    ],
    actor: Annotated[str, Option(metavar="ID", help="Your id of who records it. No name.")],
    as_json: AsJson = False,
) -> None:
    """Record a processor's written confirmation that it has deleted a copy.

    Use it for processors whose connector is manual. Only the SHA-256 digest of the document is
    stored, and a receipt refers to it: keep the document.
    """
    content = files.content(document_, most=_LARGEST)
    if not content or len(content) > _LARGEST:
        raise InvalidRequest(
            "The document is empty or larger than 64 MiB.", advice="Give another document."
        )
    with opened() as store:
        found = store.admin.processors.attest(
            copy, digest=hashlib.sha256(content).digest(), actor=actor
        )
    if as_json:
        print_json({"copy": _as_json(found)})
        return
    when = format_time(found.acknowledged)
    print_text(f"Copy {found.id} at {found.processor} is deleted: {found.how} {when}.")
    if found.digest != hashlib.sha256(content).digest():
        print_note(bad("It was recorded before with another document: the first one stands."))


def key(
    region: Annotated[str, Option(metavar="REGION", help="The region whose requests it verifies.")],
    as_json: AsJson = False,
) -> None:
    """Print the public key of a region's requests as PEM, for its processors."""
    with settings_of(region) as settings:
        roots = load_keys(settings, os.urandom, region=region)
    signing = roots.signing_keys()
    public = derive_key(signing[max(signing)]).public_key()
    pem = export_pem(public)
    if as_json:
        print_json({"region": region, "kid": key_id(public), "pem": pem})
    else:
        print_value(pem.strip())


STATE_HEADS = ("copies", "deletion requested", "overdue", "overdue since (UTC)")


def state_cells(state: ProcessorState) -> tuple[Text | str, ...]:
    """Return the number of copies at a processor, in the columns of ``STATE_HEADS``."""
    since = format_minute(state.overdue_since)
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


def _as_json(copy: Copy) -> dict[str, object]:
    digest = copy.digest.hex() if copy.digest is not None else None
    return dataclasses.asdict(copy) | {"digest": digest}
