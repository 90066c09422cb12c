"""``policy check``: every case that a topology can reach, and what must hold of it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from typer import Option

from regions.model import Topology
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson
from storage.cli.output import (
    bad,
    good,
    print_blank,
    print_json,
    print_note,
    print_table,
    print_text,
)
from storage.cli.progress import counting
from storage.cli.sub_processor_lists import today
from storage.cli.topologies import load_directory
from storage.policy.proof import SENTENCES, Result, families
from storage.policy.proof import check as check_families
from storage.settings import load_settings, topology_of
from storage.text import plural

_Topology = Annotated[
    Path | None, Option(metavar="DIR", help="Of this directory. Default: that of the settings.")
]


def check(*, topology: _Topology = None, as_json: AsJson = False) -> None:
    """Check what must hold of the policy in every case that the topology can reach.

    Every combination of tenants, classes, agreements, companies, backends, people and grants is
    decided as it would be today. Ends with 11, and a counterexample in words, if a property is
    violated.
    """
    chosen = topology_of(load_settings()) if topology is None else load_directory(topology)
    on = today()
    cases = families(chosen, on)
    total, began = sum(one.size for one in cases), time.monotonic()
    with counting("Checking the policy", total) as progress:
        results = check_families(cases, progress)
    seconds = time.monotonic() - began
    if as_json:
        print_json(_document(results, total, seconds) | {"on": on, "topology": chosen.digest})
    else:
        _show(chosen, results, total, seconds)
    if any(result.violated for result in results):
        raise typer.Exit(Exit.VIOLATED)


def _show(topology: Topology, results: Sequence[Result], total: int, seconds: float) -> None:
    print_table(
        ("cases", "result", "what must hold"),
        [(f"{one.cases:,}", _verdict(one), SENTENCES[one.property]) for one in results],
    )
    for one in results:
        if one.counterexample is not None:
            print_blank()
            print_text(bad(SENTENCES[one.property]))
            print_text(f"Counterexample: {one.counterexample.says}", indent=2)
            stated = "; ".join(one.counterexample.given)
            print_text(
                f"Given ({one.counterexample.family}): {stated or 'nothing else'}.", indent=2
            )
    regions = plural(len(topology.regions), "region")
    companies = plural(len(topology.sub_processors), "company", "companies")
    print_note(f"{total:,} cases of {regions} and {companies}, in {seconds:.0f} s.")


def _verdict(result: Result) -> Text:
    return bad(f"VIOLATED: {result.violated:,}") if result.violated else good("holds")


def _document(results: Sequence[Result], total: int, seconds: float) -> dict[str, object]:
    return {
        "cases": total,
        "seconds": round(seconds, 1),
        "holds": not any(one.violated for one in results),
        "properties": [
            {
                "property": one.property,
                "says": SENTENCES[one.property],
                "cases": one.cases,
                "violated": one.violated,
                "counterexample": one.counterexample,
            }
            for one in results
        ],
    }
