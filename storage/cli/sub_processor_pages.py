"""The public page of sub-processors, as Markdown and as one HTML file that needs nothing else."""

import re
from html import escape

from storage.cli.sub_processor_lists import ListOn
from storage.cli.sub_processor_texts import HEADS, escaped, row

_TITLE = "Sub-processors"
_HYPHENATED = re.compile(r"\w+(?:-\w+)+")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 72rem;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.5rem 0.5rem 0;
  border-bottom: 1px solid #d0d0d0; }
thead th { border-bottom: 2px solid #1a1a1a; }
tr { break-inside: avoid; }
span { white-space: nowrap; }
div { overflow-x: auto; }
.note { color: #555; }
@page { size: landscape; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } thead { display:
  table-header-group; } div { overflow: visible; } }
"""


def markdown(found: ListOn) -> str:
    """Return the page as Markdown."""
    heads = [head.capitalize() for head in HEADS]
    rows = [heads, ["---"] * len(heads), *(map(escaped, row(one)) for one in found.companies)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    notes = "".join(f"\n{escaped(note)}\n" for note in found.notes)
    return f"# {_TITLE}\n\nAs of {found.day}.\n\n{table}\n{notes}"


def html(found: ListOn) -> str:
    """Return the page as HTML."""
    heads = "".join(f'<th scope="col">{head.capitalize()}</th>' for head in HEADS)
    rows = "\n".join(_row(row(company)) for company in found.companies)
    notes = "".join(f'\n<p class="note">{escape(note)}</p>' for note in found.notes)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{_TITLE}</h1>\n"
        f"<p>As of {found.day}.</p>\n<div><table>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table></div>{notes}\n</body>\n</html>\n"
    )


def _row(cells: tuple[str, ...]) -> str:
    first, *rest = map(_cell, cells)
    shown = "".join(f"<td>{cell}</td>" for cell in rest)
    return f'<tr><th scope="row">{first}</th>{shown}</tr>'


def _cell(text: str) -> str:
    """Return a text in which no date and no name of a region is broken at a hyphen."""
    return _HYPHENATED.sub(r"<span>\g<0></span>", escape(text))
