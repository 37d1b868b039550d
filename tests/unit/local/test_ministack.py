"""MiniStack unpacks a layer once for all its workers, and routes preflights; everything else is as it always is."""

import asyncio
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ministack.services import apigateway

from local.errors import LocalStackError
from local.ministack import _ZipFile, list_cookies, route_preflights


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


def event_of(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The event with which MiniStack calls the function that answers a request."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - it begins with a worker's threads

    seen: list[dict[str, Any]] = []

    def called(_record: object, event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event)
        return {"body": {"statusCode": 204}}

    monkeypatch.setattr(lambda_svc, "_get_func_record_for_ref_in_scope", lambda *_, **__: ({}, {}, "name"))
    monkeypatch.setattr(lambda_svc, "_execution_record_for_config", lambda *_: {})
    monkeypatch.setattr(lambda_svc, "_execute_function_with_config_scope", called)
    integration = {
        "integrationUri": "arn:aws:lambda:us-east-1:000000000000:function:name",
        "payloadFormatVersion": "2.0",
    }
    asyncio.run(apigateway._invoke_lambda_proxy(integration, "api", "$default", "/portal", "GET", headers, b"", {}))
    return seen[0]


def test_a_function_is_told_of_cookies_in_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given MiniStack as it is: cookies are a header
    original = apigateway._invoke_lambda_proxy
    monkeypatch.setattr(apigateway, "_invoke_lambda_proxy", original)
    headers = {"cookie": "lang=en; session=a=b", "accept": "*/*"}
    assert "cookies" not in event_of(headers, monkeypatch)
    # When it is mended
    list_cookies()
    # Then they are a list, as API Gateway has them
    event = event_of(headers, monkeypatch)
    assert (event["cookies"], event["headers"]) == (["lang=en", "session=a=b"], {"accept": "*/*"})
    assert "cookies" not in event_of({"accept": "*/*"}, monkeypatch)


@pytest.mark.parametrize(
    ("name", "mend"), [("_handle_execute_in_scope", route_preflights), ("_invoke_lambda_proxy", list_cookies)]
)
def test_another_ministack_stops_the_start(
    name: str, mend: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other() -> None:
        """Answer nothing."""

    monkeypatch.setattr(apigateway, name, other)
    with pytest.raises(LocalStackError):
        mend()
