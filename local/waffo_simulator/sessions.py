"""create-session: what Waffo accepts, and what it says of the rest."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from local.waffo_simulator.body import Body
from local.waffo_simulator.config import Product
from local.waffo_simulator.envelope import ApiError, Notice
from local.waffo_simulator.ids import Ids
from local.waffo_simulator.model import PlanChange, Session, State, SubscriptionOrder
from local.waffo_simulator.money import PAYMENT_METHODS, taxed
from local.waffo_simulator.subscriptions import RENEWING

EXPIRES_DEFAULT_SECONDS = 2700
EXPIRES_MAX_SECONDS = 7 * 24 * 3600
EXTERNAL_ID_LENGTH_MAX = 128
ANY_METHOD = ("card", "applepay", "googlepay", "wechat")
LANGUAGES = (
    *("en", "pt-BR", "es-MX", "id-ID", "vi-VN", "ru-RU", "en-KE", "es-PE", "es-CO", "es-CL", "zh-Hant-TW"),
    *("zh-Hant-HK", "th-TH", "ja-JP", "en-NG", "ko-KR", "en-HK", "zh-Hans-HK", "pl-PL", "tr-TR", "zh-Hans", "ms-MY"),
)
MERCHANT_ONLY = (
    *("changeAmount", "changeCreditAmount", "withTrial", "priceSnapshot", "expiresInSeconds", "metadata"),
    *("orderMerchantExternalId", "includePaymentMethods", "excludePaymentMethods"),
)


def create_session(
    values: Mapping[str, Any], state: State, ids: Ids, now: datetime, customer: str | None
) -> tuple[Session, tuple[Notice, ...]]:
    """Make a session; `customer` is whose token asked for it, `None` the merchant. Raises `ApiError`."""
    # A customer's request has the merchant's fields dropped without a word.
    dropped = () if customer is None else MERCHANT_ONLY
    body = Body({name: value for name, value in values.items() if name not in dropped}, "order")
    product = find_product(body, state)
    currency = body.currency("currency")
    change = _plan_change(body, state, product, currency, customer)
    subtotal = _subtotal(body, product, currency)
    _check_methods(body, product, currency)
    with_trial = body.boolean("withTrial")
    body.choice("language", LANGUAGES)
    seconds = body.integer("expiresInSeconds", 1, EXPIRES_MAX_SECONDS) or EXPIRES_DEFAULT_SECONDS
    email = body.text("buyerEmail", 254)
    if email and "@" not in email:
        raise body.refuse("Invalid buyerEmail: expected an email address")
    session = Session(
        id=ids.short("cs"),
        product=product,
        price=taxed(subtotal, currency, state.settings.tax),
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
        success_url=_success_url(body),
        buyer_email=email,
        billing_detail=_billing_detail(body),
        external_id=body.text("orderMerchantExternalId", EXTERNAL_ID_LENGTH_MAX),
        metadata=body.text_map("metadata"),
        dark_mode=body.boolean("darkMode"),
        plan_change=change,
        with_trial=with_trial,
    )
    state.sessions[session.id] = session
    return session, tuple(Notice(f"{name} field ignored", "order") for name in body.unread())


def find_product(body: Body, state: State) -> Product:
    """The product that `productId` names. Raises `ApiError` (400, 404)."""
    product = state.products.get(body.required_id("productId", "PROD"))
    if product is None:
        raise ApiError(404, "Product not found", "product")
    if product.status != "active":
        raise ApiError(400, "Product is not active", "product")
    return product


def _subtotal(body: Body, product: Product, currency: str) -> Decimal:
    if currency not in PAYMENT_METHODS[product.kind]:
        raise ApiError(400, f"Currency {currency} is not supported for this product", "product")
    snapshot = body.nested("priceSnapshot")
    if snapshot is not None:
        amount, _ = snapshot.price(currency)
    elif currency in product.prices:
        amount = product.prices[currency]
    else:
        raise ApiError(400, f"Currency {currency} is not supported for this product", "product")
    if not amount:
        raise body.refuse("Invalid priceSnapshot.amount: expected more than zero")
    return amount


def _plan_change(body: Body, state: State, product: Product, currency: str, customer: str | None) -> PlanChange | None:
    origin_id = body.id("originOrderId", "ORD")
    if origin_id is None:
        return None
    order = state.orders.get(origin_id)
    if not isinstance(order, SubscriptionOrder):
        raise ApiError(404, "Subscription order not found", "order")
    if customer is not None and order.buyer_identity != customer:
        raise ApiError(403, "Subscription order does not belong to this credential", "order")
    if customer is not None and not state.settings.self_service_plan_change:
        raise ApiError(403, "Self-service plan change is not enabled for this product group", "order")
    if order.status not in RENEWING:
        raise body.refuse(f"Subscription plan cannot be changed, current status: {order.status}")
    if product.kind != "subscription" or product.id == order.product.id:
        raise body.refuse("The target plan must be a subscription product other than the current one")
    if currency != order.price.currency:
        raise body.refuse(f"Currency must match the subscription: {order.price.currency}")
    amount, credit = body.amount("changeAmount", currency), body.amount("changeCreditAmount", currency)
    if amount is not None and credit is not None:
        raise body.refuse("changeAmount and changeCreditAmount are mutually exclusive")
    timing = body.choice("changeTiming", ("immediate", "next_period"))
    return PlanChange(origin_order_id=order.id, timing=timing, amount=amount, credit=credit)


def _check_methods(body: Body, product: Product, currency: str) -> None:
    included = body.texts("includePaymentMethods", ANY_METHOD)
    excluded = body.texts("excludePaymentMethods", ANY_METHOD)
    if included is not None and excluded is not None:
        raise body.refuse("includePaymentMethods and excludePaymentMethods are mutually exclusive")
    offered = set(PAYMENT_METHODS[product.kind][currency])
    if included and not offered.issuperset(included):
        raise body.refuse(f"includePaymentMethods holds a method that {currency} does not support")
    if excluded and offered.issubset(excluded):
        raise body.refuse("excludePaymentMethods leaves no payment method")


def _success_url(body: Body) -> str | None:
    # http is accepted, and fails at payment.
    url = body.text("successUrl")
    if url is not None and not url.startswith(("https://", "http://")):
        raise body.refuse("Invalid successUrl: expected a URL")
    return url


def _billing_detail(body: Body) -> dict[str, object] | None:
    detail = body.nested("billingDetail")
    if detail is None:
        return None
    country = detail.required("country", 2)
    if len(country) != 2 or not country.isascii() or not country.isupper():  # noqa: PLR2004 - ISO 3166-1 alpha-2
        raise body.refuse("Invalid billingDetail.country: expected a 2-letter ISO 3166-1 country code")
    is_business = detail.boolean("isBusiness")
    if is_business is None:
        raise body.refuse("Missing required field: billingDetail.isBusiness")
    texts = {name: detail.text(name) for name in ("postcode", "state", "businessName", "taxId")}
    if country in ("US", "CA") and not (texts["postcode"] or texts["state"]):
        raise body.refuse(f"billingDetail.postcode or billingDetail.state is required for {country}")
    return {"country": country, "isBusiness": is_business, **{name: text for name, text in texts.items() if text}}
