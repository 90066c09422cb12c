"""``scrub``: the catalog against what each backend really has."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text
from typer import Option

from storage.catalog import scrubs
from storage.catalog.scrubs import Round
from storage.cli.exit_codes import Exit, code_of
from storage.cli.options import AsJson, OneRegion, opened
from storage.cli.output import bad, document, doubtful, good, note, say, table
from storage.cli.progress import counting
from storage.client.store import Store
from storage.clock import steady
from storage.errors import BackendError, InvalidRequest
from storage.logs import make_logger
from storage.policy import Done
from storage.region import OpenRegion
from storage.text import plural
from storage.workers.scrub.rate import Rate
from storage.workers.scrub.repair import Place
from storage.workers.scrub.rounds import SHARE, whole_round

_DONE = {
    Done.PURGED: "purged",
    Done.PURGING: "to be purged, by a worker",
    Done.REPLACING: "to be purged and copied anew, by a worker",
    Done.MOVING: "to be copied to where it may be, by a worker; scrub again then",
    Done.WAITING: "to be purged by a scrub after its grace time",
    Done.UNREPAIRED: "NOT MENDED",
}


@dataclass(frozen=True, slots=True)
class _Scrubbed:
    region: str
    round: Round
    error: BackendError | None


def scrub(
    *,
    region: OneRegion = None,
    backend: Annotated[str | None, Option(help="Only this backend.", metavar="NAME")] = None,
    full: Annotated[bool, Option("--full", help="Read every object as a whole.")] = False,
    sample: Annotated[
        float, Option(min=0.0, max=1.0, help="Read this share of the objects as a whole.")
    ] = SHARE,
    rate: Annotated[float, Option(min=0.1, max=1000, help="Requests per second, at most.")] = 50.0,
    as_json: AsJson = False,
) -> None:
    """Compare the catalog with what each backend really has, in both directions, and repair.

    It goes on where the last one was stopped, or where the worker is. What it puts down is purged
    and copied by a worker. Ends with 10 if something is found that cannot be mended, else with 5
    or 7 if a backend does not answer or refuses.
    """
    limit = Rate(rate, clock=steady, sleep=time.sleep)
    with opened() as store:
        places = _places(store, region, backend, limit)
        done = [_one(place, 1.0 if full else sample) for place in places]
    unmended = sum(one.round.tally.unmended for one in done)
    if as_json:
        document({"unmended": unmended, "backends": [_told(one) for one in done]})
    else:
        _show(done)
    errors = [one.error for one in done if one.error is not None]
    if unmended:
        raise typer.Exit(Exit.UNREPAIRED)
    if errors:
        raise typer.Exit(code_of(type(errors[0])))


def _places(store: Store, region: str | None, backend: str | None, limit: Rate) -> list[Place]:
    """What was asked for. Raises WrongRegion, or InvalidRequest if there is no such backend."""
    log = make_logger()
    regions = [store.served(name).open for name in ([region] if region else store.regions)]
    found = [Place(r, b, limit, log) for r in regions for b in r.backends if backend in (None, b)]
    if not found:
        known = ", ".join(name for r in regions for name in r.backends)
        raise InvalidRequest("There is no such backend.", advice=f"There are: {known}.")
    return found


def _one(place: Place, share: float) -> _Scrubbed:
    """A round of one backend. If it fails on the way, what it found by then."""
    region, name = place.region, place.backend
    with counting(f"Scrubbing {name}", _expected(region, name)) as tell:
        try:
            return _Scrubbed(
                region.name, whole_round(place, share, tell=tell, wait=time.sleep), None
            )
        except BackendError as error:
            with region.catalog.begin() as connection:
                return _Scrubbed(region.name, scrubs.show(connection, [name])[name], error)


def _expected(region: OpenRegion, backend: str) -> int:
    with region.catalog.begin() as connection:
        return scrubs.expected(connection, backend)


def _told(one: _Scrubbed) -> dict[str, object]:
    state = one.round
    found = [
        {"found": finding, "done": done, "count": found.count, "keys": found.keys}
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
        read = f"{plural(tally.keys, 'key')} looked at, {plural(tally.read, 'object')} read"
        say(Text(one.round.backend, style="bold"), f": {read}")
        if one.error is not None:
            say(bad(f"  stopped: {one.error.message}"))
        rows = [
            (finding.replace("_", " "), str(found.count), _painted(result), ", ".join(found.keys))
            for (finding, result), found in sorted(tally.found.items())
        ]
        if rows:
            table(("found", "count", "done", "keys, the first ten"), rows, indent=2)
    if all(one.error is None and not one.round.tally.found for one in done):
        note(good("All is as the catalog says."))


def _painted(done: Done) -> Text:
    return bad(_DONE[done]) if done is Done.UNREPAIRED else doubtful(_DONE[done])
