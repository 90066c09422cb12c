"""``backend``: what buckets do with their objects, and emptying a backend that leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from typer import Argument, Option

from storage.catalog import departures, postures, storages
from storage.catalog.postures import Acceptance
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson
from storage.cli.output import (
    Cell,
    bad,
    format_minute,
    good,
    print_blank,
    print_json,
    print_note,
    print_table,
    print_text,
    print_value,
    warning,
)
from storage.cli.progress import counting
from storage.cli.reason_texts import reason_text
from storage.client.homes import Homes, ask_each
from storage.client.regions import ServedRegion
from storage.client.validate import check_actor, check_note
from storage.errors import DOCUMENTATION, BackendUndeclared, InvalidRequest
from storage.logs import make_logger
from storage.model import Loss, PostureFinding, PostureState
from storage.region import OpenRegion
from storage.text import did_you_mean, format_size, plural
from storage.workers.retire import retire as empty

BackendName = Annotated[str, Argument(metavar="BACKEND", help="The backend.", show_default=False)]

_COLORS = {PostureFinding.OK: good, PostureFinding.ATTESTED: warning}


def posture(as_json: AsJson = False) -> None:
    """Show what each bucket does with its objects apart from Domicile, and who may reach them.

    Nothing new goes to a bucket with a finding that is bad, or unreadable and not attested. Reads
    and deletions go on. A bucket is read again every few minutes. It also shows who has accepted
    which backend for ledger entries, when and why, and what storage was lost.
    """
    with opened_homes() as homes:
        by_region, failed = ask_each(homes.names, lambda name: _known(homes.served(name).region))
    found = [state for known in by_region.values() for state in known.states]
    accepted = [each for known in by_region.values() for each in known.acceptances]
    losses = [each for known in by_region.values() for each in known.losses]
    if as_json:
        shown = {"backends": found, "acceptances": accepted, "losses": losses}
        print_json(shown | failed_regions(failed))
    elif found:
        print_table(
            ("backend", "read (UTC)", "takes new bytes", "findings"),
            [_row(state) for state in found],
        )
        for state in found:
            if state.attested_from is not None:
                print_note(
                    f"The attestation of {state.backend} begins on {state.attested_from}. What it "
                    "attests is unreadable until then."
                )
        if any(state.closed for state in found):
            print_note(f"What to do: {DOCUMENTATION}howto/check-a-bucket/")
    elif not failed:
        print_note("No backend has a posture: directories do nothing by themselves.")
    if accepted and not as_json:
        _show_acceptances(accepted)
    if losses and not as_json:
        _show_losses(losses)
    end_with_failed(failed, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Known:
    states: list[PostureState]
    acceptances: list[Acceptance]
    losses: list[Loss]


def _known(region: OpenRegion) -> _Known:
    found = region.posture_states()
    with region.catalog.begin() as connection:
        accepted = postures.accepted(connection)
        record, losses = postures.acceptances(connection), storages.losses(connection)
    states = [replace(state, ledger=name in accepted) for name, state in found.items()]
    return _Known(states, record, losses)


def _show_acceptances(accepted: Sequence[Acceptance]) -> None:
    print_blank()
    print_table(
        ("accepted for ledger entries", "from (UTC)", "until (UTC)", "by", "reason"),
        [
            (
                each.backend,
                format_minute(each.since),
                warning("in force") if each.ended is None else format_minute(each.ended),
                each.actor,
                each.reason,
            )
            for each in accepted
        ],
    )


def _show_losses(losses: Sequence[Loss]) -> None:
    print_blank()
    print_table(
        ("lost storage of", "since (UTC)", "by", "SHA-256 of the document"),
        [(each.backend, format_minute(each.lost), each.actor, each.document) for each in losses],
    )


def _row(state: PostureState) -> tuple[Cell, ...]:
    takes = "ledger entries only" if state.ledger else "no"
    findings = ", ".join(
        f"{check.value} {found.value}" for check, found in sorted(state.findings.items())
    )
    if state.closed is None:
        takes_cell = good("yes")
    else:
        takes_cell = bad(takes)
        findings = findings or reason_text(state.closed)
    color = bad if state.closed else _COLORS.get(PostureFinding.ATTESTED, good)
    return (
        state.backend,
        format_minute(state.read, never="never"),
        takes_cell,
        color(findings) if findings else good("all ok"),
    )


def accept(
    name: BackendName,
    actor: Annotated[str, Option(metavar="ID", help="Your id, for the record.")],
    reason: Annotated[
        str, Option(metavar="TEXT", help="Why it must be. Do not use personal data.")
    ] = "",
    end: Annotated[bool, Option("--end", help="End it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let sealed ledger entries go to a backend that is closed, so that erasing goes on.

    Nothing else goes there. It has an effect only while too few backends are open, and stays on
    record with your id and reason.
    """
    check_actor(actor)
    if not end and not reason.strip():
        raise InvalidRequest("A reason is missing.", advice="Give one with --reason TEXT.")
    if not end:
        check_note("reason", reason)
    with opened_homes() as homes:
        region = _served(homes, name).region
        with region.catalog.begin() as connection:
            now = region.clock.now()
            changed = (
                postures.end_acceptance(connection, name, now, actor=actor)
                if end
                else postures.accept(connection, name, now, actor=actor, reason=reason)
            )
    if as_json:
        print_json({"backend": name, "accepted": not end, "changed": changed})
        return
    state = "is not accepted for ledger entries" if end else "is accepted for ledger entries"
    print_text(f"{name} {state}{'' if changed else ', as before'}.")


def retire(
    name: BackendName,
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
    """Return the region of a backend. Raise InvalidRequest if this process serves none of it.

    Rows may name one that the topology lacks: then its region does not open, and its error says so.
    """
    topology = next(iter(homes.regions.values())).region.topology
    backends = {b.name: home for home in homes.names for b in topology.regions[home].backends}
    if name in backends:
        return homes.served(backends[name])
    _, failed = ask_each(homes.names, homes.served)
    for error in failed.values():
        if isinstance(error, BackendUndeclared):
            raise error
    raise unknown_backend(name, list(backends))


def unknown_backend(name: str, known: list[str]) -> InvalidRequest:
    """Return the error for a backend that no served region has."""
    advice = f"{did_you_mean(name, known)} Known backends: {', '.join(known)}."
    return InvalidRequest("Unknown backend.", advice=advice.strip())
