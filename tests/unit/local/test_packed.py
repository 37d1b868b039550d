"""What was built is packed once, and all of it is there."""

import os
import zipfile
from pathlib import Path

import pytest
import yaml

from local.packed import PACKED_TEMPLATE, pack

TEMPLATE = {
    "Resources": {
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"CodeUri": "Function", "Role": {"Ref": "Role"}},
        },
        "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "Layer"}},
        "Catalog": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "../layers/catalog"}},
        "Uploaded": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": {"Bucket": "b", "Key": "k"}}},
        "Table": {"Type": "AWS::DynamoDB::Table"},
    }
}
FILES = {
    "Function/main.py": b"a = 1",
    "Layer/python/package/__pycache__/module.pyc": b"\0\1",
    "Layer/python/tool": b"#!",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `sam build` has left: a template, and a folder for each function and layer that has a build."""
    built = tmp_path / "build"
    for name, content in FILES.items():
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_bytes(content)
    (built / "Layer/python/tool").chmod(0o755)
    (built / "template.yaml").write_text(yaml.safe_dump(TEMPLATE))
    (tmp_path / "layers" / "catalog").mkdir(parents=True)
    return built


def test_each_folder_becomes_a_file_with_all_that_is_in_it(folder: Path, tmp_path: Path) -> None:
    pack(folder)
    for name in ("Function", "Layer"):
        with zipfile.ZipFile(folder / f"{name}.zip") as file:
            file.extractall(tmp_path / "unpacked" / name)
            modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in file.infolist()}
        for path, mode in modes.items():
            assert mode == (folder / name / path).stat().st_mode & 0o777
    unpacked = [path for path in (tmp_path / "unpacked").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "unpacked")): path.read_bytes() for path in unpacked} == FILES


def test_the_template_names_the_files_and_says_nothing_else(folder: Path) -> None:
    pack(folder)
    packed = yaml.safe_load((folder / PACKED_TEMPLATE).read_text())
    assert packed["Resources"]["Function"]["Properties"].pop("CodeUri") == "Function.zip"
    assert packed["Resources"]["Layer"]["Properties"].pop("ContentUri") == "Layer.zip"
    given = yaml.safe_load(yaml.safe_dump(TEMPLATE))
    del given["Resources"]["Function"]["Properties"]["CodeUri"]
    del given["Resources"]["Layer"]["Properties"]["ContentUri"]
    assert packed == given


def test_the_same_content_makes_the_same_file_and_another_one_does_not(folder: Path) -> None:
    def packed() -> tuple[bytes, bytes]:
        pack(folder)
        return (folder / "Function.zip").read_bytes(), (folder / "Layer.zip").read_bytes()

    function, layer = packed()
    os.utime(folder / "Function/main.py", (0, 0))
    os.utime(folder / "Layer/python/tool", (0, 0))
    assert packed() == (function, layer)
    (folder / "Function/main.py").write_bytes(b"a = 2")
    changed, unchanged = packed()
    assert changed != function
    assert unchanged == layer
