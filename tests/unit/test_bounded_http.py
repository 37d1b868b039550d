"""Keys of OpenMeter and LiteLLM: a changed one is used at once after the old one is turned away."""

from datetime import UTC, datetime

import httpx
import pytest

from pancake_meter.litellm.client import LiteLLMClient, LiteLLMUnavailable
from pancake_meter.openmeter.client import OpenMeterClient, OpenMeterUnavailable
from tests.support.fixed_key import FixedKey

AT = datetime(2026, 3, 10, tzinfo=UTC)


class Service:
    """Takes one key, and answers every other one with ``status``."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.keys: list[str] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        if self.keys[-1] != "new":
            return httpx.Response(self.status, json={})
        return httpx.Response(200, json={"data": []}) if request.method == "GET" else httpx.Response(204)


def ingest(service: Service, key: FixedKey) -> None:
    OpenMeterClient("https://openmeter.test", key, transport=service.transport()).ingest([{"id": "e1"}])


def read_logs(service: Service, key: FixedKey) -> None:
    LiteLLMClient("https://litellm.test", key, transport=service.transport()).spend_logs(AT, AT, 1)


@pytest.mark.parametrize("ask", [ingest, read_logs])
@pytest.mark.parametrize("status", [401, 403])
def test_scenario_100_a_key_that_is_turned_away_is_replaced_at_once(ask: object, status: int) -> None:
    service, key = Service(status), FixedKey("old", next_text="new")
    ask(service, key)  # type: ignore[operator]
    assert service.keys == ["old", "new"]
    ask(service, key)  # type: ignore[operator]
    assert service.keys == ["old", "new", "new"]


@pytest.mark.parametrize(("ask", "trouble"), [(ingest, OpenMeterUnavailable), (read_logs, LiteLLMUnavailable)])
@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_request_is_not_repeated_with_the_key_it_had(ask: object, trouble: type[Exception], status: int) -> None:
    service, key = Service(status), FixedKey("old")
    with pytest.raises(trouble):
        ask(service, key)  # type: ignore[operator]
    assert service.keys == ["old"]
    assert key.renewals == ([False] if status != 500 else [])
