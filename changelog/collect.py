"""Print the fragments of ``changelog/unreleased`` as one section of the changelog."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

UNRELEASED = Path(__file__).parent / "unreleased"
KINDS = ("Added", "Changed", "Fixed", "Removed", "Security")
_FRAGMENT = re.compile(rf"({'|'.join(KINDS)}): ([^\n]*[^\n.])\n\n(\S.*\S)\n", re.DOTALL)


@dataclass(frozen=True)
class Fragment:
    """One change: its kind, what a user notices, and the rest."""

    kind: str
    title: str
    body: str


def parse(text: str) -> Fragment:
    """Return the fragment that a file contains. Raises ValueError if it has another form."""
    found = _FRAGMENT.fullmatch(text)
    if found is None:
        raise ValueError("A fragment looks like changelog/TEMPLATE.md.")
    return Fragment(*found.groups())


def collect(fragments: Iterable[Fragment]) -> str:
    """Return the fragments as Markdown, by kind and title."""
    parts = []
    found = sorted(fragments, key=lambda fragment: (KINDS.index(fragment.kind), fragment.title))
    for kind in KINDS:
        some = [f for f in found if f.kind == kind]
        if some:
            parts.append(f"### {kind}\n")
            for one in some:
                body = one.body.replace("\n", "\n  ")
                parts.append(f"- **{one.title[0].upper()}{one.title[1:]}.** {body}")
            parts.append("")
    return "\n".join(parts)


def read() -> list[Fragment]:
    """Return the fragments of the next release."""
    return [parse(file.read_text()) for file in sorted(UNRELEASED.glob("*.md"))]


if __name__ == "__main__":
    sys.stdout.write(collect(read()))
