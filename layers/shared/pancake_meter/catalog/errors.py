"""What is wrong with a catalog, all of it at once."""

from collections.abc import Sequence

from pancake_meter.value import Value

_SHOWN_MAX = 50


class CatalogProblem(Value):
    """One fault, at ``path`` in the file (``plans.pro.allowances.tokens``; empty: the file as a whole)."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return the line that people read."""
        return f"{self.path}: {self.message}" if self.path else self.message


class CatalogError(Exception):
    """The catalog cannot be used. ``problems`` lists everything found, not only the first."""

    def __init__(self, problems: Sequence[CatalogProblem]) -> None:
        self.problems = tuple(problems)
        lines = [f"- {problem}" for problem in self.problems[:_SHOWN_MAX]]
        if len(self.problems) > _SHOWN_MAX:
            lines.append(f"- and {len(self.problems) - _SHOWN_MAX} more")
        super().__init__("\n".join(["the catalog cannot be used:", *lines]))
