"""Values: records whose fields say all that they are.

A value is made of its fields, equals another of its kind with equal fields, and never changes: `replace` makes another. It
is a Struct of msgspec's, and so made in C. A dataclass writes and compiles its methods when its module is imported: for the
two hundred that a function imports, that was a third of its cold start. And what it makes takes ten times as long.

``field(default_factory=dict)`` is the default of a field that needs a new one each time. ``class Site(Value, dict=True)``
can keep what it worked out (`functools.cached_property`). What changes is a dataclass.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

from msgspec import Struct, field

# mypy checks the types of what is replaced for the function of dataclasses alone. Both take the same arguments.
if TYPE_CHECKING:
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["Value", "field", "hiding", "replace", "same_but_for"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """What all values have in common: they compare by their fields, and cannot be changed."""


_Kind = TypeVar("_Kind", bound=type[Value])


def same_but_for(*told: str) -> Callable[[_Kind], _Kind]:
    """Make a class whose values are equal where all fields are but those named, which tell more of the same value."""

    def compare(kind: _Kind) -> _Kind:
        compared = attrgetter(*(name for name in kind.__struct_fields__ if name not in told))

        def equals(one: Value, other: object) -> bool:
            return compared(one) == compared(other) if type(other) is type(one) else NotImplemented

        def hashed(one: Value) -> int:
            return hash(compared(one))

        kind.__eq__, kind.__hash__ = equals, hashed  # type: ignore[method-assign,assignment]
        return kind

    return compare


def hiding(*secret: str) -> Callable[[_Kind], _Kind]:
    """Make a class whose values do not show the fields named in their ``repr``, and so neither in a log nor to rich."""

    def hide(kind: _Kind) -> _Kind:
        shown = [name for name in kind.__struct_fields__ if name not in secret]

        def described(one: Value) -> str:
            return f"{type(one).__qualname__}({', '.join(f'{name}={getattr(one, name)!r}' for name in shown)})"

        def parts(one: Value) -> list[tuple[str, object]]:
            return [(name, getattr(one, name)) for name in shown]

        kind.__repr__ = described  # type: ignore[method-assign,assignment]
        kind.__rich_repr__ = parts  # type: ignore[method-assign,assignment]
        return kind

    return hide
