"""House rules for template.yaml that no linter knows."""

import re
from datetime import timedelta
from typing import Any

import pytest

from pancake_meter.usecases.usage.forward import PATIENCE
from tests.support.least_privilege import TABLE_ARN, grants_of, statements_of
from tools.cfn_template import load_template

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS: dict[str, Any] = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
CUSTOMER = "/v1/customers/{customer_id}"
ROUTES = {
    "QuotaCheckFunction": {
        f"GET {CUSTOMER}/quota",
        f"GET {CUSTOMER}/quota/{{meter}}",
        f"POST {CUSTOMER}/holds",
        f"DELETE {CUSTOMER}/holds/{{hold_id}}",
        f"POST {CUSTOMER}/holds/{{hold_id}}/settle",
        f"GET {CUSTOMER}/usage",
        f"GET {CUSTOMER}/ledger",
    },
    "UsageBulkFunction": {"POST /v1/usage/bulk"},
    "UsageRecordingFunction": {
        "POST /v1/usage",
        "POST /v1/usage/litellm",
        "POST /api/v1/events",
        "GET /v1/usage/parked",
        "POST /v1/usage/parked/{parked_id}/replay",
        "POST /v1/usage/parked/{parked_id}/dismiss",
    },
    "OverageCheckoutFunction": {
        f"POST {CUSTOMER}/checkouts",
        f"GET {CUSTOMER}/checkouts",
        f"GET {CUSTOMER}/checkouts/{{checkout_id}}",
        f"POST {CUSTOMER}/overage/{{meter}}/forgive",
        "GET /buy/{token}",
    },
    "WebhookDeliveriesFunction": {
        "GET /v1/deliveries",
        "GET /v1/deliveries/{delivery_id}",
        "POST /v1/deliveries/{delivery_id}/replay",
        "POST /v1/deliveries/{delivery_id}/assign",
        "POST /v1/deliveries/{delivery_id}/dismiss",
    },
    "CustomerDataFunction": {f"GET {CUSTOMER}/export", f"DELETE {CUSTOMER}"},
    "UsageHealingFunction": {"POST /v1/usage/healings"},
    "ReconciliationFunction": {"POST /v1/reconciliations"},
    "ReportsFunction": {"GET /v1/reports/revenue", "GET /v1/reports/revenue/customers", "GET /v1/reports/usage"},
}


def statements(function: str) -> list[dict[str, Any]]:
    return statements_of(FUNCTIONS[function])


def http_events(function: str) -> list[dict[str, Any]]:
    events = FUNCTIONS[function].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "HttpApi"]


def test_the_routes_are_those_of_the_design() -> None:
    found = {
        name: {f"{event['Method']} {event['Path']}" for event in http_events(name)}
        for name in FUNCTIONS
        if http_events(name)
    }
    assert found == ROUTES


def test_only_the_purchase_link_is_open_to_all() -> None:
    open_routes = [event["Path"] for name in FUNCTIONS for event in http_events(name) if "Auth" in event]
    assert open_routes == ["/buy/{token}"]
    assert RESOURCES["HttpApi"]["Properties"]["Auth"]["DefaultAuthorizer"] == "ApiKey"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_policy_names_single_verbs_and_single_resources(function: str) -> None:
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        assert "*" not in str(statement["Resource"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_authorizer_reads_api_keys_and_nobody_writes_them(function: str) -> None:
    on_table = [each for each in statements(function) if each["Resource"] == {"Fn::Sub": TABLE_ARN}]
    assert on_table or function in {"UsageBulkFunction", "UsageForwardingFunction"}
    for statement in on_table:
        if statement["Action"] == ["dynamodb:Scan"]:
            # It searches for a customer, and returns keys: test_least_privilege.py.
            assert (function, set(statement["Condition"])) == (
                "CustomerDataFunction",
                {"ForAllValues:StringEquals", "StringEquals"},
            )
            continue
        (operator, condition), *others = statement["Condition"].items()
        assert not others
        keys = condition["dynamodb:LeadingKeys"]
        if function == "ApiKeyAuthorizerFunction":
            assert (operator, keys, statement["Action"]) == (
                "ForAllValues:StringLike",
                ["APIKEY#*"],
                ["dynamodb:GetItem"],
            )
        else:
            assert operator == "ForAllValues:StringLike"
            assert not [key for key in keys if key.startswith(("APIKEY", "*"))]


# What a function may touch, by partition key. The integration tests hold every request of a handler against the template.
METERING = {"CUSTOMER#*", "ERASED#*", "REPORT#USAGE#*"}
APPLYING = {"CHECKOUT#*", "CUSTOMER#*", "DELIVERY#*", "ERASED#*", "ORDER#*", "PAYMENT#*", "REPORT#*"}
KEYS = {
    ("api_key_authorizer", "table"): {"APIKEY#*"},
    ("quota_check", "table"): METERING | {"USAGE#*"},
    ("usage_recording", "table"): METERING | {"PARKED#*", "USAGE#*"},
    ("usage_recording", "listing"): {"PARKED_USAGE", "PARKED_USAGE_DISMISSED"},
    ("usage_batch", "table"): METERING | {"PARKED#*", "USAGE#*"},
    ("usage_healing", "table"): METERING | {"PARKED#*", "RECONCILIATION", "USAGE#*"},
    ("renewal_reset", "table"): METERING - {"ERASED#*"},
    ("renewal_reset", "due"): {"DUE#*"},
    ("renewal_reset", "listing"): {"DELIVERIES#failed", "DELIVERIES#parked", "PARKED_USAGE"},
    ("overage_checkout", "table"): METERING | {"CHECKOUT#*"},
    ("overage_checkout", "listing"): {"CHECKOUTS#*"},
    ("webhook_intake", "table"): APPLYING,
    ("webhook_deliveries", "table"): APPLYING,
    ("webhook_deliveries", "listing"): {"DELIVERIES#*"},
    ("reconciliation", "table"): APPLYING | {"RECONCILIATION"},
    ("reconciliation", "due"): {"BODIES"},
    # The star is of its scan, which has no keys.
    ("customer_data", "table"): APPLYING | {"*", "PARKED#*", "RECONCILIATION", "USAGE#*"},
    ("reports", "table"): {"REPORT#*"},
    ("reconciliation", "listing"): {
        "CHECKOUTS#watched",
        "DELIVERIES#*",
        "PAYMENTS#uncharged",
        "WATCHED_CHECKOUTS",
        "SUBSCRIPTIONS#live",
    },
}


def test_a_function_touches_no_more_than_its_own_keys() -> None:
    granted: dict[tuple[str, str], set[str]] = {}
    for function in FUNCTIONS.values():
        name = function["CodeUri"].removeprefix("functions/")
        for grant in grants_of(name):
            granted.setdefault((name, grant.where), set()).update(grant.keys)
    assert granted == KEYS
    broad = [(place, key) for place, keys in granted.items() for key in keys if not re.match(r"[A-Z_]+(#|$)", key)]
    assert broad == [(("customer_data", "table"), "*")]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_json_to_a_group_that_forgets(function: str) -> None:
    logging = {**TEMPLATE["Globals"]["Function"]["LoggingConfig"], **FUNCTIONS[function]["LoggingConfig"]}
    group = RESOURCES[logging["LogGroup"]["Ref"]]
    assert (logging["LogFormat"], logging["SystemLogLevel"]) == ("JSON", "WARN")
    assert logging["ApplicationLogLevel"] == {"Ref": "LogLevel"}
    # Lambda drops lines without a level above INFO, and the metrics' lines have none.
    assert TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_private_key_is_only_referred_to() -> None:
    for function in ("OverageCheckoutFunction", "ReconciliationFunction"):
        environment = FUNCTIONS[function]["Environment"]["Variables"]
        assert environment["WAFFO_PRIVATE_KEY_SECRET_ID"] == {"Ref": "WaffoPrivateKeySecretArn"}
    every_variable = {name for each in FUNCTIONS.values() for name in each["Environment"]["Variables"]}
    assert "WAFFO_PRIVATE_KEY" not in every_variable


def test_the_table_survives_the_stack_and_can_be_restored() -> None:
    table = RESOURCES["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_webhook_url_checks_signatures_not_credentials_and_is_for_no_browser() -> None:
    assert FUNCTIONS["WebhookIntakeFunction"]["FunctionUrlConfig"] == {"AuthType": "NONE"}


FORWARDING = {
    "UsageForwardingFunction",
    "UsageForwardingLogGroup",
    "ForwardingRefusedQueue",
    "ForwardingFailedQueue",
}


def test_forwarding_is_off_unless_an_openmeter_is_named_and_then_nothing_of_it_is_made() -> None:
    parameters = TEMPLATE["Parameters"]
    assert (parameters["OpenMeterBaseUrl"]["Default"], parameters["OpenMeterKeySecret"]["Default"]) == ("", "")
    assert TEMPLATE["Conditions"]["ForwardsUsage"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "OpenMeterBaseUrl"}, ""]}]}
    assert {name for name, each in RESOURCES.items() if each.get("Condition") == "ForwardsUsage"} == FORWARDING
    assert {name for name in RESOURCES if "Forwarding" in name} == FORWARDING
    watchers = FORWARDING | {"ObservabilityStack"}
    everything_else = {name: each for name, each in RESOURCES.items() if name not in watchers}
    assert not [name for name in FORWARDING if f"'{name}'" in str(everything_else)]


def test_forwarding_is_tried_again_within_bounds_and_then_set_aside() -> None:
    source = FUNCTIONS["UsageForwardingFunction"]["Events"]["Stream"]["Properties"]
    assert source["BisectBatchOnFunctionError"] is True
    assert source["MaximumRecordAgeInSeconds"] > PATIENCE.total_seconds()
    assert source["MaximumRecordAgeInSeconds"] < timedelta(hours=24).total_seconds()
    assert 0 < source["MaximumRetryAttempts"] <= 10_000
    assert source["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["ForwardingFailedQueue", "Arn"]}


def test_the_openmeter_key_is_only_referred_to() -> None:
    assert FUNCTIONS["UsageForwardingFunction"]["Environment"]["Variables"]["OPENMETER_KEY_SECRET_ID"] == {
        "Ref": "OpenMeterKeySecret"
    }
    assert TEMPLATE["Rules"]["ForwardingHasItsKey"]["Assertions"]


def test_rules_use_only_what_cloudformation_allows_in_them() -> None:
    allowed = {
        "Fn::And",
        "Fn::Contains",
        "Fn::EachMemberEquals",
        "Fn::EachMemberIn",
        "Fn::Equals",
        "Fn::Not",
        "Fn::Or",
        "Ref",
    }

    def functions(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {name for name in value if name.startswith("Fn::") or name == "Ref"}
            return own.union(*map(functions, value.values()))
        return set().union(*map(functions, value)) if isinstance(value, list) else set()

    assert functions(load_template()["Rules"]) <= allowed
