"""Packages of others of which a function uses little: each name is imported when it is first asked for."""

import ast
import sys
from functools import cached_property
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from types import ModuleType
from typing import Any


def make_lazy(*packages: str) -> None:
    """Let packages import a name from the module that has it when the name is first asked for, not all of them at once.

    For packages whose ``__init__`` does nothing but import names of modules. One that was imported already stays as it is,
    as does one whose source is not there.
    """
    for package in packages:
        spec = find_spec(package) if package not in sys.modules else None
        if spec is None or spec.submodule_search_locations is None:
            continue
        source = getattr(spec.loader, "get_source", lambda _: None)(package)
        if source is not None:
            sys.modules[package] = lazy = _LazyPackage(spec, source)
            parent, _, name = package.rpartition(".")
            if parent:
                setattr(sys.modules[parent], name, lazy)


class _LazyPackage(ModuleType):
    """Stands in for a package whose ``__init__`` is not run."""

    def __init__(self, spec: ModuleSpec, source: str) -> None:
        """``spec``: where the package is found; ``source``: that of its ``__init__``."""
        super().__init__(spec.name)
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__path__ = spec.submodule_search_locations or []
        self.__package__ = spec.name
        self._source = source

    def __getattr__(self, name: str) -> Any:
        """Return what ``__init__`` would have imported under a name, or a module of the package. Raises `AttributeError`."""
        if name == "__all__":
            return list(self._imported)
        # Python itself asks a module for hidden names, and takes it well that they are missing.
        may_be_had = name.isidentifier() and not name.startswith("__")
        if may_be_had and name in self._imported:
            place, there = self._imported[name]
            found = getattr(import_module(place), there)
        elif may_be_had and find_spec(f"{self.__name__}.{name}") is not None:
            found = import_module(f"{self.__name__}.{name}")
        else:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        setattr(self, name, found)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a value; but not a module that Python has imported, where ``__init__`` has another meaning for its name."""
        if not (isinstance(value, ModuleType) and name in self._imported):
            super().__setattr__(name, value)

    @cached_property
    def _imported(self) -> dict[str, tuple[str, str]]:
        """Per name that ``__init__`` imports from a module: the module, and its name there."""
        found = {
            each.asname or each.name: (resolve_name("." * of.level + (of.module or ""), self.__name__), each.name)
            for of in ast.parse(self._source).body
            if isinstance(of, ast.ImportFrom)
            for each in of.names
        }
        return {name: place for name, place in found.items() if place[0] != self.__name__}
