"""``scrub``: compare the catalog with the objects on each backend, and repair."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text
from typer import Option

from storage.catalog import scrubs
from storage.catalog.scrubs import Round
from storage.catalog.times import WORK
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.exit_codes import Exit, code_for
from storage.cli.opening import chosen_regions, opened_homes
from storage.cli.options import AsJson, OneRegion
from storage.cli.output import bad, good, print_json, print_note, print_table, print_text, warning
from storage.cli.progress import counting
from storage.client.homes import Homes, ask_each
from storage.clock import steady
from storage.errors import BackendError, InvalidRequest
from storage.logs import make_logger
from storage.model import RecordId
from storage.policy import Done, Finding
from storage.region import OpenRegion
from storage.text import did_you_mean, plural
from storage.workers.scrub.repair import Rate, Target
from storage.workers.scrub.rounds import SHARE, whole_round

_FOREIGN = "not shown: not keys of Domicile. List the backend, and remove them by hand"

_DONE = {
    Done.PURGED: "purged",
    Done.PURGING: "a worker will purge it",
    Done.REPLACING: "a worker will purge and replicate it",
    Done.REASSIGNING: "a worker will replicate it to an allowed backend; scrub again then",
    Done.WAITING: "a scrub will purge it after its grace time",
    Done.UNREPAIRED: "UNREPAIRED",
}


_COUNTED = 10_000  # affected records; then the output says "or more"


@dataclass(frozen=True, slots=True)
class _Scrubbed:
    region: str
    round: Round
    error: BackendError | None


def scrub(
    *,
    region: OneRegion = None,
    backend: Annotated[
        str | None, Option(metavar="BACKEND", help="Only this backend. Default: all.")
    ] = None,
    full: Annotated[bool, Option("--full", help="Read every object completely.")] = False,
    sample: Annotated[
        float,
        Option(
            metavar="SHARE", min=0.0, max=1.0, help="Read this share of the objects completely."
        ),
    ] = SHARE,
    rate: Annotated[
        float, Option(metavar="N", min=0.1, max=1000, help="At most N requests per second.")
    ] = 50.0,
    as_json: AsJson = False,
) -> None:
    """Compare the catalog with the objects on each backend, in both directions, and repair.

    It continues where the last scrub stopped. A worker purges and replicates what it schedules.

    Ends with 10 if it finds damage that it cannot repair, else with 5 if a backend does not answer
    or 7 if one refuses.
    """
    limit = Rate(rate, clock=steady, sleep=time.sleep)
    with opened_homes() as homes:
        rounds, failed = ask_each(
            _regions(homes, region, backend),
            lambda name: [
                _scrub(target, 1.0 if full else sample)
                for target in _targets(homes.served(name).region, backend, limit)
            ],
        )
        done = [one for some in rounds.values() for one in some]
        affected = _affected(homes, done)
    if as_json:
        told = {"affected": affected.as_json(), "backends": [_as_json(one) for one in done]}
        print_json({"unrepaired": _unrepaired(done)} | told | failed_regions(failed))
    else:
        _show(done)
        _show_affected(affected)
    _end(done)
    end_with_failed(failed, as_json=as_json)


def _unrepaired(done: Sequence[_Scrubbed]) -> int:
    return sum(one.round.tally.unrepaired for one in done)


def _end(done: Sequence[_Scrubbed]) -> None:
    """End with the code of the worst that was found, if anything was."""
    if _unrepaired(done):
        raise typer.Exit(Exit.UNREPAIRED)
    for one in done:
        if one.error is not None:
            raise typer.Exit(code_for(one.error))


@dataclass(frozen=True, slots=True)
class _Affected:
    """Records that need an object which could not be repaired; more if not ``exact``."""

    records: frozenset[tuple[str, RecordId]]
    exact: bool

    @property
    def tenants(self) -> list[str]:
        return sorted({tenant for tenant, _ in self.records})

    def as_json(self) -> dict[str, object]:
        count = {"at_least": len(self.records), "exact": self.exact}
        return {"records": count, "tenants": self.tenants}


def _affected(homes: Homes, done: Sequence[_Scrubbed]) -> _Affected:
    """Return the records behind the keys that the rounds name, up to a limit."""
    records, exact = set[tuple[str, RecordId]](), True
    for one in done:
        found = [f for (_, end), f in one.round.tally.found.items() if end is Done.UNREPAIRED]
        exact = exact and all(f.count == len(f.keys) for f in found)
        with homes.served(one.region).region.catalog.begin() as connection:
            for key in (key for f in found for key in f.keys):
                records |= set(islice(scrubs.needing(connection, key), _COUNTED))
    return _Affected(frozenset(records), exact and len(records) < _COUNTED)


def _show_affected(affected: _Affected) -> None:
    if not affected.records:
        return
    count = plural(len(affected.records), "record") + ("" if affected.exact else " or more")
    print_note(bad(f"Records affected: {count}, of {', '.join(affected.tenants)}."))
    print_note(
        "Restore these keys on a backend from a copy of its disk or bucket, then scrub again. "
        "Without a copy the records are lost: tell the tenants."
    )


def _regions(homes: Homes, region: str | None, backend: str | None) -> list[str]:
    """Return the regions to scrub. Raise WrongRegion, or InvalidRequest for an unknown backend."""
    topology = next(iter(homes.regions.values())).region.topology
    chosen = chosen_regions(homes, region)
    backends = {name: [spec.name for spec in topology.regions[name].backends] for name in chosen}
    found = [name for name in chosen if backend is None or backend in backends[name]]
    if not found:
        known = [name for some in backends.values() for name in some]
        advice = f"{did_you_mean(backend or '', known)} Known backends: {', '.join(known)}."
        raise InvalidRequest("Unknown backend.", advice=advice.strip())
    return found


def _targets(region: OpenRegion, backend: str | None, limit: Rate) -> list[Target]:
    log = make_logger()
    patient = replace(region, catalog=region.catalog.within(WORK))
    return [Target(patient, b, limit, log) for b in region.backends if backend in (None, b)]


def _scrub(target: Target, share: float) -> _Scrubbed:
    """Scrub one backend; if it fails, return what was found until then."""
    region, name = target.region, target.backend
    with counting(f"Scrubbing {name}", _expected(region, name)) as progress:
        try:
            return _Scrubbed(
                region.name, whole_round(target, share, tell=progress, wait=time.sleep), None
            )
        except BackendError as error:
            with region.catalog.begin() as connection:
                return _Scrubbed(region.name, scrubs.show(connection, [name])[name], error)


def _expected(region: OpenRegion, backend: str) -> int:
    with region.catalog.begin() as connection:
        return scrubs.expected(connection, backend)


def _as_json(one: _Scrubbed) -> dict[str, object]:
    state = one.round
    found = [
        {
            "found": finding.name.lower(),
            "done": done.name.lower(),
            "count": found.count,
            "keys": found.keys,
        }
        for (finding, done), found in sorted(state.tally.found.items())
    ]
    return {
        "region": one.region,
        "backend": state.backend,
        "finished": state.finished if state.started is None else None,
        "keys": state.tally.keys,
        "read": state.tally.read,
        "findings": found,
        "error": one.error.code if one.error else None,
    }


def _show(done: Sequence[_Scrubbed]) -> None:
    for one in done:
        tally = one.round.tally
        read = f"{plural(tally.keys, 'key')} checked, {plural(tally.read, 'object')} read"
        print_text(Text.assemble((one.round.backend, "bold"), f": {read}"))
        if one.error is not None:
            print_text(bad(f"stopped: {one.error.message}"), indent=2)
        rows = [
            (
                finding.name.lower().replace("_", " "),
                str(found.count),
                _painted(result),
                ", ".join(found.keys) if finding is not Finding.FOREIGN else _FOREIGN,
            )
            for (finding, result), found in sorted(tally.found.items())
        ]
        if rows:
            print_table(("found", "count", "done", "first ten keys"), rows, indent=2)
    if all(one.error is None and not one.round.tally.found for one in done):
        print_note(good("The backends match the catalog."))


def _painted(done: Done) -> Text:
    return bad(_DONE[done]) if done is Done.UNREPAIRED else warning(_DONE[done])
