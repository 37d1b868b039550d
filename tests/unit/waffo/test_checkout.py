"""What may be asked of Waffo's checkout."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pancake_meter.waffo.checkout import (
    BillingDetail,
    ChargeExactly,
    CreateSession,
    Credit,
    NewPurchase,
    PlanChange,
    PriceSnapshot,
    SessionToken,
    check_identity,
    url_with_token,
)
from pancake_meter.waffo.errors import InvalidRequest
from tests.support.waffo_webhooks import reference

PRODUCT = "PROD_2bN5mK8jH1gF4dS7aP0oI3"
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


def test_an_overage_checkout_goes_out_as_in_the_reference() -> None:
    # When
    request = CreateSession(
        product_id=PRODUCT,
        currency="USD",
        price=PriceSnapshot("18.00", "saas"),
        purchase=NewPurchase(buyer_email="buyer@example.com"),
        success_url="https://app.example.com/billing/done",
        expires_in_seconds=86400,
        external_id="ovg:acct_1001:2026-03-10:0001",
        metadata={"kind": "overage", "accountId": "acct_1001", "invoiceKey": "ovg:acct_1001:2026-03-10:0001"},
    )
    # Then
    assert request.to_wire() == reference("api/create_session_overage_request.json")["body"]


def test_a_plan_change_goes_out_as_in_the_reference() -> None:
    # When
    request = CreateSession(
        product_id="PROD_7qW4eR1tY8uI5oP2aS9dF6",
        currency="USD",
        purchase=PlanChange(ORDER, timing="next_period"),
        external_id="sub:acct_1001:scale-monthly:v2",
        metadata={"accountId": "acct_1001", "planKey": "scale-monthly"},
    )
    # Then
    assert request.to_wire() == reference("api/plan_change_session_request.json")["body"]


@pytest.mark.parametrize(
    ("adjustment", "field"), [(ChargeExactly("12.00"), "changeAmount"), (Credit("12.00"), "changeCreditAmount")]
)
def test_a_plan_change_is_adjusted_one_way_only(adjustment: ChargeExactly | Credit, field: str) -> None:
    # When
    wire = CreateSession(product_id=PRODUCT, currency="USD", purchase=PlanChange(ORDER, None, adjustment)).to_wire()
    # Then
    assert {name: wire.get(name) for name in ("changeAmount", "changeCreditAmount")} == {
        "changeAmount": None,
        "changeCreditAmount": None,
        field: "12.00",
    }


def test_what_is_unset_is_absent_and_false_is_not_unset() -> None:
    assert CreateSession(product_id=PRODUCT, currency="USD").to_wire() == {"productId": PRODUCT, "currency": "USD"}
    assert CreateSession(product_id=PRODUCT, currency="USD", with_trial=False, dark_mode=False).to_wire() == {
        "productId": PRODUCT,
        "currency": "USD",
        "withTrial": False,
        "darkMode": False,
    }


def _session(**fields: object) -> Callable[[], object]:
    return lambda: CreateSession(**({"product_id": PRODUCT, "currency": "USD"} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (_session(product_id="abc"), "productId"),
        (_session(product_id=ORDER), "productId"),
        (_session(product_id=PRODUCT + "\n"), "productId"),
        (_session(currency="usd"), "currency"),
        (_session(currency="KWD"), "currency"),
        (_session(success_url="http://app.example.com/done"), "successUrl"),
        (_session(success_url="https://"), "successUrl"),
        (_session(success_url="javascript:alert(1)"), "successUrl"),
        (_session(success_url="https://[half/done"), "successUrl"),
        (_session(success_url="https://a.example/" + "x" * 2048), "successUrl"),
        (_session(expires_in_seconds=0), "expiresInSeconds"),
        (_session(expires_in_seconds=604_801), "expiresInSeconds"),
        (_session(external_id="x" * 129), "orderMerchantExternalId"),
        (_session(external_id=""), "orderMerchantExternalId"),
        (_session(metadata={f"k{number}": "v" for number in range(51)}), "metadata"),
        (_session(metadata={"k": "v" * 513}), "metadata"),
        (_session(metadata={"": "v"}), "metadata"),
        (_session(metadata={"k" * 65: "v"}), "metadata"),
        (_session(language="fr"), "language"),
        (_session(include_payment_methods=("cash",)), "includePaymentMethods"),
        (_session(exclude_payment_methods=("cash",)), "excludePaymentMethods"),
        (_session(include_payment_methods=("card",), exclude_payment_methods=("wechat",)), "includePaymentMethods"),
        (lambda: PriceSnapshot("18,00", "saas"), "priceSnapshot.amount"),
        (lambda: PriceSnapshot("-18.00", "saas"), "priceSnapshot.amount"),
        (lambda: PriceSnapshot("", "saas"), "priceSnapshot.amount"),
        (lambda: PriceSnapshot("18.00", "tax_free"), "priceSnapshot.taxCategory"),  # type: ignore[arg-type]
        (lambda: NewPurchase(buyer_email="x" * 255), "buyerEmail"),
        (lambda: BillingDetail(country="Japan", is_business=False), "billingDetail.country"),
        (lambda: BillingDetail(country="JP", is_business=False, tax_id="x" * 300), "billingDetail.taxId"),
        (lambda: PlanChange("PROD_2bN5mK8jH1gF4dS7aP0oI3"), "originOrderId"),
        (lambda: PlanChange(ORDER, "later"), "changeTiming"),  # type: ignore[arg-type]
        (lambda: PlanChange(ORDER, adjustment=ChargeExactly("1e3")), "changeAmount"),
        (lambda: PlanChange(ORDER, adjustment=Credit("free")), "changeCreditAmount"),
        (lambda: check_identity("  "), "buyerIdentity"),
        (lambda: check_identity("x" * 257), "buyerIdentity"),
    ],
)
def test_what_waffo_would_refuse_is_refused_with_the_name_of_the_field(make: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field


def test_the_token_stands_in_the_fragment_and_is_not_printed() -> None:
    token = SessionToken("eyJ.secret", datetime(2026, 4, 2, tzinfo=UTC))
    assert url_with_token("https://pancake.waffo.ai/checkout/cs_1", token) == (
        "https://pancake.waffo.ai/checkout/cs_1#token=eyJ.secret"
    )
    assert "secret" not in repr(token)


@pytest.mark.parametrize(
    ("url", "marked"),
    [
        ("https://w.test/store/s/change/cs_1", "https://w.test/store/s/change/cs_1?test=true#token=t"),
        ("https://w.test/store/s/checkout/cs_1?test=true", "https://w.test/store/s/checkout/cs_1?test=true#token=t"),
        ("https://w.test/c/cs_1?lang=en", "https://w.test/c/cs_1?lang=en&test=true#token=t"),
    ],
)
def test_in_test_mode_the_page_is_marked_once_and_before_the_token(url: str, marked: str) -> None:
    token = SessionToken("t", datetime(2026, 4, 2, tzinfo=UTC))
    assert url_with_token(url, token, is_test=True) == marked
    assert url_with_token(url, token) == f"{url}#token=t"
