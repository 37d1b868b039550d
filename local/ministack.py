"""MiniStack with three gaps mended, and workers that start in less time. Run as ``python -m local.ministack``.

It unpacks each layer once and not anew for each worker: a layer is some 2,300 files and 14 MB. Lambda unpacks none for
each environment either. It routes OPTIONS requests of an API without a CORS configuration, as API Gateway does: by itself
it refuses them. And it tells a function the cookies of a request as API Gateway does, in a list of their own: by itself it
leaves them among the headers.
"""

import gc
import hashlib
import importlib
import inspect
import io
import os
import runpy
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import apigateway, lambda_svc

from local.errors import LocalStackError
from local.forked_workers import ForkedWorkers, can_fork
from local.ports import is_open
from local.processes import POLL_SECONDS
from tools.sam import copy_fast, yaml_in_c

_LAYER_FOLDER_PREFIX = "layer_"
"""How MiniStack names the folder of a worker into which it unpacks one of its layers."""

_UNPACKED_AT = "unpacked-at"
"""The one file in what a worker gets in place of a layer: it says where the layer is."""

_unpacking = threading.Lock()


class _ZipFile(zipfile.ZipFile):
    """A zip file that, where it stands for a layer, is unpacked as links to what the layer holds."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Unpack, or link to what was unpacked before. Workers only read their layers."""
        if path is None or not Path(path).name.startswith(_LAYER_FOLDER_PREFIX):
            super().extractall(path, members, pwd)
            return
        for entry in Path(self.read(_UNPACKED_AT).decode()).iterdir():
            (Path(path) / entry.name).symlink_to(entry)


def unpack_once(resolve: Callable[[Any], bytes | None], folder: Path) -> Callable[[Any], bytes | None]:
    """Return what resolves a layer's reference as ``resolve`` does, to a zip file that says where in ``folder`` it is.

    MiniStack itself writes the whole file for each worker, and looks at each path in it.
    """
    stands_for: dict[str, bytes] = {}

    def resolved(reference: Any) -> bytes | None:
        name = reference if isinstance(reference, str) else str(reference.get("Arn"))
        with _unpacking:
            # The ARN names a version of the layer, which never changes.
            if name not in stands_for:
                packed = resolve(reference)
                if packed is None:
                    return None
                stands_for[name] = _standing_for(_unpacked(packed, folder))
        return stands_for[name]

    return resolved


def _unpacked(packed: bytes, folder: Path) -> Path:
    shared = folder / f"layer-{hashlib.sha256(packed).hexdigest()[:16]}"
    if not shared.exists():
        begun = shared.with_suffix(".begun")
        with zipfile.ZipFile(io.BytesIO(packed)) as file:
            file.extractall(begun)
        begun.rename(shared)
    return shared


def _standing_for(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(_UNPACKED_AT, str(folder))
    return content.getvalue()


_ANSWERS_EVERY_PREFLIGHT = 'if method == "OPTIONS":'
_ANSWERS_ITS_OWN_PREFLIGHT = 'if method == "OPTIONS" and cors_cfg:'
_COOKIES_AMONG_HEADERS = '"headers": dict(headers),'
_COOKIES_IN_A_LIST = (
    '"headers": {name: value for name, value in headers.items() if name.lower() != "cookie"},'
    ' **({"cookies": headers["cookie"].split("; ")} if headers.get("cookie") else {}),'
)


def route_preflights() -> None:
    """Have MiniStack answer OPTIONS requests itself only where the API has a CORS configuration.

    Raises `LocalStackError` when this MiniStack is another than the one that was read for it.
    """
    _mend("_handle_execute_in_scope", _ANSWERS_EVERY_PREFLIGHT, _ANSWERS_ITS_OWN_PREFLIGHT, "answers preflights")


def list_cookies() -> None:
    """Have MiniStack put the cookies of a request into the list `cookies` of the event, and not among the headers.

    Raises `LocalStackError` when this MiniStack is another than the one that was read for it.
    """
    _mend("_invoke_lambda_proxy", _COOKIES_AMONG_HEADERS, _COOKIES_IN_A_LIST, "tells of cookies")


def _mend(function: str, old: str, new: str, does: str) -> None:
    source = inspect.getsource(getattr(apigateway, function))
    if source.count(old) != 1:
        raise LocalStackError(f"MiniStack {does} in another way now: see local/ministack.py")
    mended = source.replace(old, new)
    exec(compile(mended, apigateway.__file__, "exec"), vars(apigateway))  # noqa: S102 - its own code, but for a line


def import_early(port: int) -> None:
    """Once MiniStack answers at `port`, import what it would import in the midst of a deployment.

    The SAM CLI reads the template for seconds before it asks for anything. What is there by then stays, so the search for
    garbage leaves it out from then on.
    """
    while not is_open(port):
        time.sleep(POLL_SECONDS)
    for module in ("ministack.services.cloudformation", "samtranslator.translator.transform"):
        importlib.import_module(module)
    copy_fast()
    gc.freeze()


if __name__ == "__main__":
    yaml_in_c()
    route_preflights()
    list_cookies()
    zipfile.ZipFile = _ZipFile  # type: ignore[misc]
    _resolve = lambda_svc._resolve_layer_zip  # noqa: SLF001 - it has no other handle
    lambda_svc._resolve_layer_zip = unpack_once(_resolve, Path(tempfile.gettempdir()))  # noqa: SLF001
    if can_fork():
        lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": ForkedWorkers()})
    threading.Thread(target=import_early, args=(int(os.environ["GATEWAY_PORT"]),), daemon=True).start()
    runpy.run_module("ministack", run_name="__main__")
