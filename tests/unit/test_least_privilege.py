"""The judge of what handlers ask of DynamoDB lets nothing through that the template does not grant."""

import pytest

from tests.support.least_privilege import FUNCTIONS, TABLE, NotJudged, Touch, is_allowed, touches

NAMES = sorted(path.name for path in FUNCTIONS.iterdir() if list(path.glob("*.py")))
MONEY = ("CHECKOUT#chk_1", "ORDER#ORD_1", "PAYMENT#PAY_1", "REPORT#REVENUE#2026-03#0", "APIKEY#0")


@pytest.mark.parametrize("function", NAMES)
@pytest.mark.parametrize("action", ["GetItem", "PutItem", "UpdateItem", "DeleteItem"])
def test_only_who_guards_api_keys_touches_them_and_only_an_erasure_deletes_anything(function: str, action: str) -> None:
    allowed = {("api_key_authorizer", "GetItem"), ("api_key_authorizer", "UpdateItem")}
    allowed |= {
        (keeper, verb) for keeper in ("access", "operator_console") for verb in ("GetItem", "PutItem", "UpdateItem")
    }
    assert is_allowed("access", Touch("ConditionCheckItem", TABLE, "APIKEY#0"))
    assert not is_allowed("api_key_authorizer", Touch("ConditionCheckItem", TABLE, "APIKEY#0"))
    if function != "customer_data":
        assert is_allowed(function, Touch(action, TABLE, "APIKEY#0")) == ((function, action) in allowed)
    assert is_allowed(function, Touch("DeleteItem", TABLE, "CUSTOMER#ada")) == (function == "customer_data")


def test_who_guards_api_keys_has_no_hand_in_anything_else() -> None:
    for function in ("access", "api_key_authorizer"):
        for key in (*MONEY[:-1], "CUSTOMER#ada", "USAGE#ada#tokens#1", "DELIVERY#0"):
            assert not [
                action
                for action in ("GetItem", "PutItem", "UpdateItem", "Query")
                if is_allowed(function, Touch(action, TABLE, key))
            ]


@pytest.mark.parametrize("function", ["quota_check", "renewal_reset", "usage_recording"])
def test_who_meters_has_no_hand_in_money(function: str) -> None:
    assert is_allowed(function, Touch("UpdateItem", TABLE, "CUSTOMER#ada"))
    assert [key for key in MONEY if is_allowed(function, Touch("UpdateItem", TABLE, key))] == []


def test_who_sells_cannot_say_that_it_was_paid() -> None:
    allowed = [key for key in MONEY if is_allowed("overage_checkout", Touch("PutItem", TABLE, key))]
    assert allowed == ["CHECKOUT#chk_1"]
    assert not is_allowed("overage_checkout", Touch("Query", "listing", "DELIVERIES#parked"))


def test_who_has_waffo_give_money_back_credits_nothing_and_reads_no_webhooks() -> None:
    allowed = [key for key in MONEY if is_allowed("waffo_actions", Touch("PutItem", TABLE, key))]
    assert allowed == ["PAYMENT#PAY_1"]
    assert not is_allowed("waffo_actions", Touch("GetItem", TABLE, "DELIVERY#0"))
    assert not is_allowed("waffo_actions", Touch("UpdateItem", TABLE, "CUSTOMER#ada"))


def test_reports_only_query() -> None:
    month = "REPORT#REVENUE#2026-03#0"
    assert is_allowed("reports", Touch("Query", TABLE, month))
    assert not is_allowed("reports", Touch("UpdateItem", TABLE, month))
    assert not is_allowed("reports", Touch("Query", TABLE, "CUSTOMER#ada"))


def test_every_write_of_a_transaction_is_judged() -> None:
    writes = [
        {"Put": {"Item": {"PK": {"S": "A#1"}, "SK": {"S": "x"}}}},
        {"Update": {"Key": {"PK": {"S": "B#1"}, "SK": {"S": "x"}}}},
        {"ConditionCheck": {"Key": {"PK": {"S": "C#1"}, "SK": {"S": "x"}}}},
    ]
    assert list(touches("TransactWriteItems", {"TransactItems": writes})) == [
        Touch("PutItem", TABLE, "A#1"),
        Touch("UpdateItem", TABLE, "B#1"),
        Touch("ConditionCheckItem", TABLE, "C#1"),
    ]


def test_each_key_of_a_batch_of_reads_is_judged() -> None:
    keys = [{"PK": {"S": "A#1"}, "SK": {"S": "A"}}, {"PK": {"S": "B#1"}, "SK": {"S": "B"}}]
    wanted = {"RequestItems": {"t": {"Keys": keys}}}
    assert list(touches("BatchGetItem", wanted)) == [
        Touch("BatchGetItem", TABLE, "A#1"),
        Touch("BatchGetItem", TABLE, "B#1"),
    ]


def test_a_query_of_an_index_is_judged_by_the_indexs_own_partition() -> None:
    query = {
        "IndexName": "listing",
        "KeyConditionExpression": "listing = :listing",
        "ExpressionAttributeValues": {":listing": {"S": "CHECKOUTS#ada"}},
    }
    assert list(touches("Query", query)) == [Touch("Query", "listing", "CHECKOUTS#ada")]


@pytest.mark.parametrize("operation", ["Scan", "DeleteItem", "TransactGetItems"])
def test_what_cannot_be_judged_is_not_allowed(operation: str) -> None:
    with pytest.raises(NotJudged):
        list(touches(operation, {}))


def test_the_sweep_changes_balances_and_touches_no_usage_event() -> None:
    assert is_allowed("renewal_reset", Touch("Query", "due", "DUE#3"))
    assert is_allowed("renewal_reset", Touch("PutItem", TABLE, "CUSTOMER#ada"))
    for action in ("GetItem", "PutItem", "Query", "UpdateItem"):
        assert not is_allowed("renewal_reset", Touch(action, TABLE, "USAGE#ada#tokens#1"))


def test_issue_13_point_4_who_counts_open_deliveries_cannot_read_their_bodies() -> None:
    counting = Touch("Query", "listing", "DELIVERIES#parked", counts=True)
    assert is_allowed("renewal_reset", counting)
    assert not is_allowed("renewal_reset", Touch("Query", "listing", "DELIVERIES#parked"))


@pytest.mark.parametrize("function", NAMES)
def test_issue_13_point_4_only_who_applies_webhooks_reads_their_bodies(function: str) -> None:
    reads = [Touch("GetItem", TABLE, "DELIVERY#0"), Touch("Query", "listing", "DELIVERIES#applied")]
    can_read = any(is_allowed(function, touch) for touch in reads)
    assert can_read == (
        function
        in {"webhook_intake", "webhook_deliveries", "payments", "reconciliation", "customer_data", "operator_console"}
    )


def test_only_an_erasure_reads_the_table_from_end_to_end_and_sees_keys_alone() -> None:
    scan = {"Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "PK, SK", "FilterExpression": "customer_id = :id"}
    (keys,) = touches("Scan", scan)
    (bodies,) = touches("Scan", {**scan, "ProjectionExpression": "PK, headers"})
    assert keys.attributes == {"PK", "SK", "customer_id"}
    assert [name for name in NAMES if is_allowed(name, keys)] == ["customer_data"]
    assert not is_allowed("customer_data", bodies)
