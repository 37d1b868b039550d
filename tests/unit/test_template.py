"""House rules for template.yaml that no linter knows."""

import re
from datetime import timedelta
from typing import Any

import pytest

from pancake_meter.http.access.routes import ROUTE_OF_KEY, ROUTES
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


def statements(function: str) -> list[dict[str, Any]]:
    return statements_of(FUNCTIONS[function])


def http_events(function: str) -> list[dict[str, Any]]:
    events = FUNCTIONS[function].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "HttpApi"]


def events_of_the_api() -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        f"{event['Method']} {event['Path']}": (properties["CodeUri"].removeprefix("functions/"), event)
        for name, properties in FUNCTIONS.items()
        for event in http_events(name)
    }


def test_a_route_that_is_not_in_the_table_of_routes_does_not_deploy() -> None:
    found = {key: function for key, (function, _) in events_of_the_api().items()}
    assert found == {route.key: route.function for route in ROUTES}
    assert len(ROUTE_OF_KEY) == len(ROUTES)


def test_every_route_asks_the_authorizer_but_those_that_the_table_opens_to_all() -> None:
    without = {key: event["Auth"] for key, (_, event) in events_of_the_api().items() if "Auth" in event}
    assert without == {route.key: {"Authorizer": "NONE"} for route in ROUTES if route.is_open}
    assert RESOURCES["HttpApi"]["Properties"]["Auth"]["DefaultAuthorizer"] == "ApiKey"


def test_the_authorizer_s_answer_is_kept_for_a_minute_by_bearer_and_route() -> None:
    authorizer = RESOURCES["HttpApi"]["Properties"]["Auth"]["Authorizers"]["ApiKey"]
    assert authorizer["Identity"] == {"Headers": ["Authorization"], "Context": ["routeKey"], "ReauthorizeEvery": 60}
    assert authorizer["EnableSimpleResponses"] is True


def test_the_access_log_names_the_key_of_a_call_and_no_path() -> None:
    written = RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    assert '"key":"$context.authorizer.key_name"' in written
    assert "$context.path" not in written


def test_browsers_may_call_from_nowhere_unless_an_origin_is_named_and_never_the_whole_api() -> None:
    assert TEMPLATE["Parameters"]["BrowserOrigins"]["Default"] == ""
    assert "CorsConfiguration" not in RESOURCES["HttpApi"]["Properties"]
    pattern = TEMPLATE["Parameters"]["BrowserOrigins"]["AllowedPattern"]
    for origins in ("", "https://app.example.com", "https://a.example,http://localhost:3000"):
        assert re.match(pattern, origins)
    for origins in ("*", "https://*.example.com", "https://a.example/", "https://a.example, https://b.example", "null"):
        assert not re.match(pattern, origins)


def test_a_route_has_the_throttle_of_the_table() -> None:
    limits = {
        route.key: {"ThrottlingBurstLimit": {"Ref": route.throttle}, "ThrottlingRateLimit": {"Ref": route.throttle}}
        for route in ROUTES
        if route.throttle is not None
    }
    assert RESOURCES["HttpApi"]["Properties"]["RouteSettings"] == limits


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_policy_names_single_verbs_and_single_resources(function: str) -> None:
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        assert "*" not in str(statement["Resource"])


# The authorizer and the console's sign-in note the day of a key's use.
KEEPERS = {
    "OperatorConsoleFunction": ("ConditionCheckItem", "GetItem", "PutItem", "UpdateItem"),
    "ApiKeyAuthorizerFunction": ("GetItem", "UpdateItem"),
    "AccessFunction": ("ConditionCheckItem", "GetItem", "PutItem", "UpdateItem"),
}
KEPT = {
    "ApiKeyAuthorizerFunction": ["APIKEY#*"],
    "AccessFunction": ["APIKEY#*", "IDEMPOTENCY#*"],
    "OperatorConsoleFunction": ["APIKEY#*", "IDEMPOTENCY#*"],
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_who_guards_api_keys_touches_them(function: str) -> None:
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
        if function == "AccessFunction" and keys == ["ERASED#*"]:
            assert statement["Action"] == ["dynamodb:GetItem"]
        elif function == "OperatorConsoleFunction" and "APIKEY#*" not in keys:
            # It does for people what many functions do for programs.
            assert not [key for key in keys if key.startswith(("APIKEY", "*"))]
        elif function in KEEPERS:
            assert (operator, keys) == ("ForAllValues:StringLike", KEPT[function])
            assert statement["Action"] == [f"dynamodb:{verb}" for verb in KEEPERS[function]]
        else:
            assert operator == "ForAllValues:StringLike"
            assert not [key for key in keys if key.startswith(("APIKEY", "*"))]


# What a function may touch, by partition key. The integration tests hold every request of a handler against the template.
METERING = {"CUSTOMER#*", "ERASED#*", "REPORT#USAGE#*"}
APPLYING = {"CHECKOUT#*", "CUSTOMER#*", "DELIVERY#*", "ERASED#*", "ORDER#*", "PAYMENT#*", "REPORT#*"}
KEYS = {
    ("access", "table"): {"APIKEY#*", "ERASED#*", "IDEMPOTENCY#*"},
    ("access", "listing"): {"APIKEYS"},
    ("api_key_authorizer", "table"): {"APIKEY#*"},
    ("quota_check", "table"): METERING | {"USAGE#*"},
    ("usage_recording", "table"): METERING | {"PARKED#*", "USAGE#*"},
    ("usage_recording", "listing"): {"PARKED_USAGE", "PARKED_USAGE_DISMISSED"},
    ("usage_batch", "table"): METERING | {"PARKED#*", "USAGE#*"},
    ("usage_healing", "table"): METERING | {"PARKED#*", "RECONCILIATION", "USAGE#*"},
    ("renewal_reset", "table"): METERING | {"ALERT#*"},
    ("renewal_reset", "due"): {"DUE#*", "REMINDERS#*"},
    ("renewal_reset", "listing"): {"DELIVERIES#failed", "DELIVERIES#parked", "PARKED_USAGE"},
    ("overage_checkout", "table"): METERING | {"CHECKOUT#*", "IDEMPOTENCY#*"},
    ("customer_controls", "table"): METERING,
    ("customer_pages", "table"): METERING | {"CHECKOUT#*", "IDEMPOTENCY#*", "ORDER#*", "PAYMENT#*"},
    ("customer_pages", "listing"): {"CHECKOUTS#*"},
    ("overage_checkout", "listing"): {"CHECKOUTS#*"},
    ("webhook_intake", "table"): APPLYING,
    ("webhook_deliveries", "table"): APPLYING,
    ("webhook_deliveries", "listing"): {"DELIVERIES#*"},
    ("payments", "table"): APPLYING,
    ("payments", "listing"): {"PAYMENTS#*"},
    ("waffo_actions", "table"): {"CUSTOMER#*", "ERASED#*", "ORDER#*", "PAYMENT#*"},
    ("reconciliation", "table"): APPLYING | {"RECONCILIATION"},
    ("reconciliation", "due"): {"BODIES"},
    # The star is of its scan, which has no keys.
    ("customer_data", "listing"): {"ERASURES"},
    ("customer_data", "table"): APPLYING | {"*", "ALERT#*", "PARKED#*", "RECONCILIATION", "USAGE#*"},
    ("reports", "table"): {"REPORT#*"},
    ("customers", "table"): {"CHECKOUT#*", "CUSTOMER#*", "ERASED#*"},
    ("customers", "listing"): {"CUSTOMERS", "CUSTOMERS#*"},
    ("alerts", "table"): {"ALERT#*", "ALERTS", "ALERT_ENDPOINTS", "CUSTOMER#*", "IDEMPOTENCY#*"},
    ("operator_console", "table"): APPLYING
    | {"ALERT#*", "ALERTS", "ALERT_ENDPOINTS", "APIKEY#*", "IDEMPOTENCY#*", "PARKED#*", "SESSION#*", "USAGE#*"},
    ("operator_console", "listing"): {
        "ALERTS",
        "ALERTS#*",
        "APIKEYS",
        "CHECKOUTS#*",
        "CUSTOMERS",
        "CUSTOMERS#*",
        "DELIVERIES#*",
        "PARKED_USAGE",
        "PARKED_USAGE_DISMISSED",
        "PAYMENTS#*",
    },
    ("alert_sender", "table"): {"ALERT#*", "ALERTS", "ALERT_ENDPOINTS", "CUSTOMER#*"},
    ("alerts", "listing"): {"ALERTS", "ALERTS#*"},
    ("stream_reader", "table"): {
        "ALERT#*",
        "ALERTS",
        "ALERT_ENDPOINTS",
        "CUSTOMER#*",
        "ERASED#*",
        "REPORT#LIVE",
        "REPORT#LIVE#*",
    },
    ("reconciliation", "listing"): {
        "CHECKOUTS#watched",
        "DELIVERIES#*",
        "PAYMENTS#uncharged",
        "REFUNDS#open",
        "WATCHED_CHECKOUTS",
        "SUBSCRIPTIONS#live",
    },
}


def test_an_alarm_that_ends_a_deployment_watches_no_more_metrics_than_an_alarm_takes() -> None:
    alarms = {name: each["Properties"] for name, each in RESOURCES.items() if name.startswith("GradualDeployment")}
    watched = {
        name: [each["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"] for each in alarm["Metrics"][1:]]
        for name, alarm in alarms.items()
        if "Metrics" in alarm
    }
    assert all(len(functions) <= 10 for functions in watched.values())
    behind = {
        name
        for name, each in FUNCTIONS.items()
        if any(event["Type"] == "HttpApi" for event in each.get("Events", {}).values())
    }
    assert set().union(*watched.values()) >= behind - {"UsageHealingFunction"}


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
    holders = {
        "CustomerPagesFunction",
        "OperatorConsoleFunction",
        "OverageCheckoutFunction",
        "ReconciliationFunction",
        "WaffoActionsFunction",
    }
    for name, properties in FUNCTIONS.items():
        given = properties["Environment"]["Variables"].get("WAFFO_PRIVATE_KEY_SECRET_ID")
        assert given == ({"Ref": "WaffoPrivateKeySecretArn"} if name in holders else None)
        reads = [each["Resource"] for each in statements(name) if "secretsmanager:GetSecretValue" in each["Action"]]
        assert ("WaffoPrivateKeySecretArn" in str(reads)) == (name in holders)
    every_variable = {name for each in FUNCTIONS.values() for name in each["Environment"]["Variables"]}
    assert "WAFFO_PRIVATE_KEY" not in every_variable


def test_the_secret_of_customer_tokens_is_only_referred_to() -> None:
    holders = {"ApiKeyAuthorizerFunction", "AccessFunction", "CustomerPagesFunction", "OperatorConsoleFunction"}
    for name, properties in FUNCTIONS.items():
        given = properties["Environment"]["Variables"].get("CUSTOMER_TOKEN_SECRET_ID")
        assert given == ({"Fn::GetAtt": ["CustomerTokenSecret", "Id"]} if name in holders else None)
        reads = [each["Resource"] for each in statements(name) if "secretsmanager:GetSecretValue" in each["Action"]]
        assert ("CustomerTokenSecret" in str(reads)) == (name in holders)


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


def test_the_stream_reader_is_tried_again_and_a_record_that_nobody_can_follow_stops_no_shard_for_ever() -> None:
    source = FUNCTIONS["StreamReaderFunction"]["Events"]["Stream"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BisectBatchOnFunctionError"] is True
    assert source["MaximumRecordAgeInSeconds"] < timedelta(hours=24).total_seconds()
    assert 0 < source["MaximumRetryAttempts"] <= 10_000
    assert source["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["StreamFailedQueue", "Arn"]}
    assert FUNCTIONS["StreamReaderFunction"]["Environment"]["Variables"]["STREAM_FAILED_QUEUE_URL"] == {
        "Ref": "StreamFailedQueue"
    }


def test_a_table_has_two_readers_of_its_stream_at_most() -> None:
    readers = {
        name
        for name, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "DynamoDB"
    }
    assert readers == {"StreamReaderFunction", "UsageForwardingFunction"}


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
