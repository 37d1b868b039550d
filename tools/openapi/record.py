"""Records the examples of answers: lives a customer's life on a local stack, and writes answers.json from what it answered.

Usage: ``python -m tools.openapi.record '<the JSON of make run's ready line>'``. The stack has to be fresh. Keys, tokens and
addresses of that stack are replaced by made-up ones; ids and instants are as it gave them.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx

from tools.cfn_template import ROOT
from tools.openapi.examples import ANSWERS
from tools.openapi.rooms import DESCRIBED

CUSTOMER: Final = "acct_1001"
_C: Final = "/v1/customers/{customer_id}"
_MADE_UP: Final = (
    (re.compile(r"pm_test_[0-9A-Za-z]+"), "pm_test_00000000000000000000000000000000000000"),
    (re.compile(r"whsec_[0-9A-Za-z+/=]+"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    (re.compile(r"http://127\.0\.0\.1:9/alerts"), "https://hooks.example.com/pancake"),
    (re.compile(r"http://[^/\"]+/buy/[^\"]+"), "https://api.example.com/buy/WyJhY2N0XzEwMDEiXQ.c2lnbmF0dXJl"),
    (re.compile(r"http://[^/\"]+/store/[^\"]+"), "https://checkout.example.com/session/cs_7Yq2"),
    (re.compile(r"http://[^/\"]+/checkout/[^\"]+"), "https://checkout.example.com/session/cs_7Yq2"),
    (re.compile(r"eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+"), "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"),
)
_TRIES: Final = 100
_ITEMS_SHOWN: Final = 3
"""Of an export's page; the rest is more of the same."""


class Recorder:
    """A caller of a stack that keeps the answers it is told to keep."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        self.answers: list[dict[str, Any]] = []
        headers = {"Authorization": f"Bearer {ready['api_key']}", "Content-Type": "application/json"}
        self._api = httpx.Client(base_url=ready["api_url"], headers=headers, timeout=60)
        self._waffo = httpx.Client(base_url=ready["waffo_url"], timeout=60)

    def ask(self, key: str, /, parts: Mapping[str, str] | None = None, **request: Any) -> httpx.Response:
        """Call a route by its key (``GET /v1/plans``), for the customer where nobody else is named."""
        method, _, path = key.partition(" ")
        return self._api.request(method, path.format(**{"customer_id": CUSTOMER, **(parts or {})}), **request)

    def keep(self, name: str, status: int, key: str, /, parts: Mapping[str, str] | None = None, **request: Any) -> Any:
        """Call a route and keep the answer under this name; return its body. Raises `ValueError` for another status."""
        answer = self.ask(key, parts, **request)
        if answer.status_code != status:
            raise ValueError(f"{name}: {key} answered {answer.status_code} in place of {status}: {answer.text}")
        shown = answer.text
        for pattern, made_up in _MADE_UP:
            shown = pattern.sub(made_up, shown)
        content_type = answer.headers["content-type"].partition(";")[0]
        kept = {"operation": DESCRIBED[key].name, "status": status, "content_type": content_type, "name": name}
        self.answers.append({**kept, "body": json.loads(shown)})
        return answer.json()

    def wait_for(self, key: str, has_come: Callable[[Any], bool]) -> None:
        """Wait until a route answers what follows from the table's stream. Raises `LookupError` when it does not."""
        for _ in range(_TRIES):
            if has_come(self.ask(key).json()):
                return
            time.sleep(0.5)
        raise LookupError(f"{key}: the stream was not read in time")

    def session_of(self, checkout_id: str) -> str:
        """Return the session that the simulator has for a checkout."""
        sessions = self._waffo.get("/_sim/state").raise_for_status().json()["sessions"]
        return next(str(each["id"]) for each in sessions if each["external_id"] == checkout_id)

    def simulate(self, path: str, **body: Any) -> Any:
        """Let the simulator of Waffo do something, and wait until its webhooks have arrived."""
        answer = self._waffo.post(f"/_sim/{path}", json=body).raise_for_status().json()
        self._waffo.post("/_sim/flush", json={}).raise_for_status()
        return answer


def live(recorder: Recorder) -> None:
    """Live the life: a free customer who is refused, subscribes, goes over, pays, and is erased."""
    keep = recorder.keep
    _use(recorder)
    _buy(recorder)
    _support(recorder)
    _operate(recorder)
    _hear(recorder)
    _give_access(recorder)
    keep("page", HTTPStatus.OK, f"GET {_C}/export")
    del recorder.answers[-1]["body"]["items"][_ITEMS_SHOWN:]
    keep("nothing_kept", HTTPStatus.NOT_FOUND, f"DELETE {_C}", {"customer_id": "acct_1000"})
    for _ in range(_TRIES):
        if recorder.ask(f"DELETE {_C}").status_code == HTTPStatus.OK:
            break
    keep("erased", HTTPStatus.OK, f"DELETE {_C}")
    keep(
        "customer_erased", HTTPStatus.GONE, f"POST {_C}/holds", json={"meter": "tokens", "quantity": 1, "id": "call-9"}
    )


def _use(recorder: Recorder) -> None:
    keep, holds = recorder.keep, f"POST {_C}/holds"
    keep("every_meter", HTTPStatus.OK, f"GET {_C}/quota")
    tokens = {"meter": "tokens"}
    keep("one_meter", HTTPStatus.OK, f"GET {_C}/quota/{{meter}}", tokens)
    keep("too_much", HTTPStatus.PAYMENT_REQUIRED, f"GET {_C}/quota/{{meter}}", tokens, params={"amount": 20_000})
    keep("unknown_meter", HTTPStatus.NOT_FOUND, f"GET {_C}/quota/{{meter}}", {"meter": "gold"})
    hold = {"meter": "tokens", "quantity": 4_000, "id": "call-7f3a"}
    placed = keep("placed", HTTPStatus.CREATED, holds, json=hold)
    keep("placed_before", HTTPStatus.OK, holds, json=hold)
    keep("conflict", HTTPStatus.CONFLICT, holds, json={**hold, "quantity": 5_000})
    keep("refused", HTTPStatus.PAYMENT_REQUIRED, holds, json={**hold, "quantity": 9_000, "id": "call-8"})
    keep(
        "wrong_fields", HTTPStatus.UNPROCESSABLE_ENTITY, holds, json={"meter": "tokens", "quantity": 0, "idd": "call-8"}
    )
    keep("malformed", HTTPStatus.BAD_REQUEST, holds, content=b"{")
    held = {"hold_id": placed["hold_id"]}
    keep("settled", HTTPStatus.OK, f"POST {_C}/holds/{{hold_id}}/settle", held, json={"quantity": 3_120})
    keep("not_held", HTTPStatus.OK, f"DELETE {_C}/holds/{{hold_id}}", held)
    other = recorder.ask(holds, json={**hold, "id": "call-8"}).json()
    keep("released", HTTPStatus.OK, f"DELETE {_C}/holds/{{hold_id}}", {"hold_id": other["hold_id"]})
    event = {"id": "req-1", "customer_id": CUSTOMER, "meter": "tokens", "quantity": 1_200}
    keep("counted", HTTPStatus.OK, "POST /v1/usage", json={"events": [event]})
    some = [{**event, "id": "req-2"}, {**event, "id": "req-3", "quantity": -1}]
    keep("some_refused", HTTPStatus.MULTI_STATUS, "POST /v1/usage", json={"events": some})
    lines = "\n".join(json.dumps({**event, "id": f"bulk-{n}"}) for n in range(2))
    keep("accepted", HTTPStatus.ACCEPTED, "POST /v1/usage/bulk", content=lines, headers=_ndjson())
    keep("usage", HTTPStatus.OK, f"GET {_C}/usage", params={"meter": "tokens"})
    keep("ledger", HTTPStatus.OK, f"GET {_C}/ledger", params={"meter": "tokens"})


def _buy(recorder: Recorder) -> None:
    keep, checkouts = recorder.keep, f"POST {_C}/checkouts"
    keep("for_sale", HTTPStatus.OK, "GET /v1/plans")
    keep("nothing_owed", HTTPStatus.CONFLICT, checkouts, json={"meter": "tokens", "kind": "overage"})
    wanted = {"meter": "tokens", "quantity": 100_000}
    opened = keep("opened", HTTPStatus.CREATED, checkouts, json=wanted)
    keep("opened_before", HTTPStatus.OK, checkouts, json=wanted)
    keep("checkout", HTTPStatus.OK, f"GET {_C}/checkouts/{{checkout_id}}", {"checkout_id": opened["checkout_id"]})
    keep("page", HTTPStatus.OK, f"GET {_C}/checkouts")
    _pay_twice(recorder, opened["checkout_id"])
    # A month on the plan that may go over, and what is owed for it.
    order = {"order_id": recorder.simulate("subscriptions", product="Pro", buyer_identity=CUSTOMER)["id"]}
    over = {"id": "req-4", "customer_id": CUSTOMER, "meter": "tokens", "quantity": 1_200_000}
    recorder.ask("POST /v1/usage", json={"events": [over]})
    recorder.simulate("clock", advance_seconds=31 * 24 * 3600)
    forgiven = {"id": "goodwill-42", "quantity": 350}
    keep("forgiven", HTTPStatus.OK, f"POST {_C}/overage/{{meter}}/forgive", {"meter": "tokens"}, json=forgiven)
    subscription = f"{_C}/subscriptions/{{order_id}}"
    keep("canceling", HTTPStatus.OK, f"POST {subscription}/cancel", order, json=_event("subscription_cancel"))
    keep("active_again", HTTPStatus.OK, f"POST {subscription}/reactivate", order)
    keep("wrong_state", HTTPStatus.CONFLICT, f"POST {subscription}/reactivate", order)


def _pay_twice(recorder: Recorder, checkout_id: str) -> None:
    """The buyer pays a checkout a second time; the operator says what that is, and gives a part of it back."""
    keep = recorder.keep
    session_id = recorder.session_of(checkout_id)
    recorder.simulate(f"checkout/{session_id}/pay", buyer_identity=CUSTOMER)
    paid = recorder.simulate(f"checkout/{session_id}/pay", buyer_identity=CUSTOMER, again=True)
    flagged = keep("flagged", HTTPStatus.OK, "GET /v1/payments", params={"status": "flagged"})["payments"]
    payment = {"payment_id": next(each["payment_id"] for each in flagged if each["order_id"] == paid["id"])}
    refund, resolve = "POST /v1/payments/{payment_id}/refund", "POST /v1/payments/{payment_id}/resolve"
    decided = {
        "id": "case-1041",
        "reason": "Meant as another pack",
        "as": "units",
        "meter": "tokens",
        "quantity": 50_000,
    }
    keep("as_units", HTTPStatus.OK, resolve, payment, json=decided)
    keep("nothing_to_decide", HTTPStatus.CONFLICT, resolve, payment, json={**decided, "id": "case-1042"})
    keep("asked", HTTPStatus.CREATED, refund, payment, json=_event("payment_refund"))
    keep("too_much", HTTPStatus.CONFLICT, refund, payment, json={"id": "case-1044", "reason": "all", "amount": "9.00"})
    keep("payment", HTTPStatus.OK, "GET /v1/payments/{payment_id}", payment)


def _support(recorder: Recorder) -> None:
    keep = recorder.keep
    gift = {"id": "welcome-42", "meter": "tokens", "quantity": 250, "reason": "sorry for the outage"}
    given = keep("given", HTTPStatus.CREATED, f"POST {_C}/grants", json=gift)
    keep("grants", HTTPStatus.OK, f"GET {_C}/grants", params={"meter": "tokens"})
    keep("voided", HTTPStatus.OK, f"POST {_C}/grants/{{grant_id}}/void", {"grant_id": given["id"]})
    keep("blocked", HTTPStatus.OK, f"POST {_C}/block", json=_event("customer_block"))
    keep("open_again", HTTPStatus.OK, f"POST {_C}/unblock")
    keep("set", HTTPStatus.OK, f"PUT {_C}/limits", json=_event("limits_set"))
    keep("limits", HTTPStatus.OK, f"GET {_C}/limits", params={"meter": "tokens"})
    recorder.ask(f"PUT {_C}/limits", json={"meter": "tokens", "overage_cap": None, "spend_cap": None})
    keep("customer", HTTPStatus.OK, f"GET {_C}")
    recorder.wait_for("GET /v1/customers", lambda page: bool(page["customers"]))
    keep("page", HTTPStatus.OK, "GET /v1/customers", params={"plan": "pro"})
    recorder.wait_for("GET /v1/reports/subscriptions", lambda report: bool(report["mrr"]))
    keep("today", HTTPStatus.OK, "GET /v1/reports/live", params={"days": 2})
    keep("standing", HTTPStatus.OK, "GET /v1/reports/subscriptions", params={"months": 1})


def _operate(recorder: Recorder) -> None:
    keep = recorder.keep
    page = keep("page", HTTPStatus.OK, "GET /v1/deliveries", params={"verdict": "applied", "limit": 2})
    applied = {"delivery_id": page["deliveries"][0]["delivery_id"]}
    keep("applied", HTTPStatus.OK, "GET /v1/deliveries/{delivery_id}", applied)
    keep("unknown", HTTPStatus.NOT_FOUND, "GET /v1/deliveries/{delivery_id}", {"delivery_id": "0" * 64})
    keep(
        "not_open", HTTPStatus.CONFLICT, "POST /v1/deliveries/{delivery_id}/dismiss", applied, json={"reason": "twice"}
    )
    parked = {"delivery_id": _parked_delivery(recorder)}
    keep("still_parked", HTTPStatus.OK, "POST /v1/deliveries/{delivery_id}/replay", parked)
    keep("assigned", HTTPStatus.OK, "POST /v1/deliveries/{delivery_id}/assign", parked, json={"customer_id": CUSTOMER})
    parked = {"delivery_id": _parked_delivery(recorder)}
    reason = {"reason": "a test of ours"}
    keep("dismissed", HTTPStatus.OK, "POST /v1/deliveries/{delivery_id}/dismiss", parked, json=reason)
    keep("dry_run", HTTPStatus.OK, "POST /v1/reconciliations", params={"dry_run": "true"})
    keep("report", HTTPStatus.OK, "POST /v1/reconciliations")
    call = _event("usage_litellm")
    keep("calls", HTTPStatus.OK, "POST /v1/usage/litellm", json=call)
    nobodys = [{**call[0], "id": f"nobodys-{n}", "metadata": {}} for n in range(2)]
    recorder.ask("POST /v1/usage/litellm", json=nobodys)
    waiting = keep("page", HTTPStatus.OK, "GET /v1/usage/parked")["parked"]
    replayed, dismissed = ({"parked_id": each["id"]} for each in waiting[:2])
    keep("still_parked", HTTPStatus.OK, "POST /v1/usage/parked/{parked_id}/replay", replayed)
    keep("dismissed", HTTPStatus.OK, "POST /v1/usage/parked/{parked_id}/dismiss", dismissed, json=reason)
    month = page["deliveries"][0]["received_at"][:7]
    keep("month", HTTPStatus.OK, "GET /v1/reports/revenue", params={"month": month})
    keep("page", HTTPStatus.OK, "GET /v1/reports/revenue/customers", params={"month": month})
    keep("month", HTTPStatus.OK, "GET /v1/reports/usage", params={"month": month})


def _hear(recorder: Recorder) -> None:
    """An endpoint that nobody answers at, a test of it, and what rang meanwhile."""
    keep = recorder.keep
    made = keep("made", HTTPStatus.CREATED, "POST /v1/alert-endpoints", json={"url": "http://127.0.0.1:9/alerts"})
    endpoint = {"endpoint_id": made["endpoint_id"]}
    keep("page", HTTPStatus.OK, "GET /v1/alert-endpoints")
    keep("endpoint", HTTPStatus.OK, "GET /v1/alert-endpoints/{endpoint_id}", endpoint)
    change = {"events": ["quota.refused", "quota.threshold_reached"], "description": "the mailer"}
    keep("changed", HTTPStatus.OK, "PATCH /v1/alert-endpoints/{endpoint_id}", endpoint, json=change)
    keep("rotated", HTTPStatus.CREATED, "POST /v1/alert-endpoints/{endpoint_id}/rotate", endpoint, json={})
    keep("rung", HTTPStatus.ACCEPTED, "POST /v1/alert-endpoints/{endpoint_id}/test", endpoint)
    recorder.wait_for(
        "GET /v1/alerts", lambda page: any(each["data"].get("customer_id") == CUSTOMER for each in page["alerts"])
    )
    page = keep("page", HTTPStatus.OK, "GET /v1/alerts", params={"customer_id": CUSTOMER, "limit": 2})
    alert = {"alert_id": page["alerts"][0]["id"]}
    keep("alert", HTTPStatus.OK, "GET /v1/alerts/{alert_id}", alert)
    keep("sent_again", HTTPStatus.ACCEPTED, "POST /v1/alerts/{alert_id}/replay", alert, json=endpoint)
    keep("removed", HTTPStatus.OK, "DELETE /v1/alert-endpoints/{endpoint_id}", endpoint)


def _give_access(recorder: Recorder) -> None:
    keep = recorder.keep
    keep("made", HTTPStatus.CREATED, f"POST {_C}/tokens", json={"scopes": ["read", "buy"], "lifetime_seconds": 900})
    keep("own", HTTPStatus.OK, "GET /v1/key")
    made = keep("made", HTTPStatus.CREATED, "POST /v1/keys", json={"name": "litellm-proxy", "roles": ["meter"]})
    key = {"key_id": made["key_id"]}
    keep("rotated", HTTPStatus.CREATED, "POST /v1/keys/{key_id}/rotate", key, json={"overlap_seconds": 3600})
    keep("page", HTTPStatus.OK, "GET /v1/keys")
    keep("revoked", HTTPStatus.OK, "DELETE /v1/keys/{key_id}", key)


def _parked_delivery(recorder: Recorder) -> str:
    """Have Waffo send an event of nobody; return the id of its delivery."""
    recorder.simulate("subscriptions", product="Starter", buyer_identity=None)
    for _ in range(_TRIES):
        parked = recorder.ask("GET /v1/deliveries", params={"verdict": "parked"}).json()["deliveries"]
        if parked:
            return str(parked[0]["delivery_id"])
        time.sleep(0.1)
    raise LookupError("no delivery was parked")


def _event(name: str) -> Any:
    return json.loads(json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))["body"])


def _ndjson() -> dict[str, str]:
    return {"Content-Type": "application/x-ndjson"}


def main(arguments: Sequence[str]) -> int:
    """Record on the stack whose ready line is given; return the exit status."""
    (ready,) = arguments
    recorder = Recorder(json.loads(ready.removeprefix("ready ")))
    live(recorder)
    ANSWERS.write_text(json.dumps(recorder.answers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(recorder.answers)} answers; run `make openapi`")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
