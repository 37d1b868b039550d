"""Money that a person has to look at rings: the metric behind the PaymentFlagged alarm."""

from collections.abc import Iterator

import pytest
from aws_lambda_powertools import Metrics

import webhook_intake
from pancake_meter.usecases.webhooks.judge import Outcome


@pytest.fixture(autouse=True)
def _fresh_metrics() -> Iterator[None]:
    Metrics().clear_metrics()
    yield
    Metrics().clear_metrics()


@pytest.mark.parametrize(
    ("reason", "flagged"),
    [
        (None, 0.0),
        ("paid_twice", 1.0),
        ("amount_differs", 1.0),
        ("currency_differs", 1.0),
        ("no_longer_owed", 1.0),
        ("bought_twice", 1.0),
    ],
)
def test_an_applied_payment_with_a_flag_is_counted(reason: str | None, flagged: float) -> None:
    outcome = Outcome("applied", reason, "digest", "order.completed", "ORD_1")
    webhook_intake._taken(outcome)
    assert Metrics().metric_set["PaymentFlagged"]["Value"] == [flagged]


def test_an_ignored_delivery_is_no_flag() -> None:
    webhook_intake._taken(Outcome("ignored", "no_news", "digest", "subscription.renewed", "ORD_1"))
    assert Metrics().metric_set["PaymentFlagged"]["Value"] == [0.0]
