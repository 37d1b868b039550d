"""Packs what was built, once for all its deployments: `sam deploy` by itself packs thousands of files each time.

The same content makes the same file, so a stack that keeps its data keeps what has not changed. The files go no further than
this machine: they are packed fast rather than small.
"""

import zipfile
from pathlib import Path

import yaml

PACKED_TEMPLATE = "packed.yaml"
"""The built template with zip files in the place of folders, below the folder that was built into."""

CODE = ("CodeUri", "ContentUri")
FASTEST = 1
SUFFIX = ".zip"


def pack(folder: Path) -> None:
    """Pack each function and layer below `folder`, and write the template that names the files."""
    # SAM writes no short forms such as `!Ref` into what it builds.
    template = yaml.load((folder / "template.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    for resource in template["Resources"].values():
        for code in CODE:
            name = resource.get("Properties", {}).get(code)
            # What was not built, as the catalog, lies elsewhere and stays a folder.
            if isinstance(name, str) and (folder / name).parent == folder:
                _pack(folder / name, folder / (name + SUFFIX))
                resource["Properties"][code] = name + SUFFIX
    (folder / PACKED_TEMPLATE).write_text(yaml.dump(template, Dumper=yaml.CSafeDumper), encoding="utf-8")


def _pack(folder: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)))
                entry.external_attr = path.stat().st_mode << 16
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, FASTEST)
