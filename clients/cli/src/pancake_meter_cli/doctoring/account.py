"""What only AWS shows: secrets, schedules, queues, alarms and who hears them."""

from collections.abc import Iterator
from typing import Any, Final

from pancake_meter_cli import aws
from pancake_meter_cli.commands.redrive import waiting
from pancake_meter_cli.doctoring.findings import Check, Finding, Patient
from pancake_meter_cli.failures import Failure

ALARMS_AT_ONCE: Final = 100
SCHEDULE: Final = "AWS::Scheduler::Schedule"
SECRET: Final = "AWS::SecretsManager::Secret"  # noqa: S105 - a kind of resource
ALARM: Final = "AWS::CloudWatch::Alarm"
KEY_PARAMETERS: Final = ("WaffoPrivateKeySecretArn", "OpenMeterKeySecret", "LiteLLMKeySecret")


def secrets(patient: Patient) -> Iterator[Finding]:
    """Every secret is there and has a value. Values are not read."""
    client = aws.client(patient.cli, "secretsmanager")
    named = [(each.logical_id, each.physical_id) for each in aws.resources(patient.cli) if each.kind == SECRET]
    named += [(name, value) for name, value in _parameters(patient).items() if name in KEY_PARAMETERS and value]
    faults = 0
    for name, secret_id in named:
        try:
            described = client.describe_secret(SecretId=secret_id)
        except Exception as error:
            failure = aws.trouble(error)
            if "ResourceNotFound" not in failure.detail:
                raise failure from error
            described = {"DeletedDate": "before"}
        if described.get("DeletedDate"):
            faults += 1
            yield Finding("fault", f"the secret {name} is deleted", "restore it: aws secretsmanager restore-secret")
    if not faults:
        yield Finding("ok", f"{len(named)} secrets are there")


def schedules(patient: Patient) -> Iterator[Finding]:
    """Every schedule is enabled."""
    client = aws.client(patient.cli, "scheduler")
    found = [each for each in aws.resources(patient.cli) if each.kind == SCHEDULE]
    if not found:
        yield Finding("not_checked", "CloudFormation names no schedule of the stack")
        return
    stopped = []
    for each in found:
        name = each.physical_id.rsplit("/", 1)[-1]
        state = _asked(client.get_schedule, Name=name)["State"]
        if state != "ENABLED":
            stopped.append(each.logical_id)
    for logical_id in stopped:
        yield Finding(
            "fault", f"the schedule {logical_id} does not run", "enable it in EventBridge Scheduler, or deploy again"
        )
    if not stopped:
        yield Finding("ok", f"{len(found)} schedules are enabled")


def queues(patient: Patient) -> Iterator[Finding]:
    """Nothing waits in a queue of what could not be handled."""
    full = [each for each in waiting(patient.cli) if each["messages"]]
    for each in full:
        yield Finding("fault", f"{each['messages']} messages wait in {each['queue']}", f"pancake-meter {each['helps']}")
    if not full:
        yield Finding("ok", "no queue holds what could not be handled")


def alarms(patient: Patient) -> Iterator[Finding]:
    """Alarms are there, somebody hears them, and none rings."""
    if patient.cli.profile.is_local:
        yield Finding("not_checked", "the local stack has no alarms")
        return
    names = [each.physical_id for each in aws.resources(patient.cli) if each.kind == ALARM]
    if not names:
        yield Finding("fault", "the stack has no alarms", "deploy it with Observability=full")
        return
    client = aws.client(patient.cli, "cloudwatch")
    found: list[dict[str, Any]] = []
    for start in range(0, len(names), ALARMS_AT_ONCE):
        part = names[start : start + ALARMS_AT_ONCE]
        found += _asked(client.describe_alarms, AlarmNames=part, MaxRecords=ALARMS_AT_ONCE)["MetricAlarms"]
    ringing = [each["AlarmName"] for each in found if each["StateValue"] == "ALARM"]
    if ringing:
        yield Finding("fault", f"rings now: {', '.join(ringing)}", "docs/runbooks/alarms.md")
    topics = {topic for each in found for topic in each.get("AlarmActions", ())}
    if not topics:
        yield Finding("fault", "no alarm has a receiver", "deploy with AlarmEmail=you@example.com or AlarmTopicArn")
        return
    yield from _receivers(patient, topics)


def _receivers(patient: Patient, topics: set[str]) -> Iterator[Finding]:
    sns = aws.client(patient.cli, "sns")
    for topic in sorted(each for each in topics if ":sns:" in each):
        subscriptions = _asked(sns.list_subscriptions_by_topic, TopicArn=topic)["Subscriptions"]
        confirmed = [each for each in subscriptions if each["SubscriptionArn"].startswith("arn:")]
        if confirmed:
            yield Finding("ok", f"alarms reach {len(confirmed)} receivers")
        else:
            yield Finding(
                "fault", f"nobody has confirmed to hear {topic}", "follow the link in AWS's mail, or subscribe"
            )


def _parameters(patient: Patient) -> dict[str, str]:
    client = aws.client(patient.cli, "cloudformation")
    stack = _asked(client.describe_stacks, StackName=aws.stack_name(patient.cli.profile))["Stacks"][0]
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", ())}


def _asked(call: Any, **arguments: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = call(**arguments)
    except Failure:
        raise
    except Exception as error:
        raise aws.trouble(error) from error
    return answer


CHECKS: Final[dict[str, Check]] = {"secrets": secrets, "schedules": schedules, "queues": queues, "alarms": alarms}
