"""AWS, for what no API of the stack shows: queues, schedules, alarms, secrets. boto3 is asked for when it is needed."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pancake_meter_cli.cli import Cli
from pancake_meter_cli.failures import Failure, unreachable, usage
from pancake_meter_cli.profiles import Profile, is_loopback, require

LOCAL_CREDENTIAL = "test"
LOCAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack."""

    logical_id: str
    physical_id: str
    kind: str


def client(cli: Cli, service: str) -> Any:
    """Return a boto3 client for the profile's account, or for the local stack's emulator. Raises ``Failure``."""
    if cli.aws is not None:
        return cli.aws(service, cli.profile)
    try:
        boto3 = importlib.import_module("boto3")
        config = importlib.import_module("botocore.config").Config(connect_timeout=3, read_timeout=40)
    except ImportError:
        raise usage("boto3 is not installed", 'pipx inject pancake-meter-cli "boto3>=1.40"', "no_boto3") from None
    profile = cli.profile
    try:
        if is_loopback(profile.aws_endpoint_url):
            session = boto3.session.Session(LOCAL_CREDENTIAL, LOCAL_CREDENTIAL, region_name=LOCAL_REGION)
            return session.client(service, endpoint_url=profile.aws_endpoint_url, config=config)
        session = boto3.session.Session(region_name=profile.region)
        return session.client(service, config=config)
    except Exception as error:
        raise trouble(error) from error


def resources(cli: Cli) -> list[Resource]:
    """Return every resource of the stack, and of the stack in it that watches it. Raises ``Failure``."""
    cloudformation = client(cli, "cloudformation")
    found = list(_of_stack(cloudformation, stack_name(cli.profile)))
    nested = [each for each in found if each.kind == "AWS::CloudFormation::Stack"]
    return found + [inner for each in nested for inner in _of_stack(cloudformation, each.physical_id)]


def outputs(cli: Cli, stack: str) -> dict[str, str]:
    """Return the outputs of a stack. Raises ``Failure``."""
    try:
        described = client(cli, "cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except Failure:
        raise
    except Exception as error:
        raise trouble(error) from error
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}


def stack_name(profile: Profile) -> str:
    """Return the stack's name in CloudFormation. Raises ``Failure``."""
    return require(profile, "stack_name")


def trouble(error: Exception) -> Failure:
    """Return what an error of boto3 means to a person: it names what is missing, and never a credential."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and "Error" in answer:
        said = answer["Error"]
        helps = "log in to AWS with a role that may read the stack" if "ccess" in str(said.get("Code")) else ""
        return unreachable("aws_refused", f"AWS: {said.get('Code')}: {said.get('Message')}", helps)
    return unreachable("aws_unreachable", f"AWS: {type(error).__name__}", "see AWS_PROFILE and AWS_REGION")


def _of_stack(cloudformation: Any, name: str) -> Iterator[Resource]:
    try:
        token: str | None = None
        while True:
            page = cloudformation.list_stack_resources(StackName=name, **({"NextToken": token} if token else {}))
            for each in page["StackResourceSummaries"]:
                yield Resource(each["LogicalResourceId"], each.get("PhysicalResourceId", ""), each["ResourceType"])
            token = page.get("NextToken")
            if not token:
                return
    except Exception as error:
        raise trouble(error) from error
