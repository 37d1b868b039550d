"""What AWS would refuse, share or bill without being asked: held on the template after the SAM transform."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest

from pancake_meter.http.access.routes import ROUTES
from tests.support.translated import resources_of, translated
from tools.build import RUNTIMES
from tools.cfn_template import TEMPLATE_PATH

PHYSICAL_NAMES = {
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}
EVERYTHING_ON = {
    "OpenMeterBaseUrl": "https://openmeter.example",
    "OpenMeterKeySecret": "openmeter-key",
    "LiteLLMBaseUrl": "https://litellm.example",
    "LiteLLMKeySecret": "litellm-key",
    "AlarmEmail": "operator@example.com",
    "GradualDeployment": "true",
    "SecretsKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
    "ApiDomainName": "meter.example.com",
    "ApiCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000",
    "ApiHostedZoneId": "Z123",
    "GateReservedConcurrency": "50",
    "WebhookReservedConcurrency": "5",
    "ProvisionedConcurrency": "2",
}
RESTORED = {
    "ExistingTableName": "restored",
    "ExistingTableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/restored/stream/2026-01-01T00:00:00.000",
}
VARIANTS = {"as it comes": {}, "everything on": EVERYTHING_ON, "restored": {**EVERYTHING_ON, **RESTORED}}


def resources(**parameters: str) -> dict[str, Any]:
    return resources_of(parameters)


def of_type(kind: str, **parameters: str) -> dict[str, Any]:
    found = resources(**parameters)
    return {name: each["Properties"] for name, each in found.items() if each["Type"] == kind}


def environment(function: str, **parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = of_type("AWS::Lambda::Function", **parameters)[function]["Environment"]["Variables"]
    return found


def strings(part: Any) -> Iterator[str]:
    match part:
        case str():
            yield part
        case dict():
            for each in part.values():
                yield from strings(each)
        case list():
            for each in part:
                yield from strings(each)


@pytest.mark.parametrize("parameters", VARIANTS.values(), ids=VARIANTS)
def test_a_second_stack_in_the_account_and_region_meets_no_name_of_the_first(parameters: dict[str, str]) -> None:
    for name, resource in resources(**parameters).items():
        physical = resource.get("Properties", {}).get(PHYSICAL_NAMES.get(resource["Type"], ""))
        assert physical is None or "${AWS::StackName}" in str(physical), (name, physical)


def test_metrics_and_alarms_are_the_stacks_own() -> None:
    own = {"Fn::Sub": "PancakeMeter/${AWS::StackName}"}
    for function in of_type("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == own
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        namespaces = (
            [alarm["Namespace"]]
            if "Namespace" in alarm
            else [each["MetricStat"]["Metric"]["Namespace"] for each in alarm["Metrics"] if "MetricStat" in each]
        )
        assert all(each == own or str(each).startswith("AWS/") for each in namespaces)


def test_a_warning_of_the_imported_body_stops_no_deployment() -> None:
    assert "FailOnWarnings" not in resources()["HttpApi"]["Properties"]


def test_callers_reach_an_alias_from_the_first_deployment_on() -> None:
    made = resources()
    for name, resource in made.items():
        if resource["Type"] == "AWS::Lambda::Function":
            assert made[f"{name}Aliaslive"]["Properties"]["FunctionName"] == {"Ref": name}
    assert made["WebhookIntakeFunctionUrl"]["Properties"]["TargetFunctionArn"] == {
        "Ref": "WebhookIntakeFunctionAliaslive"
    }
    invoked = [each for each in strings(made["HttpApi"]) if each.endswith("/invocations")]
    assert invoked
    assert not [each for each in invoked if "Aliaslive}" not in each and "__FunctionArn__" not in each]
    (authorizer,) = made["HttpApi"]["Properties"]["Body"]["components"]["securitySchemes"].values()
    _, named = authorizer["x-amazon-apigateway-authorizer"]["authorizerUri"]["Fn::Sub"]
    assert named == {"__FunctionArn__": {"Ref": "ApiKeyAuthorizerFunctionAliaslive"}}
    for schedule in of_type("AWS::Scheduler::Schedule").values():
        assert schedule["Target"]["Arn"]["Ref"].endswith("Aliaslive")
    for mapping in of_type("AWS::Lambda::EventSourceMapping").values():
        assert mapping["FunctionName"]["Ref"].endswith("Aliaslive")


def test_a_gradual_deployment_goes_back_when_an_alarm_rings_and_is_off_unless_asked_for() -> None:
    assert of_type("AWS::CodeDeploy::DeploymentGroup") == {}
    groups = of_type("AWS::CodeDeploy::DeploymentGroup", GradualDeployment="true")
    assert groups
    for group in groups.values():
        assert group["AlarmConfiguration"] == {
            "Enabled": True,
            "Alarms": [
                {"Name": {"Ref": "GradualDeploymentApiAlarm"}},
                {"Name": {"Ref": "GradualDeploymentOperatorAlarm"}},
                {"Name": {"Ref": "GradualDeploymentWebhookAlarm"}},
            ],
        }
        assert group["AutoRollbackConfiguration"]["Enabled"] is True


def test_a_restored_table_takes_the_place_of_the_stacks_own_everywhere() -> None:
    own, restored = resources(), resources(**EVERYTHING_ON, **RESTORED)
    assert own["TableInUse"]["Properties"]["Value"] == {"Ref": "Table"}
    assert "Table" not in restored
    assert restored["TableInUse"]["Properties"]["Value"] == {"Ref": "ExistingTableName"}
    assert not [each for each in strings(restored) if re.search(r"\bTable\.|\$\{Table\}", each)]
    assert "{'Ref': 'Table'}" not in str(restored)
    assert "['Table', " not in str(restored)
    stream = restored["UsageForwardingFunctionStream"]["Properties"]["EventSourceArn"]
    assert stream == {"Ref": "ExistingTableStreamArn"}
    for function in of_type("AWS::Lambda::Function", **EVERYTHING_ON, **RESTORED).values():
        assert function["Environment"]["Variables"]["TABLE_NAME"] == {"Fn::GetAtt": ["TableInUse", "Value"]}


def test_the_newest_python_is_the_one_that_is_deployed_unless_another_is_asked_for() -> None:
    runtime = translated()["Parameters"]["Runtime"]
    assert (runtime["Default"], max(runtime["AllowedValues"])) == ("python3.13", "python3.13")
    assert sorted(runtime["AllowedValues"]) == sorted(RUNTIMES)


def test_nothing_deletes_a_table_that_has_been_in_use() -> None:
    table = resources()["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["DeletionProtectionEnabled"] is True


def test_what_costs_is_off_unless_asked_for() -> None:
    made = resources()
    stage = made["HttpApiApiGatewayDefaultStage"]["Properties"]
    assert stage["DefaultRouteSettings"]["DetailedMetricsEnabled"] == {"Ref": "DetailedRouteMetrics"}
    declared = translated()["Parameters"]
    defaults = {name: str(each.get("Default")).lower() for name, each in declared.items()}
    assert (defaults["DetailedRouteMetrics"], defaults["Tracing"]) == ("false", "passthrough")
    for function in of_type("AWS::Lambda::Function").values():
        assert function["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}
        assert not {"SnapStart", "ReservedConcurrentExecutions", "VpcConfig"} & function.keys()
    assert not [each for each in of_type("AWS::Lambda::Alias").values() if "ProvisionedConcurrencyConfig" in each]


def test_strangers_are_held_back_where_the_operator_says_so() -> None:
    functions = of_type("AWS::Lambda::Function", **EVERYTHING_ON)
    assert functions["QuotaCheckFunction"]["ReservedConcurrentExecutions"] == {"Ref": "GateReservedConcurrency"}
    assert functions["WebhookIntakeFunction"]["ReservedConcurrentExecutions"] == {"Ref": "WebhookReservedConcurrency"}
    throttles = resources()["HttpApiApiGatewayDefaultStage"]["Properties"]["RouteSettings"]
    limit = {"Ref": "BuyThrottlingRateLimit"}
    limited = [route.key for route in ROUTES if route.throttle == "BuyThrottlingRateLimit"]
    assert throttles == {key: {"ThrottlingBurstLimit": limit, "ThrottlingRateLimit": limit} for key in limited}
    assert {"GET /buy/{token}", "POST /buy/{token}"} <= set(limited)


@pytest.mark.parametrize(("given", "made"), [({}, 2), ({"BulkConcurrency": "9"}, {"Ref": "BulkConcurrency"})])
def test_the_queue_has_as_many_consumers_as_the_operator_says(given: dict[str, str], made: object) -> None:
    mappings = of_type("AWS::Lambda::EventSourceMapping", **given)
    most = {
        name: each["ScalingConfig"]["MaximumConcurrency"] for name, each in mappings.items() if "ScalingConfig" in each
    }
    assert [value for name, value in most.items() if name.startswith("UsageBatch")] == [made]


@pytest.mark.parametrize(("given", "made"), [({}, 5), ({"AlertConcurrency": "90"}, {"Ref": "AlertConcurrency"})])
def test_as_many_alerts_are_sent_at_once_as_the_operator_says(given: dict[str, str], made: object) -> None:
    mappings = of_type("AWS::Lambda::EventSourceMapping", **given)
    (alerts,) = (each for name, each in mappings.items() if name.startswith("AlertSender"))
    assert alerts["ScalingConfig"]["MaximumConcurrency"] == made


def test_a_secret_under_a_key_of_the_sellers_can_be_read_by_who_reads_secrets() -> None:
    for with_key in (True, False):
        parameters = EVERYTHING_ON if with_key else {**EVERYTHING_ON, "SecretsKmsKeyArn": ""}
        for role in of_type("AWS::IAM::Role", **parameters).values():
            actions = {
                action
                for policy in role.get("Policies", [])
                for statement in policy["PolicyDocument"]["Statement"]
                for action in statement["Action"]
            }
            assert ("kms:Decrypt" in actions) == (with_key and "secretsmanager:GetSecretValue" in actions)


def test_an_environment_has_the_keys_of_its_own_mode_only_and_room_for_four() -> None:
    for mode, other in (("test", "PROD"), ("prod", "TEST")):
        everything = {**EVERYTHING_ON, "WaffoEnvironment": mode}
        variables = environment("WebhookIntakeFunction", **everything)
        assert variables[f"WAFFO_WEBHOOK_{other}_PUBLIC_KEY"] == ""
        # The key of before and the one of after a rotation, in Waffo's own variable and in the one that overrides it
        assert sum(_longest(name, value) == TWO_KEYS for name, value in variables.items()) == 2
        for name in of_type("AWS::Lambda::Function", **everything):
            given = environment(name, **everything)
            size = sum(len(key) + len(_longest(key, value)) for key, value in given.items())
            assert size < 4096, (name, size)


TWO_KEYS = "\\n".join(f"-----BEGIN PUBLIC KEY-----{'A' * 400}-----END PUBLIC KEY-----" for _ in range(2))


def _longest(name: str, value: Any) -> str:
    """Return a value as long as an operator may give one."""
    if isinstance(value, str):
        return value
    return TWO_KEYS if name.endswith("PUBLIC_KEY") else "x" * 200


def test_access_logs_are_json_and_take_no_room_in_the_accounts_log_policy() -> None:
    made = resources()
    assert made["HttpApiLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")
    line = made["HttpApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]["Format"]
    assert re.fullmatch(r'\{("\w+":"\$context\.[\w.]+",?\s*)+\}', line)
    assert "messageString" not in line


def test_alarms_reach_an_address_through_a_topic_of_the_stack() -> None:
    (topic,) = of_type("AWS::SNS::Topic", AlarmEmail="operator@example.com").values()
    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]
    for alarm in of_type("AWS::CloudWatch::Alarm", AlarmEmail="operator@example.com").values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]


@pytest.mark.parametrize("parameters", VARIANTS.values(), ids=VARIANTS)
def test_every_function_writes_json_at_the_operators_level_into_its_own_log_group(parameters: dict[str, str]) -> None:
    functions = of_type("AWS::Lambda::Function", **parameters)
    groups = set()
    for function in functions.values():
        logging = function["LoggingConfig"]
        assert logging["LogFormat"] == "JSON"
        assert (logging["ApplicationLogLevel"], logging["SystemLogLevel"]) == ({"Ref": "LogLevel"}, "WARN")
        assert function["Environment"]["Variables"]["LOG_LEVEL"] == {"Ref": "LogLevel"}
        groups.add(logging["LogGroup"]["Ref"])
    assert len(groups) == len(functions)
    kept = of_type("AWS::Logs::LogGroup", **parameters)
    assert groups < kept.keys()
    assert {str(group["RetentionInDays"]) for group in kept.values()} == {"{'Ref': 'LogRetentionDays'}"}
    assert translated()["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]


@pytest.mark.parametrize("parameters", VARIANTS.values(), ids=VARIANTS)
def test_every_queue_is_encrypted_and_keeps_for_two_weeks(parameters: dict[str, str]) -> None:
    queues = of_type("AWS::SQS::Queue", **parameters)
    assert queues
    for queue in queues.values():
        assert (queue["SqsManagedSseEnabled"], queue["MessageRetentionPeriod"]) == (True, 1_209_600)


def test_the_template_stays_a_text_that_people_read() -> None:
    lines = TEMPLATE_PATH.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 2600
    assert max(map(len, lines)) <= 170


@pytest.mark.parametrize("parameters", VARIANTS.values(), ids=VARIANTS)
def test_no_resource_waits_for_itself(parameters: dict[str, str]) -> None:
    made = resources(**parameters)
    waits_for = {name: frozenset(_named(resource)) & made.keys() for name, resource in made.items()}
    # Raises CycleError, with the circle, where CloudFormation would refuse the template.
    assert set(TopologicalSorter(waits_for).static_order()) == made.keys()


def _named(part: Any) -> Iterator[str]:
    """All resources that a part of the template names: by Ref, GetAtt, Sub or DependsOn."""
    match part:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": str(text) | [str(text), *_]}:
            yield from (name.split(".")[0] for name in re.findall(r"\$\{([\w.]+)\}", text))
        case dict():
            waited = part.get("DependsOn", [])
            yield from [waited] if isinstance(waited, str) else waited
            for each in part.values():
                yield from _named(each)
        case list():
            for each in part:
                yield from _named(each)
