"""A catalog as the source of a Python module, which a cold start reads in place of checking ``catalog.toml`` anew.

The build writes it (``python -m pancake_meter.catalog write``) and compiles it with all other modules.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pancake_meter.catalog.catalog import Catalog
from pancake_meter.value import Value

_HEAD = '''"""The catalog that the build has checked. `python -m pancake_meter.catalog write` makes this file."""

import datetime
from decimal import Decimal
'''


def catalog_as_code(catalog: Catalog) -> str:
    """Return the source of a module whose ``CATALOG`` equals ``catalog``. It is the same each time.

    Raises:
        ValueError: a value of the catalog has a ``repr`` that does not make it again.
    """
    imports = sorted(f"from {each.__module__} import {each.__name__}" for each in set(_classes(catalog)))
    source = "\n".join((_HEAD, *imports, "", f"CATALOG = {_written(catalog)}", ""))
    made: dict[str, Any] = {}
    exec(source, made)  # noqa: S102 - of our own making
    if made["CATALOG"] != catalog:
        raise ValueError("the catalog cannot be written as code")
    return source


def _written(value: object) -> str:
    """Return a value as source: its own ``repr``, but for sets, whose order differs from process to process."""
    if isinstance(value, Value):
        stated = ", ".join(f"{name}={_written(getattr(value, name))}" for name in value.__struct_fields__)
        return f"{type(value).__name__}({stated})"
    match value:
        case dict():
            return f"{{{', '.join(f'{_written(key)}: {_written(each)}' for key, each in value.items())}}}"
        case frozenset():
            return f"frozenset([{', '.join(sorted(map(_written, value)))}])"
        case tuple():
            return f"({''.join(f'{_written(each)}, ' for each in value)})"
        case _:
            return repr(value)


def _classes(value: object) -> Iterator[type]:
    """Yield the classes of the values that a value is made of."""
    if isinstance(value, Value):
        yield type(value)
        for name in value.__struct_fields__:
            yield from _classes(getattr(value, name))
    elif isinstance(value, Mapping):
        yield from _classes(list(value.values()))
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            yield from _classes(each)
