"""MiniStack with three gaps mended. Run as ``python -m local.ministack``.

It unpacks each layer once and not anew for each worker: a layer is some 1,900 files. Lambda unpacks none for each
environment either. It routes OPTIONS requests of an API without a CORS configuration, as API Gateway does: by itself
it refuses them. And it tells a function the cookies of a request as API Gateway does, in a list of their own: by itself it
leaves them among the headers.
"""

import hashlib
import inspect
import runpy
import threading
import zipfile
from pathlib import Path
from typing import Any

from ministack.services import apigateway

from local.errors import LocalStackError

_LAYER_FOLDER_PREFIX = "layer_"
"""How MiniStack names the folder of a worker into which it unpacks one of its layers."""

_unpacking = threading.Lock()


class _ZipFile(zipfile.ZipFile):
    """A zip file whose content, where it is a layer's, is linked to the one unpacked copy of it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Unpack, or link to what was unpacked before. Workers only read their layers."""
        if path is None or not Path(path).name.startswith(_LAYER_FOLDER_PREFIX):
            super().extractall(path, members, pwd)
            return
        for entry in self._unpacked(Path(path).parent.parent).iterdir():
            (Path(path) / entry.name).symlink_to(entry)

    def _unpacked(self, folder: Path) -> Path:
        listed = repr([(each.filename, each.CRC, each.file_size) for each in self.infolist()])
        shared = folder / f"layer-{hashlib.sha256(listed.encode()).hexdigest()[:16]}"
        with _unpacking:
            if not shared.exists():
                begun = shared.with_suffix(".begun")
                super().extractall(begun)
                begun.rename(shared)
        return shared


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


if __name__ == "__main__":
    route_preflights()
    list_cookies()
    zipfile.ZipFile = _ZipFile  # type: ignore[misc]
    runpy.run_module("ministack", run_name="__main__")
