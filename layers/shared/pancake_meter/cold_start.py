"""The cold start: nothing that a function imports is garbage, and Powertools' routes come without what they do not use.

A function's module imports this one before all others. Python looks for garbage again when its handler has been made, and
then not among what the cold start left: all of that stays for as long as the process lives.
"""

import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

# Lambda names the function that it starts. A test, or a tool, that imports a handler goes on as it is.
_IS_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

_ROUTES: Final = "aws_lambda_powertools.event_handler"


class _HttpRoutes(ModuleType):
    """Stands in for Powertools' package of routes: it has those of HTTP.

    The package itself imports its routes of every kind, and with those of AppSync asyncio: a twentieth of a cold start.
    Asked for anything else, the stand-in gives way to it.
    """

    def __getattr__(self, name: str) -> Any:
        """Return one of the package's modules, or what ``api_gateway`` has of this name, or else what the package has."""
        if name.startswith("__"):
            raise AttributeError(name)
        if find_spec(f"{_ROUTES}.{name}") is not None:
            return import_module(f"{_ROUTES}.{name}")
        http = vars(import_module(f"{_ROUTES}.api_gateway"))
        return http[name] if name in http else getattr(self._whole(), name)

    def _whole(self) -> ModuleType:
        """Return the package, now in the place of this module, with the modules that this one has."""
        if sys.modules.get(_ROUTES) is self:
            del sys.modules[_ROUTES]
            whole = import_module(_ROUTES)
            vars(whole).update({name: each for name, each in vars(self).items() if isinstance(each, ModuleType)})
        return sys.modules[_ROUTES]


def stand_in_for_routes() -> None:
    """Put the stand-in where the package is looked for, unless the package is there already."""
    found = find_spec(_ROUTES)
    if found is not None and _ROUTES not in sys.modules:
        stand_in = _HttpRoutes(_ROUTES)
        stand_in.__spec__, stand_in.__path__ = found, found.submodule_search_locations or []
        sys.modules[_ROUTES] = stand_in


def end() -> None:
    """Look for garbage from now on. What is there by now is looked at no more."""
    if _IS_FUNCTION:
        gc.freeze()
        gc.enable()


if _IS_FUNCTION:
    gc.disable()
    stand_in_for_routes()
