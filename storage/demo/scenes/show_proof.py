"""The end: the proof, what is left of it all, and what to try next."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from rich.text import Text

from storage.demo.byte_finder import SHORTEST
from storage.demo.conversations import Conversation
from storage.demo.proof import Proof, Searched
from storage.demo.stage import FILE_NAME, NEVER, PARTIES, Stage
from storage.demo.traces import Traces
from storage.settings import default_home
from storage.text import format_size, plural

_MOST = 12  # failures that are named
_ME = sys.argv[0] if Path(sys.argv[0]).name == "domicile" and not which("domicile") else "domicile"


def prove(stage: Stage) -> bool:
    """Show what was looked for and found. Says whether the proof holds."""
    stage.tell.section(
        "The proof",
        stage.when(),
        "Everything is encrypted, so not finding plain text proves nothing. What is looked for is "
        "what each record does leave: a sample of 32 bytes of its ciphertext, its wrapped key, "
        "its sealed metadata, and the pseudonyms of its user and its conversation.",
    )
    _tell_traces(stage)
    _tell_size(stage)
    _tell_plain(stage)
    failures = stage.proof.failures()
    if failures:
        stage.tell.verdict(False, f"PROOF FAILED: {plural(len(failures), 'finding')}")
        for failure in failures[:_MOST]:
            stage.tell.bad(failure)
        if len(failures) > _MOST:
            stage.tell.say(f"... and {len(failures) - _MOST} more")
    elif stage.tell.troubles:
        stage.tell.verdict(
            False, f"THE PROOF HOLDS, BUT: {plural(len(stage.tell.troubles), 'finding')}"
        )
        for trouble in stage.tell.troubles:
            stage.tell.bad(trouble)
    else:
        stage.tell.verdict(True, _conclusion(stage.proof))
    return not failures and not stage.tell.troubles


def _tell_traces(stage: Stage) -> None:
    """How much was found of each, party by party, in the order in which they went."""
    proof = stage.proof
    rows: list[list[str | Text]] = []
    gaps = []
    for party in PARTIES:
        own = [traces for traces in proof.traces if traces.whose == party]
        if own:
            rows.append([Text(party, style="bold")])
            rows += [row for traces in own for row in _rows(proof, traces)]
            gaps.append(len(rows) - 1)
    heads = ["traces", "where", "sought", *(made.when for made in proof.searches)]
    stage.tell.table(heads, rows, right=range(2, len(heads)), gaps=gaps)


def _rows(proof: Proof, traces: Traces) -> Iterator[list[str | Text]]:
    for place in traces.places:
        counts = [made.count(traces.values, place) for made in proof.searches]
        wanted = [traces.whose in made.alive for made in proof.searches]
        cells = [
            _cell(n, len(traces.values), there) for n, there in zip(counts, wanted, strict=True)
        ]
        yield [f"  {traces.kind}", place.split()[0], f"{len(traces.values):,}", *cells]


def _cell(count: int, sought: int, wanted: bool) -> Text:
    """As many as there should be: all, or none."""
    well = count == (sought if wanted else 0)
    style = "bold red" if not well else "" if wanted else "green"
    return Text(f"{count:,}" if well else f"! {count:,}", style=style)


def _tell_size(stage: Stage) -> None:
    proof = stage.proof
    sizes = []
    for made in proof.searches:
        rows = sum(n for place, n in made.items.items() if place.startswith("catalog"))
        sizes.append(
            [made.when, f"{made.items.total() - rows:,}", f"{rows:,}", format_size(made.size)]
        )
    heads = ["searched on", "objects on backends", "rows in catalogs", "in all"]
    stage.tell.table(heads, sizes, right=(1, 2, 3))
    stage.tell.check(
        proof.astray() == 0,
        "In another place than its own, EU in US or US in EU: nothing, ever",
        f"In another place than its own: {proof.astray()}",
    )
    stage.tell.say(
        "A fence holds the pseudonym for "
        f"{stage.world.topology.bounds.write_window_hours} h: the searches come after that. "
        "PostgreSQL's write-ahead log and backups hold deleted rows for longer: the receipt says "
        "until when."
    )


def _tell_plain(stage: Stage) -> None:
    proof = stage.proof
    said = [c for conversations in stage.homes.values() for c in conversations] + stage.later
    handed_in = [*map(_all_of, said), FILE_NAME.encode(), NEVER]
    found = sum(proof.plain_found(made) for made in (*proof.searches, proof.disk))
    stage.tell.check(
        found == 0,
        f"In plain: none of {len(proof.plain):,} texts, user, conversation and file names, at any "
        f"time; nor in all files that there are, PostgreSQL's write-ahead log among them "
        f"({format_size(proof.disk.size)})",
        f"In plain: {found} of {len(proof.plain):,} texts and names",
    )
    control = proof.control(handed_in)
    stage.tell.check(
        control == len(proof.plain),
        f"The same search in what was handed in finds {control:,} of {len(proof.plain):,}",
    )
    if stage.short_names:
        stage.tell.say(
            f"Not looked for: {plural(stage.short_names, 'name')} under {SHORTEST} bytes"
        )
    if proof.chance:
        stage.tell.say(f"Left out: {proof.chance} that were there before anything was stored")


def _all_of(conversation: Conversation) -> bytes:
    """All that a conversation says, in plain."""
    said = [conversation.user, conversation.id, *(m.content for m in conversation.messages)]
    return "\n".join(said).encode()


def _conclusion(proof: Proof) -> str:
    values = sum(len(traces.values) for traces in proof.traces)
    first, last = proof.searches[0], proof.searches[-1]
    before = sum(_found(first, traces) for traces in proof.traces)
    after = sum(_found(last, traces) for traces in proof.traces)
    return (
        f"PROVED: looked for {values:,} traces; found {before:,} on {first.when}, {after:,} on "
        f"{last.when}, and plain text never."
    )


def _found(made: Searched, traces: Traces) -> int:
    """How many of them were found, wherever."""
    return len(traces.values & frozenset().union(*made.found.values()))


def tell_next(stage: Stage) -> None:
    """What there is to try, in an environment where nothing is set yet."""
    stage.tell.title("What to try next")
    stage.tell.shell("The same with conversations of your own", f"{_ME} demo --input FILE")
    stage.tell.shell(
        f"A Domicile that stays, in {default_home()}, and a customer",
        f"{_ME} init",
        f"{_ME} tenant ensure acme --account acme \\",
        "    --home eu-central-1 --residency EU --dpa 2026-01-05",
    )
    stage.tell.shell(
        "A record, its reasons, and its end",
        f"echo 'Hello, model' | {_ME} put acme --class prompt --subject u-1",
        f"{_ME} list acme",
        f"{_ME} erase acme --subject u-1 --reason subject_request",
        f"{_ME} worker --once",
        f"{_ME} erasure list",
    )
