"""What is built is what Lambda takes: wheels of the target, within its size."""

import marshal
import sys
from pathlib import Path

import pytest

from tools import build
from tools.build import BuildError, Target, artifacts, foreign_wheels, oversized, read_record, sizes

ARM = Target("python3.13", "arm64")


def wheel(folder: Path, name: str, *tags: str) -> None:
    info = folder / "SharedLayer" / "python" / f"{name}.dist-info"
    info.mkdir(parents=True)
    (info / "WHEEL").write_text("Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags), encoding="utf-8")


def test_a_wheel_of_another_processor_or_python_is_named(tmp_path: Path) -> None:
    # Given
    wheel(tmp_path, "pure-1.0", "py3-none-any")
    wheel(tmp_path, "fits-1.0", "cp313-cp313-manylinux_2_17_aarch64", "cp313-cp313-manylinux2014_aarch64")
    wheel(tmp_path, "stable-1.0", "cp311-abi3-manylinux_2_28_aarch64")
    wheel(tmp_path, "wrong_processor-1.0", "cp313-cp313-manylinux_2_17_x86_64")
    wheel(tmp_path, "wrong_python-1.0", "cp311-cp311-manylinux_2_17_aarch64")
    # When
    found = foreign_wheels(tmp_path, ARM)
    # Then
    assert [sentence.partition(":")[0] for sentence in found] == [
        "wrong_processor-1.0.dist-info",
        "wrong_python-1.0.dist-info",
    ]


def test_wheels_are_asked_for_by_platform_and_by_the_glibc_of_the_runtime() -> None:
    assert "manylinux_2_34_aarch64" in ARM.wheel_options
    assert "x86_64" not in ARM.wheel_options
    older = Target("python3.11", "x86_64").wheel_options
    assert "manylinux_2_26_x86_64" in older
    assert "manylinux_2_28" not in older


def test_a_function_that_is_too_large_with_its_layers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    for name, size in (("SharedLayer", 700), ("QuotaCheckFunction", 200), ("ReportsFunction", 400)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    monkeypatch.setattr(build, "UNZIPPED_BYTES_MAX", 1000)
    # When, then
    assert dict(artifacts(tmp_path)) == {
        "SharedLayer": "/opt",
        "QuotaCheckFunction": "/var/task",
        "ReportsFunction": "/var/task",
    }
    assert sizes(tmp_path)["SharedLayer"] == 700
    assert [sentence.partition(":")[0] for sentence in oversized(tmp_path)] == ["ReportsFunction"]


def test_byte_code_is_for_where_the_files_will_lie_and_is_taken_unchecked(tmp_path: Path) -> None:
    # Given a module as it is built
    (tmp_path / "module.py").write_text("def where():\n    pass\n", encoding="utf-8")
    # When
    build._compile(sys.executable, {tmp_path: "/opt"})
    # Then: flags of an unchecked hash, and the path in AWS
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    content = compiled.read_bytes()
    assert int.from_bytes(content[4:8], "little") == 0b01
    assert marshal.loads(content[16:]).co_filename == "/opt/module.py"  # noqa: S302 - of our own making


def test_a_source_that_the_python_cannot_compile_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def where(:\n", encoding="utf-8")
    with pytest.raises(BuildError, match="cannot compile"):
        build._compile(sys.executable, {tmp_path: "/opt"})


def test_a_runtime_whose_python_is_not_here_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"python3\.99 does not run here"):
        build.build(Target("python3.99", "arm64"), tmp_path / "build", tmp_path / "cache")
    assert not (tmp_path / "build").exists()
    with pytest.raises(BuildError, match="run `make build`"):
        read_record(tmp_path)
