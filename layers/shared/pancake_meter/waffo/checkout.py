"""What we ask of Waffo's checkout, and what it answers. Bounds are those of the official SDK's docs; a request beyond
them is refused here, with the field's wire name, before anything is sent.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pancake_meter.domain.selling.loopback import URL_LENGTH_MAX, is_loopback_url
from pancake_meter.value import Value, field, hiding
from pancake_meter.waffo.errors import InvalidRequest

TaxCategory = Literal[
    "digital_goods", "saas", "software", "ebook", "online_course", "consulting", "professional_service"
]
PaymentMethod = Literal["card", "applepay", "googlepay", "wechat"]
ChangeTiming = Literal["immediate", "next_period"]

CURRENCIES = frozenset({"USD", "EUR", "GBP", "HKD", "JPY", "CNY"})
"""What one-time orders take. Subscriptions take all but CNY, but only Waffo knows which kind a product is."""

LANGUAGES = frozenset(
    {"en", "en-HK", "en-KE", "en-NG", "es-CL", "es-CO", "es-MX", "es-PE", "id-ID", "ja-JP", "ko-KR", "ms-MY", "pl-PL"}
    | {"pt-BR", "ru-RU", "th-TH", "tr-TR", "vi-VN", "zh-Hans", "zh-Hans-HK", "zh-Hant-HK", "zh-Hant-TW"}
)

MAX_EXPIRES_IN_SECONDS = 7 * 24 * 3600
MAX_EXTERNAL_ID_LENGTH = 128
MAX_IDENTITY_LENGTH = 256
MAX_EMAIL_LENGTH = 254
MAX_METADATA_ENTRIES = 50
MAX_METADATA_KEY_LENGTH = 64
MAX_METADATA_VALUE_LENGTH = 512
MAX_BILLING_TEXT_LENGTH = 256

_SHORT_ID = re.compile(r"[A-Z]{2,5}_[0-9A-Za-z]{22}")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")
_COUNTRY = re.compile(r"[A-Z]{2}")


class PriceSnapshot(Value):
    """A price that overrides the product's: ``amount`` is a display string ("18.00" USD, "1800" JPY) in the session's
    currency.
    """

    amount: str
    tax_category: TaxCategory

    def __post_init__(self) -> None:
        """Refuse what Waffo refuses."""
        check_amount("priceSnapshot.amount", self.amount)
        _check_one_of("priceSnapshot.taxCategory", self.tax_category, get_args(TaxCategory))


class BillingDetail(Value, kw_only=True):
    """Pre-filled billing details. They restrict payment methods to that country: leave them out unless asked for."""

    country: str
    is_business: bool
    postcode: str | None = None
    state: str | None = None
    business_name: str | None = None
    tax_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what Waffo refuses."""
        if not _COUNTRY.fullmatch(self.country):
            raise InvalidRequest("billingDetail.country", "is not an ISO 3166-1 country code of two letters")
        for name, value in (
            ("postcode", self.postcode),
            ("state", self.state),
            ("businessName", self.business_name),
            ("taxId", self.tax_id),
        ):
            _check_length(f"billingDetail.{name}", value, MAX_BILLING_TEXT_LENGTH)


class NewPurchase(Value):
    """A purchase from scratch."""

    buyer_email: str | None = None
    billing_detail: BillingDetail | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be an address."""
        _check_length("buyerEmail", self.buyer_email, MAX_EMAIL_LENGTH)


class ChargeExactly(Value):
    """Charge this much for the change, tax included (``changeAmount``, a display string)."""

    amount: str


class Credit(Value):
    """Take this much off the change, tax included (``changeCreditAmount``, a display string)."""

    amount: str


class PlanChange(Value):
    """The session moves the subscription of ``origin_order_id`` to the session's product.

    E-mail and billing details come from that subscription. Without ``timing`` Waffo upgrades now and downgrades at the
    end of the period. There is at most one ``adjustment``: both kinds at once mean opposite things.
    """

    origin_order_id: str
    timing: ChangeTiming | None = None
    adjustment: ChargeExactly | Credit | None = None

    def __post_init__(self) -> None:
        """Refuse what Waffo refuses."""
        check_short_id("originOrderId", self.origin_order_id, "ORD")
        if self.timing is not None:
            _check_one_of("changeTiming", self.timing, get_args(ChangeTiming))
        if self.adjustment is not None:
            name = "changeAmount" if isinstance(self.adjustment, ChargeExactly) else "changeCreditAmount"
            check_amount(name, self.adjustment.amount)


class CreateSession(Value, kw_only=True):
    """One hosted checkout to be made. ``purchase`` says whether it is a new purchase or a plan change.

    ``external_id`` (``orderMerchantExternalId``) comes back on every event of the order, ``metadata`` as its
    ``orderMetadata``. ``success_url`` is https: Waffo accepts http and then fails when the customer pays. A
    simulator takes an address of this machine too.
    ``expires_in_seconds`` defaults to 2700 at Waffo. Who the customer is, is not said here: see
    ``WaffoClient.authenticated_checkout``.

    Raises:
        InvalidRequest: a field is beyond what Waffo takes.
    """

    product_id: str
    currency: str
    purchase: NewPurchase | PlanChange = field(default_factory=NewPurchase)
    price: PriceSnapshot | None = None
    with_trial: bool | None = None
    success_url: str | None = None
    expires_in_seconds: int | None = None
    dark_mode: bool | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    language: str | None = None
    include_payment_methods: tuple[PaymentMethod, ...] = ()
    exclude_payment_methods: tuple[PaymentMethod, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what Waffo refuses."""
        check_short_id("productId", self.product_id, "PROD")
        _check_one_of("currency", self.currency, CURRENCIES)
        _check_success_url(self.success_url)
        if self.expires_in_seconds is not None and not 1 <= self.expires_in_seconds <= MAX_EXPIRES_IN_SECONDS:
            raise InvalidRequest("expiresInSeconds", f"is not between 1 and {MAX_EXPIRES_IN_SECONDS}")
        _check_metadata(self.metadata)
        _check_length("orderMerchantExternalId", self.external_id, MAX_EXTERNAL_ID_LENGTH)
        if self.language is not None:
            _check_one_of("language", self.language, LANGUAGES)
        if self.include_payment_methods and self.exclude_payment_methods:
            raise InvalidRequest("includePaymentMethods", "excludes excludePaymentMethods")
        for method in self.include_payment_methods:
            _check_one_of("includePaymentMethods", method, get_args(PaymentMethod))
        for method in self.exclude_payment_methods:
            _check_one_of("excludePaymentMethods", method, get_args(PaymentMethod))

    def to_wire(self) -> dict[str, object]:
        """The JSON body of create-session. What is unset is absent, never null."""
        body: dict[str, object | None] = {
            "productId": self.product_id,
            "currency": self.currency,
            "priceSnapshot": None
            if self.price is None
            else {"amount": self.price.amount, "taxCategory": self.price.tax_category},
            "withTrial": self.with_trial,
            **_purchase_to_wire(self.purchase),
            "successUrl": self.success_url,
            "expiresInSeconds": self.expires_in_seconds,
            "darkMode": self.dark_mode,
            "metadata": dict(self.metadata) or None,
            "orderMerchantExternalId": self.external_id,
            "language": self.language,
            "includePaymentMethods": list(self.include_payment_methods) or None,
            "excludePaymentMethods": list(self.exclude_payment_methods) or None,
        }
        return _present(body)


@hiding("token")
class SessionToken(Value):
    """Proof to the checkout page of who the customer is. It lives five minutes and is a secret of the customer's."""

    token: str
    expires_at: datetime


class CheckoutSession(Value):
    """A hosted checkout page. The bare ``checkout_url`` sells to whoever opens it: hand it out with a token."""

    session_id: str
    checkout_url: str
    expires_at: datetime


@hiding("url")
class AuthenticatedCheckout(Value):
    """A checkout bound to our customer.

    ``url`` carries the token, so it is good for five minutes (``token_expires_at``); the session itself lives until
    ``expires_at``. For a later click, issue a new token and put it on ``checkout_url`` with ``url_with_token``.
    """

    session_id: str
    url: str
    expires_at: datetime
    checkout_url: str
    token_expires_at: datetime


class CanceledOrder(Value):
    """What a cancel led to: ``canceled`` at once, ``canceling`` at the end of the period. A reactivation: ``active``."""

    order_id: str
    status: str


class RefundTicket(Value):
    """A refund that Waffo was asked for. Its ``status`` is Waffo's word for how far it is; money moves later."""

    id: str
    status: str


def url_with_token(checkout_url: str, token: SessionToken, *, is_test: bool = False) -> str:
    """The URL to send the customer to. The token is in the fragment, which browsers do not send to servers.

    ``is_test``: the session is of test mode. Its page then wants ``test=true``, a plan change's not to be missing.
    """
    parts = urlsplit(checkout_url)
    query = parts.query
    if is_test and "test" not in dict(parse_qsl(query, keep_blank_values=True)):
        query = f"{query}&test=true" if query else "test=true"
    return urlunsplit(parts._replace(query=query, fragment=f"token={token.token}"))


def check_short_id(name: str, value: str, prefix: str) -> None:
    """Check that ``value`` is a Waffo id of one kind: its prefix, ``_`` and 22 letters and digits.

    Raises:
        InvalidRequest: it is not.
    """
    if not _SHORT_ID.fullmatch(value) or not value.startswith(f"{prefix}_"):
        raise InvalidRequest(name, f"is not {prefix}_ and 22 letters or digits")


def check_identity(value: str) -> None:
    """Check that ``value`` can name a customer to Waffo.

    Raises:
        InvalidRequest: it is blank, or longer than comes back whole.
    """
    if not value.strip():
        raise InvalidRequest("buyerIdentity", "is empty")
    _check_length("buyerIdentity", value, MAX_IDENTITY_LENGTH)


def check_amount(name: str, value: str) -> None:
    """Check that ``value`` is a display string of money.

    Raises:
        InvalidRequest: it is not.
    """
    if not _AMOUNT.fullmatch(value):
        raise InvalidRequest(name, "is not an amount in display form, such as 18.00")


def _purchase_to_wire(purchase: NewPurchase | PlanChange) -> dict[str, object | None]:
    match purchase:
        case NewPurchase(buyer_email, billing_detail):
            return {"buyerEmail": buyer_email, "billingDetail": _billing_to_wire(billing_detail)}
        case PlanChange(origin_order_id, timing, adjustment):
            return {
                "originOrderId": origin_order_id,
                "changeTiming": timing,
                "changeAmount": adjustment.amount if isinstance(adjustment, ChargeExactly) else None,
                "changeCreditAmount": adjustment.amount if isinstance(adjustment, Credit) else None,
            }


def _billing_to_wire(detail: BillingDetail | None) -> dict[str, object] | None:
    if detail is None:
        return None
    return _present(
        {
            "country": detail.country,
            "isBusiness": detail.is_business,
            "postcode": detail.postcode,
            "state": detail.state,
            "businessName": detail.business_name,
            "taxId": detail.tax_id,
        }
    )


def _present(body: Mapping[str, object | None]) -> dict[str, object]:
    return {name: value for name, value in body.items() if value is not None}


def _check_one_of(name: str, value: str, allowed: frozenset[str] | tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidRequest(name, f"is none of {', '.join(sorted(allowed))}")


def _check_length(name: str, value: str | None, longest: int) -> None:
    if value is not None and not 1 <= len(value) <= longest:
        raise InvalidRequest(name, f"is not of 1 to {longest} characters")


def _check_success_url(url: str | None) -> None:
    if url is None:
        return
    _check_length("successUrl", url, URL_LENGTH_MAX)
    if is_loopback_url(url):
        return
    try:
        parts = urlsplit(url)
        is_https = parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        is_https = False
    if not is_https:
        raise InvalidRequest("successUrl", "is not an https URL")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise InvalidRequest("metadata", f"has more than {MAX_METADATA_ENTRIES} entries")
    for key, value in metadata.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY_LENGTH or len(value) > MAX_METADATA_VALUE_LENGTH:
            raise InvalidRequest(
                "metadata",
                f"has a key beyond {MAX_METADATA_KEY_LENGTH} or a value beyond {MAX_METADATA_VALUE_LENGTH} characters",
            )
