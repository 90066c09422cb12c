"""Charts as text of SVG: bars, in colors that can be read on light and on dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP = 800, 270, 170, 20, 10
TEXT = "#7d838b"  # in the middle: four times as bright as black, and white four times as it
OURS, OTHERS = "#2f81c7", "#9aa3ad"
PARTS = ("#2f81c7", "#d9822b", "#8a63c9")


@dataclass(frozen=True)
class Bar:
    """One bar of one part or more. ``label``: what stands behind it."""

    name: str
    parts: Sequence[float]
    label: str
    ours: bool = False


def chart(title: str, bars: Sequence[Bar], legend: Sequence[str] = ()) -> str:
    """Return a chart of horizontal bars, the longest as long as there is room."""
    longest = max(sum(bar.parts) for bar in bars)
    scale = (WIDTH - LEFT - RIGHT) / longest
    top = 64 if legend else 44
    height = top + len(bars) * (BAR + GAP) + 6
    body = [_text(0, 18, title, size=16, weight="600"), *_legend(legend)]
    for number, bar in enumerate(bars):
        body += _bar(bar, top + number * (BAR + GAP), scale, colored=bool(legend))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" '
        f'font-family="system-ui, sans-serif" fill="{TEXT}">\n' + "\n".join(body) + "\n</svg>\n"
    )


def _bar(bar: Bar, top: float, scale: float, *, colored: bool) -> Iterator[str]:
    middle = top + BAR / 2 + 5
    weight = "600" if bar.ours else "400"
    yield _text(LEFT - 10, middle, bar.name, anchor="end", weight=weight)
    start = float(LEFT)
    for part, color in zip(bar.parts, PARTS, strict=False):
        fill = color if colored else OURS if bar.ours else OTHERS
        long = max(part * scale, 1.0)
        yield (
            f'<rect x="{start:.1f}" y="{top:.1f}" width="{long:.1f}" height="{BAR}" fill="{fill}"/>'
        )
        start += long
    yield _text(start + 8, middle, bar.label, weight=weight)


def _legend(names: Sequence[str]) -> Iterator[str]:
    start = 0.0
    for name, color in zip(names, PARTS, strict=False):
        yield f'<rect x="{start:.0f}" y="32" width="12" height="12" fill="{color}"/>'
        yield _text(start + 18, 43, name, size=13)
        start += 40 + 8 * len(name)


def _text(
    x: float, y: float, text: str, *, size: int = 14, anchor: str = "start", weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
