"""MiniStack unpacks a layer once for all its workers, and routes preflights; everything else is as it always is."""

import asyncio
import shutil
import zipfile
from pathlib import Path

import pytest
from ministack.services import apigateway

from local.errors import LocalStackError
from local.ministack import _ZipFile, route_preflights


def packed(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("python/module.py", text)
    return path


def unpacked(file: Path, worker: Path, name: str) -> Path:
    (worker / name).mkdir(parents=True)
    with _ZipFile(file) as opened:
        opened.extractall(worker / name)
    return worker / name / "python" / "module.py"


def test_workers_share_one_copy_of_a_layer_and_a_changed_layer_is_another(tmp_path: Path) -> None:
    first, changed = packed(tmp_path / "first.zip", "a = 1"), packed(tmp_path / "changed.zip", "a = 2")
    seen = [unpacked(first, tmp_path / f"worker-{number}", "layer_0") for number in range(2)]
    other = unpacked(changed, tmp_path / "worker-2", "layer_0")
    assert [path.read_text() for path in (*seen, other)] == ["a = 1", "a = 1", "a = 2"]
    assert seen[0].resolve() == seen[1].resolve() != other.resolve()


def test_a_worker_that_ends_takes_nothing_of_a_layer_with_it(tmp_path: Path) -> None:
    file = packed(tmp_path / "first.zip", "a = 1")
    kept = unpacked(file, tmp_path / "worker-0", "layer_0")
    unpacked(file, tmp_path / "worker-1", "layer_0")
    shutil.rmtree(tmp_path / "worker-1")
    assert kept.read_text() == "a = 1"


def test_the_code_of_a_function_is_each_workers_own(tmp_path: Path) -> None:
    seen = unpacked(packed(tmp_path / "code.zip", "a = 1"), tmp_path / "worker-0", "code")
    assert seen.resolve().is_relative_to((tmp_path / "worker-0").resolve())


def options(api: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> tuple[int, bytes]:
    monkeypatch.setattr(apigateway, "_apis", {"api": api})
    headers = {"origin": "https://app.example.com"}
    answer = apigateway._handle_execute_in_scope(
        "api", "$default", "/v1/plans", "OPTIONS", headers, b"", {}, "000000000000", "us-east-1"
    )
    status, _, body = asyncio.run(answer)
    return status, body


def test_a_preflight_is_routed_where_the_api_has_no_cors_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given MiniStack as it is: it refuses
    original = apigateway._handle_execute_in_scope
    monkeypatch.setattr(apigateway, "_handle_execute_in_scope", original)
    assert options({"apiId": "api"}, monkeypatch)[0] == 403
    # When it is mended
    route_preflights()
    # Then the request goes on to the routes, of which this API has none; an API with the configuration answers itself
    assert options({"apiId": "api"}, monkeypatch) == (404, b'{"message":"Not Found"}')
    assert options({"apiId": "api", "corsConfiguration": {"allowOrigins": ["*"]}}, monkeypatch)[0] == 204


def test_another_ministack_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other() -> None:
        """Answer nothing."""

    monkeypatch.setattr(apigateway, "_handle_execute_in_scope", other)
    with pytest.raises(LocalStackError):
        route_preflights()
