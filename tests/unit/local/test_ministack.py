"""MiniStack unpacks a layer once for all its workers, and routes preflights; everything else is as it always is."""

import asyncio
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ministack.services import apigateway

from local import ROOT
from local.errors import LocalStackError
from local.ministack import _ZipFile, list_cookies, route_preflights, unpack_once

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:shared:{}"


def packed(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("python/module.py", text)
    return content.getvalue()


class Layers:
    """The versions of a layer, as MiniStack keeps them, and workers that are given one."""

    def __init__(self, folder: Path, *texts: str) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self._kept = {LAYER.format(number): packed(text) for number, text in enumerate(texts)}
        self.resolve = unpack_once(self._resolve, folder)

    def _resolve(self, reference: Any) -> bytes | None:
        name = reference if isinstance(reference, str) else reference["Arn"]
        self.asked.append(name)
        return self._kept.get(name)

    def unpacked(self, reference: Any, worker: str) -> Path:
        """Do what MiniStack does for a worker; return the module that the worker sees."""
        given = self.resolve(reference)
        assert given is not None
        return unpacked(given, self.folder / worker, "layer_0")


def unpacked(given: bytes, worker: Path, name: str) -> Path:
    (worker / name).mkdir(parents=True)
    file = worker / f"{name}.zip"
    file.write_bytes(given)
    with _ZipFile(file) as opened:
        opened.extractall(worker / name)
    return worker / name / "python" / "module.py"


def test_workers_share_one_copy_of_a_layer_and_a_changed_layer_is_another(tmp_path: Path) -> None:
    layers = Layers(tmp_path, "a = 1", "a = 2")
    seen = [layers.unpacked(LAYER.format(0), "worker-0"), layers.unpacked({"Arn": LAYER.format(0)}, "worker-1")]
    other = layers.unpacked(LAYER.format(1), "worker-2")
    assert [path.read_text() for path in (*seen, other)] == ["a = 1", "a = 1", "a = 2"]
    assert seen[0].resolve() == seen[1].resolve() != other.resolve()
    assert layers.asked == [LAYER.format(0), LAYER.format(1)]


def test_what_a_worker_gets_in_place_of_a_layer_is_small_whatever_the_layer_holds(tmp_path: Path) -> None:
    layers = Layers(tmp_path, "".join(f"a = {number}\n" for number in range(100_000)))
    given = layers.resolve(LAYER.format(0))
    assert given is not None
    assert len(given) < 1_000


def test_a_layer_that_is_not_there_is_asked_for_again(tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    assert [layers.resolve(LAYER.format(0)), layers.resolve(LAYER.format(0))] == [None, None]
    assert len(layers.asked) == 2


def test_a_worker_that_ends_takes_nothing_of_a_layer_with_it(tmp_path: Path) -> None:
    layers = Layers(tmp_path, "a = 1")
    kept = layers.unpacked(LAYER.format(0), "worker-0")
    layers.unpacked(LAYER.format(0), "worker-1")
    shutil.rmtree(tmp_path / "worker-1")
    assert kept.read_text() == "a = 1"


def test_the_code_of_a_function_is_each_workers_own(tmp_path: Path) -> None:
    seen = unpacked(packed("a = 1"), tmp_path / "worker-0", "code")
    assert seen.resolve().is_relative_to((tmp_path / "worker-0").resolve())
    assert not seen.is_symlink()


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


EARLY = """
import gc, sys
from local import ministack
LATE = ("ministack.services.cloudformation", "samtranslator.translator.transform")
asked = []
def is_open(port):
    asked.append((port, [name for name in LATE if name in sys.modules]))
    return len(asked) > 1
ministack.is_open = is_open
ministack.import_early(4566)
from samtranslator.open_api import open_api
assert asked == [(4566, []), (4566, [])], asked
assert set(LATE) <= set(sys.modules)
assert open_api._deepcopy.__module__ == "tools.sam"
assert gc.get_freeze_count() > 10_000
"""


def test_what_a_deployment_needs_is_imported_once_ministack_answers_and_not_before() -> None:
    subprocess.run([sys.executable, "-c", EARLY], cwd=ROOT, check=True, timeout=60)
