"""Scene 8: the proof, and what to try next."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from rich.text import Text

from storage.demo.byte_finder import SHORTEST
from storage.demo.conversations import Conversation
from storage.demo.proof import Proof, Search
from storage.demo.stage import FILE_NAME, NEVER, PARTIES, Stage
from storage.demo.traces import Traces
from storage.settings import default_home
from storage.text import format_size, plural

_LISTED = 12  # failures
_COMMAND = (
    sys.argv[0] if Path(sys.argv[0]).name == "domicile" and not which("domicile") else "domicile"
)


def show_proof(stage: Stage) -> bool:
    """Show what was searched for and found. Return whether the proof holds."""
    stage.narrator.section(
        "The proof",
        stage.when(),
        "All content is encrypted, so a search for plain text would prove nothing. The search "
        "looks for the traces that each record leaves: 32 bytes of its ciphertext, its wrapped "
        "key, its encrypted metadata, and the pseudonyms of its user and its conversation.",
    )
    _show_traces(stage)
    _show_size(stage)
    _show_plain_text(stage)
    failures = stage.proof.failures()
    if failures:
        stage.narrator.verdict(False, f"PROOF FAILED: {plural(len(failures), 'finding')}")
        for failure in failures[:_LISTED]:
            stage.narrator.bad(failure)
        if len(failures) > _LISTED:
            stage.narrator.text(f"... and {len(failures) - _LISTED} more")
    elif stage.narrator.problems:
        stage.narrator.verdict(
            False, f"THE PROOF HOLDS, BUT: {plural(len(stage.narrator.problems), 'finding')}"
        )
        for problem in stage.narrator.problems:
            stage.narrator.bad(problem)
    else:
        stage.narrator.verdict(True, _conclusion(stage.proof))
    return not failures and not stage.narrator.problems


def _show_traces(stage: Stage) -> None:
    """Show the traces found of each party, in the order in which they were deleted."""
    proof = stage.proof
    rows: list[list[str | Text]] = []
    gaps = []
    for party in PARTIES:
        own = [traces for traces in proof.traces if traces.whose == party]
        if own:
            rows.append([Text(party, style="bold")])
            rows += [row for traces in own for row in _rows(proof, traces)]
            gaps.append(len(rows) - 1)
    heads = ["traces", "where", "all", *(search.when for search in proof.searches)]
    stage.narrator.table(heads, rows, right=range(2, len(heads)), gaps=gaps)


def _rows(proof: Proof, traces: Traces) -> Iterator[list[str | Text]]:
    for location in traces.locations:
        counts = [search.count(traces.values, location) for search in proof.searches]
        wanted = [traces.whose in search.alive for search in proof.searches]
        cells = [
            _cell(n, len(traces.values), there) for n, there in zip(counts, wanted, strict=True)
        ]
        yield [f"  {traces.kind}", location.split()[0], f"{len(traces.values):,}", *cells]


def _cell(count: int, expected: int, wanted: bool) -> Text:
    """Return the count, marked unless it is what it should be: all, or none."""
    well = count == (expected if wanted else 0)
    style = "bold red" if not well else "" if wanted else "green"
    return Text(f"{count:,}" if well else f"! {count:,}", style=style)


def _show_size(stage: Stage) -> None:
    proof = stage.proof
    sizes = []
    for search in proof.searches:
        rows = sum(n for location, n in search.items.items() if location.startswith("catalog"))
        sizes.append(
            [search.when, f"{search.items.total() - rows:,}", f"{rows:,}", format_size(search.size)]
        )
    heads = ["searched on", "objects on backends", "rows in catalogs", "bytes"]
    stage.narrator.table(heads, sizes, right=(1, 2, 3))
    stage.narrator.check(
        proof.misplaced() == 0,
        "No trace was ever found outside its own backends and catalog: no EU data in the US, and "
        "no US data in the EU",
        f"Traces found outside their own backends and catalog: {proof.misplaced()}",
    )
    stage.narrator.text(
        "An erasure's fence keeps the pseudonym for a day; the search comes after that. "
        "PostgreSQL's write-ahead log and backups keep deleted rows longer: the receipt states "
        "until when."
    )


def _show_plain_text(stage: Stage) -> None:
    proof = stage.proof
    said = [c for conversations in stage.homes.values() for c in conversations] + stage.later
    given = [*map(_all_of, said), FILE_NAME.encode(), NEVER]
    found = sum(proof.plain_found(search) for search in (*proof.searches, proof.disk))
    stage.narrator.check(
        found == 0,
        f"No plain text: none of {len(proof.plain):,} texts and names was found at any time, "
        f"nor in any file on disk, including PostgreSQL's write-ahead log "
        f"({format_size(proof.disk.size)})",
        f"Plain text was found: {found} of {len(proof.plain):,} texts and names",
    )
    control = proof.control(given)
    stage.narrator.check(
        control == len(proof.plain),
        f"Control: the same search in the input finds {control:,} of {len(proof.plain):,}",
    )
    if stage.short_names:
        stage.narrator.text(
            f"Not searched for: {plural(stage.short_names, 'name')} under {SHORTEST} bytes."
        )
    if proof.chance:
        stage.narrator.text(
            f"Left out: {proof.chance} that were on disk before anything was stored."
        )


def _all_of(conversation: Conversation) -> bytes:
    """Return all plain text of a conversation."""
    said = [conversation.user, conversation.id, *(m.content for m in conversation.messages)]
    return "\n".join(said).encode()


def _conclusion(proof: Proof) -> str:
    values = sum(len(traces.values) for traces in proof.traces)
    first, last = proof.searches[0], proof.searches[-1]
    before = sum(_found(first, traces) for traces in proof.traces)
    after = sum(_found(last, traces) for traces in proof.traces)
    return (
        f"PROVED: of {values:,} traces, {before:,} were found on {first.when} and {after:,} on "
        f"{last.when}; plain text was never found."
    )


def _found(search: Search, traces: Traces) -> int:
    """Return how many of the traces were found anywhere."""
    return len(traces.values & frozenset().union(*search.found.values()))


def show_next_steps(stage: Stage) -> None:
    """Show commands to try on a machine without settings."""
    stage.narrator.title("What to try next")
    stage.narrator.commands("Run it with your own conversations:", f"{_COMMAND} demo --input FILE")
    stage.narrator.commands(
        f"Set up a Domicile in {default_home()}, with a tenant:",
        f"{_COMMAND} init",
        f"{_COMMAND} tenant ensure acme --account acme \\",
        "    --home eu-central-1 --residency EU --dpa 2026-01-05",
    )
    stage.narrator.commands(
        "Store a record, erase it, and follow the erasure:",
        f"echo 'Hello, model' | {_COMMAND} put acme --class prompt --subject u-1",
        f"{_COMMAND} list acme",
        f"{_COMMAND} erase acme --subject u-1 --reason subject_request",
        f"{_COMMAND} worker --once",
        f"{_COMMAND} erasure list",
    )
