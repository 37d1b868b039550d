"""MiniStack, which unpacks each layer once and not anew for each worker: a layer is some 1,900 files.

Run as ``python -m local.ministack``. Lambda unpacks no layer for each environment either.
"""

import hashlib
import runpy
import threading
import zipfile
from pathlib import Path
from typing import Any

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


if __name__ == "__main__":
    zipfile.ZipFile = _ZipFile  # type: ignore[misc]
    runpy.run_module("ministack", run_name="__main__")
