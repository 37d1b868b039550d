"""``python -m tests.e2e.shoot``: pictures of the pages of a stack that has lived the demo month, into docs/screenshots."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.settings import READY_FILE, read_settings
from tests.e2e.pages_list import pages_of
from tests.support.chromium import chromium
from tests.support.node import run_node

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screenshots"
SHOOT = Path(__file__).parent / "browser" / "shoot.mjs"
SECONDS_MAX = 600.0
BYTES_MAX = 2_000_000

# Each page once as most see it, and each other way of looking at some.
WIDE = {"width": 1280, "scheme": "light", "language": "en"}
OTHERS = (
    ("buy-pack", {"width": 360, "scheme": "dark", "language": "zh-Hans"}),
    ("portal-home", {"width": 360, "scheme": "light", "language": "en"}),
    ("portal-home", {"width": 1280, "scheme": "dark", "language": "zh-Hans"}),
    ("console-overview", {"width": 1280, "scheme": "dark", "language": "en"}),
    ("console-overview", {"width": 360, "scheme": "light", "language": "zh-Hans"}),
)


def main() -> int:
    """Take the pictures; return the exit status."""
    ready_file = read_settings(os.environ).state_folder / READY_FILE
    if not ready_file.exists():
        sys.stderr.write("no local stack runs: `make demo` in another terminal, and try again\n")
        return 1
    ready = json.loads(ready_file.read_text(encoding="ascii"))
    pages = {page["name"]: page for page in pages_of(ready)}
    shots = [_shot(page, WIDE) for page in pages.values() if page["is_shot"]]
    shots += [_shot(pages[name], setting) for name, setting in OTHERS if name in pages]
    if not _has_chinese():
        sys.stderr.write(
            "no font here has Chinese characters: pages in Chinese are left out (fonts-noto-cjk has them)\n"
        )
        shots = [shot for shot in shots if shot["language"] == "en"]
    FOLDER.mkdir(exist_ok=True)
    for old in {path.name for path in FOLDER.glob("*.png")} - {shot["file"] for shot in shots}:
        (FOLDER / old).unlink()
    taken = run_node(SHOOT, {"chromium": chromium(), "folder": str(FOLDER), "shots": shots}, SECONDS_MAX)["files"]
    total = sum(taken.values())
    sys.stdout.write(f"{len(taken)} pictures, {total:,} bytes, in {FOLDER}\n")
    return 0 if total <= BYTES_MAX else 1


def _has_chinese() -> bool:
    """Whether a browser here can show Chinese: without a font it draws boxes. A Mac has one, and need not have `fc-list`."""
    if sys.platform == "darwin":
        return True
    listed = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


def _shot(page: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    ways = [] if setting == WIDE else [str(value) for value in setting.values()]
    return {**page, **setting, "file": ".".join([page["name"], *ways, "png"])}


if __name__ == "__main__":
    sys.exit(main())
