"""What is built is what Lambda takes: wheels of the target, within its size."""

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


def test_a_runtime_whose_python_is_not_here_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"python3\.99 does not run here"):
        build.build(Target("python3.99", "arm64"), tmp_path / "build", tmp_path / "cache")
    assert not (tmp_path / "build").exists()
    with pytest.raises(BuildError, match="run `make build`"):
        read_record(tmp_path)
