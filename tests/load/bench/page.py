"""The table of docs/performance.md: made of docs/performance.json and of the goals, and of nothing else."""

import json
from collections.abc import Sequence
from typing import Final

from tests.load.bench.figures import Figure, Part
from tests.load.bench.goals import GOALS, TITLES
from tools.cfn_template import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
KEPT: Final = ROOT / "docs" / "performance.json"
BEGIN: Final = "<!-- made by `make bench`, from docs/performance.json: do not edit -->"
END: Final = "<!-- end of what `make bench` makes -->"
NOT_MEASURED: Final = "not measured"


def kept_parts() -> dict[str, Part]:
    """Return what was measured last, by the name of its part."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    return {each["name"]: Part.from_json(each) for each in kept}


def keep(parts: Sequence[Part]) -> None:
    """Write these parts in the place of earlier ones; others stay. Then write the page."""
    known = kept_parts() | {part.name: part for part in parts}
    in_order = [known[name] for name in TITLES if name in known]
    KEPT.write_text(json.dumps([part.to_json() for part in in_order], indent=2) + "\n")
    PAGE.write_text(page(PAGE.read_text(), in_order))


def is_in_step() -> bool:
    """Return whether the page shows what was measured last, beside the goals of the code."""
    text = PAGE.read_text()
    return text == page(text, list(kept_parts().values()))


def page(text: str, parts: Sequence[Part]) -> str:
    """Return the page with the tables of these parts between its two marks. Raises `ValueError` where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for the tables")
    return f"{before}{BEGIN}\n\n{tables(parts)}\n\n{END}{after}"


def tables(parts: Sequence[Part]) -> str:
    """Return the parts in Markdown."""
    return "\n\n".join(_table(part) for part in parts)


def _table(part: Part) -> str:
    rows = [_row(part.name, figure) for figure in part.figures]
    head = ("| | ours | floor or peer | ratio | goal | |", "|---|---|---|---|---|---|")
    measured = f"Measured on {part.measured_on}: {part.machine}."
    return "\n".join((f"### {TITLES[part.name]}", "", measured, "", *head, *rows))


def _row(part: str, figure: Figure) -> str:
    goal = GOALS[part].get(figure.name)
    verdict = figure.note if goal is None else _verdict(part, figure)
    ours = NOT_MEASURED if figure.note.startswith(NOT_MEASURED) else f"{figure.ours:,g} {figure.unit}"
    beside = "" if figure.beside is None else f"{figure.beside:,g} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return f"| {figure.name} | {ours} | {beside} | {ratio} | {goal or ''} | {verdict} |"


def _verdict(part: str, figure: Figure) -> str:
    goal = GOALS[part][figure.name]
    told = [
        f"**not met**: {goal.reason}" if not goal.is_met(figure) else "met",
        *([figure.note] if figure.note else []),
    ]
    return "; ".join(told)
