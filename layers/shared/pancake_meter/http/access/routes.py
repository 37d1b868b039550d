"""The one table of routes: which function answers each, and who may call it.

The authorizer decides from this table, and refuses a route that is not in it. ``docs/openapi.json`` and the table in
``docs/access.md`` are made from it. A test compares ``template.yaml`` with it, so a route that is not in it does not deploy.
"""

from collections.abc import Mapping
from typing import Final, Literal

from pancake_meter.domain.access.customer_token import SCOPES, Scope
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.value import Value

Door = Literal["bearer", "link", "portal", "console", "browser"]


class Route(Value):
    """One route of the HTTP API. ``function`` is its folder in ``functions/``.

    ``door`` says what opens it. Through ``bearer``, a key with any of the ``roles`` does, and so does a customer token with
    the ``scope`` for its own customer: the authorizer decides. The other doors are open to all who come, and their functions
    read what is shown there: a sealed ``link``, a session of the ``portal`` or the ``console``. ``throttle`` is the
    parameter of the template that limits its requests a second, where it has a limit of its own.
    """

    method: str
    path: str
    function: str
    roles: frozenset[Role] = frozenset()
    scope: Scope | None = None
    door: Door = "bearer"
    throttle: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the authorizer is not asked."""
        return self.door != "bearer"

    @property
    def is_of_the_api(self) -> bool:
        """Whether programs call it, so that the OpenAPI document has it. A browser asks for pages and preflights itself."""
        return self.door in ("bearer", "link")

    @property
    def key(self) -> str:
        """What API Gateway calls ``routeKey``."""
        return f"{self.method} {self.path}"


_CUSTOMER: Final = "/v1/customers/{customer_id}"
_METER: Final = frozenset[Role]({"meter"})
_SELL: Final = frozenset[Role]({"sell"})
_REPORT: Final = frozenset[Role]({"report"})
_OPERATE: Final = frozenset[Role]({"operate"})
_ADMIN: Final = frozenset[Role]({"admin"})

# An operator looks at what a customer has, used and bought.
_READ_BALANCE: Final = _METER | _OPERATE
_READ_CHECKOUTS: Final = _SELL | _OPERATE
_MINT: Final = _METER | _SELL | _OPERATE

ROUTES: Final = (
    Route("GET", f"{_CUSTOMER}/quota", "quota_check", _READ_BALANCE, "read"),
    Route("GET", f"{_CUSTOMER}/quota/{{meter}}", "quota_check", _READ_BALANCE, "read"),
    Route("POST", f"{_CUSTOMER}/holds", "quota_check", _METER, "hold"),
    Route("POST", f"{_CUSTOMER}/holds/{{hold_id}}/settle", "quota_check", _METER, "hold"),
    Route("DELETE", f"{_CUSTOMER}/holds/{{hold_id}}", "quota_check", _METER, "hold"),
    Route("GET", f"{_CUSTOMER}/usage", "quota_check", _READ_BALANCE, "read"),
    Route("GET", f"{_CUSTOMER}/ledger", "quota_check", _READ_BALANCE, "read"),
    Route("POST", "/v1/usage", "usage_recording", _METER),
    Route("POST", "/v1/usage/bulk", "usage_bulk", _METER),
    Route("POST", "/v1/usage/litellm", "usage_recording", _METER),
    Route("POST", "/api/v1/events", "usage_recording", _METER),
    Route("GET", "/v1/usage/parked", "usage_recording", _OPERATE),
    Route("POST", "/v1/usage/parked/{parked_id}/replay", "usage_recording", _OPERATE),
    Route("POST", "/v1/usage/parked/{parked_id}/dismiss", "usage_recording", _OPERATE),
    Route("POST", "/v1/usage/healings", "usage_healing", _OPERATE),
    Route("POST", f"{_CUSTOMER}/checkouts", "overage_checkout", _SELL, "buy"),
    Route("GET", f"{_CUSTOMER}/checkouts", "overage_checkout", _READ_CHECKOUTS, "read"),
    Route("GET", f"{_CUSTOMER}/checkouts/{{checkout_id}}", "overage_checkout", _READ_CHECKOUTS, "read"),
    Route("GET", "/v1/plans", "overage_checkout", _READ_CHECKOUTS, "read"),
    Route("POST", f"{_CUSTOMER}/overage/{{meter}}/forgive", "overage_checkout", _OPERATE),
    Route("POST", f"{_CUSTOMER}/grants", "customer_controls", _OPERATE),
    Route("GET", f"{_CUSTOMER}/grants", "customer_controls", _READ_BALANCE),
    Route("POST", f"{_CUSTOMER}/grants/{{grant_id}}/void", "customer_controls", _OPERATE),
    Route("POST", f"{_CUSTOMER}/block", "customer_controls", _OPERATE),
    Route("POST", f"{_CUSTOMER}/unblock", "customer_controls", _OPERATE),
    Route("GET", f"{_CUSTOMER}/limits", "customer_controls", _READ_BALANCE, "read"),
    # What may be spent goes with what may be bought. The operator's caps ask for the role operate besides.
    Route("PUT", f"{_CUSTOMER}/limits", "customer_controls", _SELL | _OPERATE, "buy"),
    Route("GET", f"{_CUSTOMER}/export", "customer_data", _OPERATE),
    Route("DELETE", _CUSTOMER, "customer_data", _OPERATE),
    Route("GET", "/v1/customers", "customers", _OPERATE),
    Route("GET", _CUSTOMER, "customers", _OPERATE),
    Route("GET", "/v1/deliveries", "webhook_deliveries", _OPERATE),
    Route("GET", "/v1/deliveries/{delivery_id}", "webhook_deliveries", _OPERATE),
    Route("POST", "/v1/deliveries/{delivery_id}/replay", "webhook_deliveries", _OPERATE),
    Route("POST", "/v1/deliveries/{delivery_id}/assign", "webhook_deliveries", _OPERATE),
    Route("POST", "/v1/deliveries/{delivery_id}/dismiss", "webhook_deliveries", _OPERATE),
    Route("GET", "/v1/alerts", "alerts", _OPERATE),
    Route("GET", "/v1/alerts/{alert_id}", "alerts", _OPERATE),
    Route("POST", "/v1/alerts/{alert_id}/replay", "alerts", _OPERATE),
    Route("GET", "/v1/alert-endpoints", "alerts", _OPERATE),
    Route("POST", "/v1/alert-endpoints", "alerts", _OPERATE),
    Route("GET", "/v1/alert-endpoints/{endpoint_id}", "alerts", _OPERATE),
    Route("PATCH", "/v1/alert-endpoints/{endpoint_id}", "alerts", _OPERATE),
    Route("DELETE", "/v1/alert-endpoints/{endpoint_id}", "alerts", _OPERATE),
    Route("POST", "/v1/alert-endpoints/{endpoint_id}/rotate", "alerts", _OPERATE),
    Route("POST", "/v1/alert-endpoints/{endpoint_id}/test", "alerts", _OPERATE),
    Route("GET", "/v1/payments", "payments", _OPERATE),
    Route("GET", "/v1/payments/{payment_id}", "payments", _OPERATE),
    Route("POST", "/v1/payments/{payment_id}/resolve", "payments", _OPERATE),
    Route("POST", "/v1/payments/{payment_id}/refund", "waffo_actions", _OPERATE),
    Route("POST", f"{_CUSTOMER}/subscriptions/{{order_id}}/cancel", "waffo_actions", _OPERATE),
    Route("POST", f"{_CUSTOMER}/subscriptions/{{order_id}}/reactivate", "waffo_actions", _OPERATE),
    Route("POST", "/v1/reconciliations", "reconciliation", _OPERATE),
    Route("GET", "/v1/reports/revenue", "reports", _REPORT),
    Route("GET", "/v1/reports/revenue/customers", "reports", _REPORT),
    Route("GET", "/v1/reports/usage", "reports", _REPORT),
    Route("GET", "/v1/reports/live", "reports", _REPORT),
    Route("GET", "/v1/reports/subscriptions", "reports", _REPORT),
    Route("POST", f"{_CUSTOMER}/tokens", "access", _MINT),
    Route("GET", "/v1/key", "access", frozenset(ROLES)),
    Route("GET", "/v1/keys", "access", _ADMIN),
    Route("POST", "/v1/keys", "access", _ADMIN),
    Route("POST", "/v1/keys/{key_id}/rotate", "access", _ADMIN),
    Route("DELETE", "/v1/keys/{key_id}", "access", _ADMIN),
    # A browser asks before it sends a customer token. The answer is made from this table, for the routes with a scope.
    Route("OPTIONS", f"{_CUSTOMER}/{{proxy+}}", "access", door="browser"),
    Route("OPTIONS", "/v1/plans", "access", door="browser"),
    # Pages for people. A purchase link is its own key; the portal and the console have sessions, which their functions read.
    Route("GET", "/buy/{token}", "customer_pages", door="link", throttle="BuyThrottlingRateLimit"),
    Route("HEAD", "/buy/{token}", "customer_pages", door="link", throttle="BuyThrottlingRateLimit"),
    Route("POST", "/buy/{token}", "customer_pages", door="link", throttle="BuyThrottlingRateLimit"),
    Route("GET", "/buy/{token}/paid", "customer_pages", door="link"),
    Route("GET", "/assets/{name}", "customer_pages", door="browser"),
    Route("GET", "/portal", "customer_pages", door="portal"),
    Route("HEAD", "/portal", "customer_pages", door="portal"),
    Route("GET", "/portal/{proxy+}", "customer_pages", door="portal"),
    Route("HEAD", "/portal/{proxy+}", "customer_pages", door="portal"),
    Route("POST", "/portal/{proxy+}", "customer_pages", door="portal"),
    Route("GET", "/console", "operator_console", door="console"),
    Route("GET", "/console/{proxy+}", "operator_console", door="console"),
    Route("POST", "/console/{proxy+}", "operator_console", door="console", throttle="BuyThrottlingRateLimit"),
)

ROUTE_OF_KEY: Final[Mapping[str, Route]] = {route.key: route for route in ROUTES}


def scopes_of(roles: frozenset[Role]) -> frozenset[Scope]:
    """Return the scopes that a key may give to a token: those whose routes it may all call itself."""
    return frozenset(scope for scope in SCOPES if all(route.roles & roles for route in ROUTES if route.scope == scope))


def browser_methods(path: str) -> tuple[str, ...]:
    """Return the methods that a customer token opens at a path as it was asked for; none where it opens nothing."""
    return tuple(route.method for route in ROUTES if route.scope is not None and _covers(route.path, path))


def _covers(template: str, path: str) -> bool:
    wanted, parts = template.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        bool(part) if each.startswith("{") else part == each for each, part in zip(wanted, parts, strict=True)
    )
