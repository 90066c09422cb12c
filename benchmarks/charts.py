"""Charts as text of SVG: bars and lines, in colors that can be read on light and on dark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP = 800, 270, 170, 20, 10
TEXT = "#7d838b"  # in the middle: four times as bright as black, and white four times as it
OURS, OTHERS = "#2f81c7", "#9aa3ad"
PARTS = ("#2f81c7", "#d9822b", "#8a63c9")
LINES = (*PARTS, "#2e9e6b")


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
    return _framed(title, height, body)


def _framed(title: str, height: int, body: Sequence[str]) -> str:
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


def _legend(names: Sequence[str], colors: Sequence[str] = PARTS) -> Iterator[str]:
    start = 0.0
    for name, color in zip(names, colors, strict=False):
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


def lines(title: str, places: Sequence[str], drawn: Mapping[str, Sequence[float]]) -> str:
    """Return a chart of a line for each name, whose values are multiples of the first one.

    The steps in ``places`` stand equally far from each other. The dashed line is at 1.
    """
    most = max(2.0, *(max(values) for values in drawn.values()))
    left, top, right, bottom = 60, 74, WIDTH - 40, 300

    def at(step: int, value: float) -> tuple[float, float]:
        across = (right - left) * step / max(1, len(places) - 1)
        return left + across, bottom - (bottom - top) * value / most

    body = [_text(0, 18, title, size=16, weight="600"), *_legend(list(drawn), LINES)]
    for mark in (0.0, 1.0, most):
        body += _level(left, right, at(0, mark)[1], mark)
    for step, place in enumerate(places):
        body.append(_text(at(step, 0)[0], bottom + 22, place, size=13, anchor="middle"))
    for values, color in zip(drawn.values(), LINES, strict=False):
        points = " ".join("{:.1f},{:.1f}".format(*at(n, value)) for n, value in enumerate(values))
        body.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2.5"/>'
        )
    return _framed(title, bottom + 36, body)


def _level(left: float, right: float, y: float, mark: float) -> Iterator[str]:
    dashes = ' stroke-dasharray="4 4"' if mark == 1 else ""
    yield _text(left - 10, y + 4, f"{mark:.3g}x", size=13, anchor="end")
    yield (
        f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{OTHERS}" '
        f'stroke-width="0.7"{dashes}/>'
    )
