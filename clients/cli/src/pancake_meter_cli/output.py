"""How answers are shown to a person: tables, records, bars. With ``--json`` none of this is used."""

import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH_WITHOUT_TERMINAL: Final = 200
BAR_WIDTH: Final = 24

Column = tuple[str, str]
"""A heading and where its value is in a row: names with dots between them."""


class _Console(Console):
    """A console that leaves a closed pipe to the command: by itself rich ends the process with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def leave_closed_pipes() -> None:
    """Have every console of the process do so, also those that typer makes for its pages of help."""
    Console.on_broken_pipe = _Console.on_broken_pipe  # type: ignore[method-assign,assignment]


def console(*, stderr: bool = False) -> Console:
    """Return a console. Where nobody looks, lines are long, so that ids can be cut out of them."""
    made = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else _Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def write_no_more() -> None:
    """Write nothing to stdout from now on: who read it has seen enough, as ``head`` has. That is no failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(rows: Sequence[Mapping[str, Any]], columns: Iterable[Column], empty: str = "none") -> RenderableType:
    """Return rows as a table; columns of which no row has a value are left out."""
    shown = [(title, at) for title, at in columns if any(value_at(row, at) is not None for row in rows)]
    if not rows or not shown:
        return Text(empty)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in shown:
        made.add_column(title, overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(value_at(row, at))) for _, at in shown))
    return made


def record(values: Mapping[str, Any]) -> RenderableType:
    """Return one thing as lines of name and value; lists of things follow as tables."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    lists: list[RenderableType] = []
    for name, value in _flat(values):
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            names = list(dict.fromkeys(key for entry in value for key in entry))
            lists += [Text(f"\n{name}", style="bold"), table(value, [(each, each) for each in names])]
        else:
            made.add_row(name, Text(plain(value)))
    return Group(made, *lists)


def bar(used: object, whole: object) -> str:
    """Return a bar of how much of a whole is used."""
    share = _share(used, whole)
    filled = round(min(share, Decimal(1)) * BAR_WIDTH)
    return f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {round(share * 100)}%"


def plain(value: object) -> str:
    """Return a value as it stands in a cell."""
    match value:
        case None:
            return "-"
        case True | False:
            return "yes" if value else "no"
        case list():
            return ", ".join(plain(each) for each in value) or "-"
        case dict():
            return ", ".join(f"{name} {plain(each)}" for name, each in value.items()) or "-"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def json_line(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def value_at(row: Mapping[str, Any], at: str) -> Any:
    """Return the value at a dotted name; ``None`` where there is none."""
    value: Any = row
    for name in at.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _share(used: object, whole: object) -> Decimal:
    try:
        part, all_of_it = Decimal(str(used)), Decimal(str(whole))
    except InvalidOperation:
        return Decimal(0)
    return part / all_of_it if all_of_it > 0 else Decimal(1 if part > 0 else 0)
