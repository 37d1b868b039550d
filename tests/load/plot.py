"""A small plot as SVG: lines over time, and bars of rates. It has its own colours for dark pages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
_LEFT: Final = 250
_BAR: Final = 22
_COLOURS: Final = ("#2a6fbb", "#c2571a", "#3c8a4e", "#8a4fa3")


@dataclass(frozen=True, slots=True)
class Lines:
    """Series by name: each a value for each minute."""

    title: str
    unit: str
    series: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Bars:
    """Rates by name on a logarithmic scale, and the rate that is wanted."""

    title: str
    bars: Mapping[str, float]
    wanted: float


def svg(charts: Sequence[Lines | Bars]) -> str:
    """Return a picture of the charts, one below the other."""
    parts: list[str] = []
    top = 0
    for chart in charts:
        height, drawn = _lines(chart, top) if isinstance(chart, Lines) else _bars(chart, top)
        parts += [_text(10, top + 22, chart.title, "title"), *drawn]
        top += height
    style = (
        "text{font:13px sans-serif;fill:#222}.title{font-weight:600}.end{text-anchor:end}.grid{stroke:#ccc}"
        ".wanted{stroke:#b00;stroke-dasharray:4 3}svg{background:#fff}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#555}svg{background:#161616}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}">'
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>", ""])


def _bars(chart: Bars, top: int) -> tuple[int, list[str]]:
    most = math.ceil(math.log10(max(chart.wanted, *chart.bars.values())))
    scale = (WIDTH - _LEFT - 70) / most

    def x(value: float) -> float:
        return _LEFT + scale * max(0.0, math.log10(max(value, 1)))

    bottom = top + 40 + _BAR * len(chart.bars)
    drawn = []
    for power in range(most + 1):
        at = x(10**power)
        drawn += [_line(at, top + 36, at, bottom, "grid"), _text(at - 4, bottom + 16, f"{10**power:,}", "")]
    for number, (name, value) in enumerate(chart.bars.items()):
        y = top + 40 + number * _BAR
        colour = _COLOURS[2] if value >= chart.wanted else _COLOURS[1]
        drawn += [
            _text(_LEFT - 8, y + 13, name, "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{x(value) - _LEFT:.0f}" height="{_BAR - 6}" fill="{colour}"/>',
            _text(x(value) + 5, y + 13, f"{value:,.0f}", ""),
        ]
    drawn.append(_line(x(chart.wanted), top + 36, x(chart.wanted), bottom, "wanted"))
    return bottom - top + 40, drawn


def _lines(chart: Lines, top: int) -> tuple[int, list[str]]:
    height, left, right = 220, 80, WIDTH - 30
    first, last = top + 40, top + height
    minutes = max(len(values) for values in chart.series.values())
    most = max(max(values) for values in chart.series.values())
    drawn = []
    for quarter in range(5):
        y = last - (last - first) * quarter / 4
        drawn += [_line(left, y, right, y, "grid"), _text(left - 6, y + 4, f"{most * quarter / 4:,.0f}", "end")]
    for hour in range(minutes // 60 + 1):
        drawn.append(_text(left + (right - left) * hour * 60 / minutes - 4, last + 16, f"{hour} h", ""))
    for number, (name, values) in enumerate(chart.series.items()):
        points = " ".join(
            f"{left + (right - left) * minute / minutes:.1f},{last - (last - first) * value / most:.1f}"
            for minute, value in enumerate([*values, 0])
            if minute % 5 == 0 or minute >= len(values) - 1
        )
        colour = _COLOURS[number % len(_COLOURS)]
        key = top + 54 + number * 18
        drawn += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{right - 330}" y="{key - 10}" width="12" height="12" fill="{colour}"/>',
            _text(right - 312, key, name, ""),
        ]
    drawn.append(_text(10, top + 38, chart.unit, ""))
    return height + 40, drawn


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'
