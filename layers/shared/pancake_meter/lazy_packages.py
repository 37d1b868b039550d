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
    as does one whose source cannot be read.
    """
    for package in packages:
        spec = find_spec(package) if package not in sys.modules else None
        if spec is not None and spec.submodule_search_locations is not None:
            sys.modules[package] = _LazyPackage(spec)


class _LazyPackage(ModuleType):
    """Stands in for a package whose ``__init__`` is not run."""

    def __init__(self, spec: ModuleSpec) -> None:
        """``spec``: where the package is found."""
        super().__init__(spec.name)
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__path__ = spec.submodule_search_locations or []
        self.__package__ = spec.name

    def __getattr__(self, name: str) -> Any:
        """Return what ``__init__`` would have imported under a name, or a module of the package. Raises `AttributeError`."""
        # Python itself asks a module for such names, and takes it well that they are missing.
        is_hidden = name.startswith("__")
        if not is_hidden and name in self._imported:
            place, there = self._imported[name]
            found = getattr(import_module(place), there)
        elif not is_hidden and find_spec(f"{self.__name__}.{name}") is not None:
            found = import_module(f"{self.__name__}.{name}")
        else:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        setattr(self, name, found)
        return found

    @cached_property
    def _imported(self) -> dict[str, tuple[str, str]]:
        """Per name that ``__init__`` imports: the module that has it, and its name there."""
        loader: Any = self.__loader__
        body = ast.parse(loader.get_source(self.__name__)).body
        return {
            each.asname or each.name: (self._absolute(statement), each.name)
            for statement in body
            if isinstance(statement, ast.ImportFrom)
            for each in statement.names
        }

    def _absolute(self, statement: ast.ImportFrom) -> str:
        return resolve_name("." * statement.level + (statement.module or ""), self.__name__)
