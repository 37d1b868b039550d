"""Assets: style sheets, scripts and pictures, each under a name with its content's hash, so that it is kept for good."""

import gzip
import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.value import Value

STATIC: Final = Path(__file__).parent / "static"
PATH: Final = "/assets"
"""Where assets are served."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HASH_LENGTH: Final = 16
_GZIP: Final = re.compile(r"gzip(;(?!q=0(\.0*)?$).*)?")
"""``gzip``, unless it is said to be unwanted."""


class Asset(Value, dict=True):
    """One asset: ``name`` is the name under which pages ask for it, with the hash."""

    name: str
    content: bytes
    content_type: str

    @cached_property
    def compressed(self) -> bytes:
        """The content as gzip."""
        return gzip.compress(self.content, mtime=0)


class Assets:
    """All assets of a stack: the files of ``static/``, and those that are made from the catalog."""

    def __init__(self, made: Mapping[str, bytes], folder: Path = STATIC) -> None:
        """Read the files. ``made`` has further assets by their name, such as ``brand.css``."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.suffix in _TYPES
        }
        self._by_plain_name = {name: _asset(name, content) for name, content in {**files, **made}.items()}
        self._by_name = {asset.name: asset for asset in self._by_plain_name.values()}

    def url(self, name: str) -> str:
        """Return the path at which an asset is served, such as ``/assets/pages.<hash>.css`` for ``pages.css``.

        Raises:
            KeyError: there is no such asset.
        """
        return f"{PATH}/{self._by_plain_name[name].name}"

    def find(self, name: str) -> Asset | None:
        """Return the asset of a name with its hash."""
        return self._by_name.get(name)


def takes_gzip(accepted_encodings: str) -> bool:
    """Return whether a browser that says ``Accept-Encoding`` takes gzip."""
    return any(_GZIP.fullmatch("".join(each.split())) for each in accepted_encodings.lower().split(","))


def answer_of(asset: Asset, accepted_encodings: str) -> Response[bytes]:
    """Return the answer with an asset, compressed where the browser takes that."""
    headers: dict[str, str | list[str]] = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Strict-Transport-Security": "max-age=31536000",
    }
    is_compressed = takes_gzip(accepted_encodings)
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    content = asset.compressed if is_compressed else asset.content
    return Response(HTTPStatus.OK.value, asset.content_type, content, headers)


def _asset(name: str, content: bytes) -> Asset:
    path = Path(name)
    digest = sha256(content).hexdigest()[:_HASH_LENGTH]
    return Asset(f"{path.stem}.{digest}{path.suffix}", content, _TYPES[path.suffix])
