"""A refusal leaves a trace: whom, what, why, how much; and a metric by reason that leaves the others whole."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.balance.hold import MAX_HOLDS
from pancake_meter.domain.balance.spend import RefusalReason
from pancake_meter.usecases.balance.hold_quota import hold_quota
from tests.integration.handlers.test_nudge import CUSTOMER, NOW, deps, posting

__all__ = ["deps"]

Line = dict[str, Any]
Lines = Callable[[], list[Line]]
NAMES = ("refused", "customer_id", "meter", "code", "wanted", "available")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines of refusals since the last look, as far as a person searches for them."""

    def lines() -> list[Line]:
        records = [vars(record) for record in caplog.records if record.message == "refused"]
        caplog.clear()
        return [{"level": record["levelname"], **{name: record[name] for name in NAMES}} for record in records]

    return lines


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The metrics that the handler has written since the last look."""

    def lines() -> list[Line]:
        printed = capsys.readouterr().out.splitlines()
        return [line for line in map(json.loads, filter(lambda text: text.startswith("{"), printed)) if "_aws" in line]

    return lines


def counted(lines: list[Line]) -> dict[tuple[str, str], float]:
    """Value by metric and dimensions, as CloudWatch reads the embedded metric format."""
    found: dict[tuple[str, str], float] = {}
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = ",".join(f"{name}={line[name]}" for name in sorted(names))
                for metric in directive["Metrics"]:
                    found[metric["Name"], dimensions] = sum(line[metric["Name"]])
    return found


def test_a_refused_hold_is_one_line_and_one_count_by_reason(deps: QuotaDeps, told: Lines, metrics: Lines) -> None:
    post = posting(deps)
    # Given 1,000 units left; the customer is opened by this
    post("holds_place", f"{CUSTOMER}/holds", {"meter": "tokens", "quantity": 9000, "id": "h1"})
    assert metrics() == []

    # When more is wanted
    post("holds_place", f"{CUSTOMER}/holds", {"meter": "tokens", "quantity": "1000.5", "id": "h2"})

    # Then the log has whom, what, why and how much, and the plain metric is still there
    assert told() == [
        {
            "level": "INFO",
            "refused": "hold",
            "customer_id": "acct_1001",
            "meter": "tokens",
            "code": "quota_exhausted",
            "wanted": "1000.5",
            "available": "1000",
        }
    ]
    assert counted(metrics()) == {
        ("HoldRefused", "service=test"): 1,
        ("HoldRefused", "reason=quota_exhausted,service=test"): 1,
    }


def test_a_refused_check_leaves_its_own_trace(deps: QuotaDeps, told: Lines, metrics: Lines) -> None:
    post = posting(deps)
    event_body: dict[str, Any] = {}
    post("quota_with_amount", f"{CUSTOMER}/quota/tokens", event_body)
    assert (told(), counted(metrics())) == ([], {})

    # When a check asks for more than there is
    hold_quota(deps.metering, "acct_1001", "tokens", "h", Decimal(10_000), timedelta(minutes=5), NOW)
    post("quota_with_amount", f"{CUSTOMER}/quota/tokens", event_body)
    (line,) = told()
    assert (line["refused"], line["code"], line["available"]) == ("check", "quota_exhausted", "0")
    assert counted(metrics()) == {
        ("CheckRefused", "service=test"): 1,
        ("CheckRefused", "reason=quota_exhausted,service=test"): 1,
    }


def test_too_many_holds_are_told_under_their_own_reason(deps: QuotaDeps, told: Lines, metrics: Lines) -> None:
    for number in range(MAX_HOLDS):
        hold_quota(deps.metering, "acct_1001", "tokens", f"h{number}", Decimal(1), timedelta(minutes=5), NOW)
    refused = posting(deps)("holds_place", f"{CUSTOMER}/holds", {"meter": "tokens", "quantity": 1, "id": "h"})
    assert refused.status == 429
    assert [line["code"] for line in told()] == ["too_many_holds"]
    assert ("HoldRefused", "reason=too_many_holds,service=test") in counted(metrics())


def test_the_reason_is_bounded() -> None:
    assert len(get_args(RefusalReason)) <= 10
