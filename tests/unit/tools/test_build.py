"""What is built is what Lambda takes: wheels of the target, within its size."""

import marshal
import platform
import sys
from pathlib import Path

import pytest

from tools import build
from tools.build import BuildError, Target, architecture_here, artifacts, foreign_wheels, oversized, read_record, sizes

ARM = Target("python3.13", "arm64")
MAC, ARM_LINUX = ("Darwin", "arm64"), ("Linux", "aarch64")


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


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Another machine than this one, as far as Python can say."""
    system, processor = request.param
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), processor))
    # What packaging asks of Linux: the tags name its glibc.
    monkeypatch.setattr("sysconfig.get_platform", lambda: f"{system.lower()}-{processor}")
    monkeypatch.setattr("packaging._manylinux._get_glibc_version", lambda: (2, 36))
    monkeypatch.setattr(sys, "platform", system.lower())
    return str(system)


@pytest.mark.parametrize("machine", [MAC, ARM_LINUX], indirect=True)
def test_a_build_for_the_machine_itself_has_wheels_that_run_on_it(machine: str, tmp_path: Path) -> None:
    # Given
    wheel(tmp_path, "pure-1.0", "py2.py3-none-any")
    wheel(tmp_path, "mac-1.0", "cp313-cp313-macosx_11_0_arm64")
    wheel(tmp_path, "mac_of_both-1.0", "cp311-abi3-macosx_10_12_universal2")
    wheel(tmp_path, "linux-1.0", "cp313-cp313-manylinux_2_17_aarch64", "cp313-cp313-manylinux2014_aarch64")
    wheel(tmp_path, "other_processor-1.0", "cp313-cp313-manylinux_2_17_x86_64")
    # When
    found = foreign_wheels(tmp_path, Target("python3.13", architecture_here(), native=True))
    # Then
    foreign = ["linux"] if machine == "Darwin" else ["mac", "mac_of_both"]
    assert [sentence.partition("-1.0")[0] for sentence in found] == sorted([*foreign, "other_processor"])


@pytest.mark.parametrize("machine", [MAC, ARM_LINUX, ("Darwin", "x86_64")], indirect=True)
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_a_build_for_lambda_takes_wheels_of_linux_wherever_it_is_made(
    machine: str, architecture: str, tmp_path: Path
) -> None:
    # Given a folder with wheels of a Mac, for either processor
    wheel(tmp_path, "arm-1.0", "cp313-cp313-macosx_11_0_arm64")
    wheel(tmp_path, "intel-1.0", "cp313-cp313-macosx_10_13_x86_64")
    target = Target("python3.13", architecture)
    # Then none of them is for Lambda, and pip is asked for others
    assert len(foreign_wheels(tmp_path, target)) == 2
    platforms = [word for word in target.wheel_options.split() if "_" in word and "python" not in word]
    assert platforms
    assert {word.partition("_")[0].rstrip("2014") for word in platforms} == {"manylinux"}, machine


def test_a_build_for_the_machine_itself_leaves_the_platform_to_pip() -> None:
    assert Target("python3.13", "arm64", native=True).wheel_options == "--python-version 3.13"


@pytest.mark.parametrize("machine", [MAC, ARM_LINUX], indirect=True)
def test_what_is_kept_of_a_build_is_kept_for_its_target_alone(machine: str) -> None:
    native = Target("python3.13", architecture_here(), native=True)
    assert native.architecture == "arm64"
    assert ARM.cache_name == "python3.13-arm64"
    assert native.cache_name == f"python3.13-arm64-{machine.lower()}"


def test_a_processor_that_lambda_has_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(BuildError, match="riscv64"):
        architecture_here()


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
