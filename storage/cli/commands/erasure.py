"""``erasure show`` and ``erasure list``: the progress of erasures."""

from typing import Annotated
from uuid import UUID

from rich.text import Text
from typer import Argument, Option

from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import AsJson, Limit, OneRegion
from storage.cli.output import (
    format_minute,
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_page,
    print_table,
    print_value,
    warning,
)
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.errors import InvalidRequest, NotFound
from storage.model import Erasure, ErasureState
from storage.text import plural
from storage.workers.sweep import ORPHANS_LEFT


def show(
    erasure: Annotated[str, Argument(metavar="ID", help="The erasure's id.", show_default=False)],
    receipt: Annotated[bool, Option("--receipt", help="Print only the receipt.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far an erasure is, and what is left on which backend.

    With --receipt it ends with 4 as long as there is no receipt.
    """
    with opened() as store:
        found = store.erasure(erasure)
    if receipt:
        if found.receipt is None:
            raise NotFound(
                "The erasure has no receipt yet.",
                advice="Check that a worker runs. What is left: domicile erasure show ID",
            )
        print_value(found.receipt)
    elif as_json:
        print_json({"erasure": found})
    else:
        _show(found)


def list_erasures(
    region: OneRegion = None,
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this erasure, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the erasures in the regions that this process serves, newest first."""
    start = _parse_id(after) if after else None
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.erasures(name, after=start, limit=limit),
        )
    found = [one for some in pages.values() for one in some]
    page = sorted(found, key=lambda erasure: erasure.id, reverse=True)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        print_json({"erasures": page, "next": following} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    print_page(
        ("erasure", "state", "requested (UTC)", "tenant", "scope", "deleted"),
        [
            (
                str(e.id),
                _state(e),
                format_minute(e.requested),
                e.tenant,
                e.scope.value,
                str(e.deleted),
            )
            for e in page
        ],
        following,
    )
    end_with_failed(failed, as_json=False)


def _show(erasure: Erasure) -> None:
    print_facts(
        [
            ("erasure", str(erasure.id)),
            ("tenant", f"{erasure.tenant} in {erasure.region}"),
            ("scope", erasure.scope.value),
            ("reason", erasure.reason.value),
            ("state", _state(erasure)),
            ("unreadable since", format_time(erasure.fenced)),
            ("completed", format_time(erasure.completed, never="not yet")),
            ("records deleted", str(erasure.deleted)),
        ]
    )
    for deferral in erasure.deferred:
        if deferral.until is None:
            records = plural(deferral.records, "record")
            print_note(f"Hold {deferral.hold} keeps {records} of it.")
    for kept in erasure.kept:
        records, until = plural(kept.records, "record"), kept.until or "they are erased later"
        print_note(
            f"It leaves {records} of the class {kept.data_class} until {until}: floor_days in "
            "classes.toml keeps them for a law."
        )
    if erasure.outstanding:
        print_blank()
        print_table(
            ("waits for", "objects", "next try (UTC)", "last error"),
            [
                (x.backend, str(x.replicas), format_minute(x.next_attempt), x.last_error or "-")
                for x in erasure.outstanding
            ],
        )
    for left in erasure.outstanding:
        if left.last_error == ORPHANS_LEFT:
            keys = plural(left.replicas, "key")
            print_note(
                f"{left.backend} has {keys} of the same day that the catalog does not know: they "
                f"may be copies. Name them: domicile scrub --backend {left.backend}. They are "
                "purged 3 days after they were found, unless a recovery may need them. A foreign "
                "name is never purged: remove it by hand."
            )
    if erasure.receipt is not None:
        print_note(f"Print its receipt: domicile erasure show {erasure.id} --receipt")


def _state(erasure: Erasure) -> Text:
    state = erasure.state.value
    return good(state) if erasure.state is ErasureState.COMPLETE else warning(state)


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(
            "Invalid erasure id.", advice="domicile erasure list prints the ids."
        ) from None
